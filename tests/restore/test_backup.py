"""A backup beside a service that records at full speed, and what never becomes one."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from telemetry_service.storage.sqlite_library import sqlite3 as sqlite_of_the_service
from tests.cli.conftest import CommandLine, Ended, bare, cli
from tests.support.databases import RunDatabases
from tests.support.lived_in import sqlite_lived_in
from tests.support.postgres_binaries import find_binaries
from tests.support.reckoning import reckon
from tests.support.running import Running
from tests.support.site import record_call, usage

__all__ = ["bare", "cli"]

BACKUPS = int(os.environ.get("BACKUPS", "3"))
"""`make backups` makes a hundred."""

EVENTS = 7


def file_of(cli: CommandLine) -> Path:
    return Path(cli.environment["TELEMETRY_DATABASE_URL"].removeprefix("sqlite:///"))


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@dataclass
class Reporters:
    """What is reported as fast as the service records it."""

    began: int = 0
    acknowledged: int = 0
    stopping: bool = False

    def report(self, service: Running) -> None:
        while not self.stopping:
            self.began += 1
            record_call(service.context.runtime, *(usage(EVENTS) for _ in range(20)))
            self.acknowledged += 1


@contextmanager
def reporting(service: Running) -> Iterator[Reporters]:
    reporters = Reporters()
    thread = threading.Thread(target=reporters.report, args=(service,))
    thread.start()
    try:
        yield reporters
    finally:
        reporters.stopping = True
        thread.join()


def back_up_beside_recording(cli: CommandLine, folder: Path, times: int) -> tuple[float, int]:
    """Back up again and again; return the longest one in seconds, and how many calls recorded usage meanwhile."""
    longest = 0.0
    with Running(cli.environment["TELEMETRY_DATABASE_URL"], dict(cli.environment)) as service:
        with reporting(service) as reporters:
            for number in range(times):
                acknowledged, began_at = reporters.acknowledged, time.monotonic()
                ended = cli("backup", str(folder / "backup.db"), "--overwrite", "--json")
                longest = max(longest, time.monotonic() - began_at)
                begun = reporters.began
                assert ended.code == 0, (number, ended)
                within = restored_events(cli, folder) // (EVENTS * 20)
                assert acknowledged <= within <= begun, number
        assert reporters.acknowledged > times
    return longest, reporters.acknowledged


def restored_events(cli: CommandLine, folder: Path) -> int:
    """Restore the backup as another database, and reckon it up."""
    ours, restored = cli.environment["TELEMETRY_DATABASE_URL"], folder / "restored" / "telemetry.db"
    cli.set(TELEMETRY_DATABASE_URL=f"sqlite:///{restored}")
    ended = cli("restore", str(folder / "backup.db"))
    assert ended.code == 0, ended
    cli.set(TELEMETRY_DATABASE_URL=ours)
    with closing(sqlite3.connect(restored)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return reckon(f"sqlite:///{restored}", ()).open.events


def test_each_backup_beside_recording_at_full_speed_is_whole_and_has_what_was_acknowledged(
    cli: CommandLine, tmp_path: Path
) -> None:
    longest, calls = back_up_beside_recording(cli, tmp_path, BACKUPS)
    print(f"{BACKUPS} of {BACKUPS} whole beside {calls} calls; the longest took {longest:.2f} s")  # noqa: T201


def test_with_a_write_ahead_log_backups_beside_recording_are_whole_and_a_restore_leaves_no_log(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service uses such a log with newer versions of SQLite; every version can."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    file = file_of(cli)
    log = file.with_name(file.name + "-wal")
    back_up_beside_recording(cli, tmp_path, 2)
    killed_while_it_writes_ahead(file)
    assert log.stat().st_size > 0, "the last commits are in the log alone"
    copied = tmp_path / "copied.db"
    shutil.copyfile(file, copied)
    shutil.copyfile(log, copied.with_name("copied.db-wal"))
    refused = cli("restore", str(copied))
    assert (refused.code, "(not-a-backup)" in refused.err) == (1, True)
    backup = tmp_path / "backups" / "backup.db"
    backup.parent.mkdir()
    assert cli("backup", str(backup)).code == 0
    assert [one.name for one in backup.parent.iterdir()] == ["backup.db"]
    killed_while_it_writes_ahead(file)
    ended = cli("restore", str(backup), "--json")
    assert ended.code == 0, ended
    assert rows_of_the_other_program(file) == 1
    assert rows_of_the_other_program(Path(ended.json()["kept"])) == 2
    assert reckon(cli.environment["TELEMETRY_DATABASE_URL"], ()).open.events > 0


WRITES_AHEAD = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("CREATE TABLE IF NOT EXISTS of_another_program (number)")
connection.execute("INSERT INTO of_another_program VALUES (1)")
connection.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_it_writes_ahead(file: Path) -> None:
    """Leave a write-ahead log beside the database, as a crash does."""
    died = subprocess.run([sys.executable, "-c", WRITES_AHEAD, str(file)], check=False)
    assert died.returncode == -signal.SIGKILL


def rows_of_the_other_program(file: Path) -> int:
    """Return how many rows it had written, of a database that is whole."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (found,) = connection.execute("SELECT count(*) FROM of_another_program").fetchone()
    return int(found)


def test_a_backup_is_one_private_file_and_replaces_no_other_unless_told(cli: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    file = folder / "backup.db"
    done = cli("backup", str(file))
    assert (done.code, str(file) in done.out) == (0, True)
    assert [one.name for one in folder.iterdir()] == ["backup.db"]
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"another one")
    refused = cli("backup", str(file))
    assert (refused.code, refused.out, "(file-exists)" in refused.err) == (1, "", True)
    assert file.read_bytes() == b"another one"
    assert cli("backup", str(file), "--overwrite").code == 0
    assert file.read_bytes().startswith(b"SQLite format 3")
    nowhere = cli("backup", str(tmp_path / "no-such-folder" / "backup.db"))
    assert (nowhere.code, "(file-refused)" in nowhere.err) == (1, True)


def test_a_file_of_a_database_is_replaced_by_no_command(cli: CommandLine) -> None:
    database = file_of(cli)
    before = database.read_bytes()
    for command in (("backup", "--overwrite"), ("support-bundle", "--offline", "--overwrite")):
        for suffix in ("", "-wal", "-shm", "-journal", ".ledger-head", ".in-use"):
            refused = cli(*command, f"{database}{suffix}")
            assert (refused.code, "belongs to a database" in refused.err) == (1, True), (command, suffix)
    assert database.read_bytes() == before


def test_where_the_disk_of_the_backup_is_full_that_is_said_and_nothing_is_left(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def on_a_small_disk(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the library takes them
        connection = connect(*arguments, **options)
        if "unfinished" in str(arguments[0]):
            connection.execute("PRAGMA max_page_count = 10")
        return connection

    connect = sqlite_of_the_service.connect
    monkeypatch.setattr(sqlite_of_the_service, "connect", on_a_small_disk)
    folder = tmp_path / "backups"
    folder.mkdir()
    refused = cli("backup", str(folder / "backup.db"))
    assert (refused.code, "choose another disk, or free some space. (file-refused)" in refused.err) == (1, True)
    assert [*folder.iterdir()] == []


def test_a_damaged_database_becomes_no_backup_and_leaves_an_earlier_one_alone(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "backups" / "backup.db"
    file.parent.mkdir()
    file.write_bytes(b"an earlier one")
    with file_of(cli).open("r+b") as database:
        database.seek(8 * 4096)
        database.write(b"\xff" * 40 * 4096)
    refused = cli("backup", str(file), "--overwrite")
    assert (refused.code, refused.out, "(storage-damaged)" in refused.err) == (4, "", True)
    assert file.read_bytes() == b"an earlier one"
    assert [one.name for one in file.parent.iterdir()] == ["backup.db"]


def test_a_database_of_an_older_version_is_backed_up_before_its_upgrade(bare: CommandLine, tmp_path: Path) -> None:
    older = sqlite_lived_in(tmp_path)
    bare.set(**older.environment)
    done = bare("backup", "backup.db", "--json")
    assert (done.code, done.json()["revision"]) == (0, "0001")
    assert done.json()["file"] == str(tmp_path / "backup.db")


def test_a_database_of_a_newer_version_is_left_to_that(cli: CommandLine, tmp_path: Path) -> None:
    with closing(sqlite3.connect(file_of(cli))) as other:
        other.execute("UPDATE telemetry_alembic_version SET version_num = '9999'")
        other.commit()
    refused = cli("backup", str(tmp_path / "backup.db"))
    assert (refused.code, "(schema-too-new)" in refused.err) == (4, True)


def test_the_commands_for_postgresql_work_as_printed_and_have_no_password(
    cli: CommandLine, run_databases: RunDatabases, tmp_path: Path
) -> None:
    programs = find_binaries(tmp_path / "programs")
    if not (programs / "pg_dump").exists():
        pytest.skip("this PostgreSQL has no pg_dump")
    with run_databases.postgresql() as former, run_databases.postgresql(migrated=False) as new:
        cli.set(TELEMETRY_DATABASE_URL=with_password(former))
        assert cli("migrate").code == 0
        record_in(cli, 1)
        run_as_printed(cli("backup", "backup.dump"), programs, before=())
        cli.set(TELEMETRY_DATABASE_URL=with_password(new))
        run_as_printed(cli("restore", "backup.dump"), programs, before=("telemetry-service restored --hold",))
        assert reckon(new, ()).open.events == EVENTS
        assert cli("restored", "--hold").code == 6
        assert cli("restored", "--open-period", "unsent").code == 0
        assert cli("ledger", "verify").code == 0


def with_password(url: str) -> str:
    secret = make_url(url).set(password="canary-word").update_query_dict({"prepare_threshold": "none"})
    return secret.render_as_string(hide_password=False)


def record_in(cli: CommandLine, reports: int) -> None:
    service = cli.service()
    record_call(service.runtime, *(usage(EVENTS) for _ in range(reports)))
    service.stop()


def run_as_printed(ended: Ended, programs: Path, before: tuple[str, ...]) -> None:
    """Run the first line of what a command printed. Those that follow are our own."""
    assert (ended.code, "(done-by-postgresql)" in ended.err) == (1, True)
    assert "canary-word" not in ended.out + ended.err
    command, *own = ended.out.splitlines()
    assert tuple(own) == before
    subprocess.run(["/bin/sh", "-c", command], env={"PATH": str(programs), "PGPASSWORD": "canary-word"}, check=True)
