"""The command restore: over a hot journal, beside a running service, of an older version, and of what is no backup."""

import errno
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine, bare, cli, connected, license_server
from tests.restore.test_backup import file_of
from tests.support.license_server import LicenseServer
from tests.support.lived_in import sqlite_lived_in
from tests.support.operations_page import shell_of
from tests.support.reckoning import reckon
from tests.support.running import Running
from tests.support.site import record_call, usage

__all__ = ["bare", "cli", "connected", "license_server"]

DIES_IN_A_TRANSACTION = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = TRUNCATE")
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
changed = ("telemetry_ledger", "actor"), ("usage_counters", "bouncer_id"), ("usage_report_ids", "received_on")
for table, column in changed:
    connection.execute(f"UPDATE {table} SET {column} = {column} || hex(randomblob(400))")
connection.execute(f"CREATE TABLE rubbish AS {numbers} SELECT i, hex(randomblob(500)) AS noise FROM n")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def record_events(cli: CommandLine, *events: int) -> None:
    service = cli.service()
    for number in events:
        record_call(service.runtime, *(usage(number, bouncer=f"bouncer-{n}") for n in range(20)))
    service.stop()


def open_events(cli: CommandLine) -> int:
    return reckon(cli.environment["TELEMETRY_DATABASE_URL"], ()).open.events


def is_whole(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as connection:
        try:
            return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))
        except sqlite3.DatabaseError:
            return False


def killed_in_a_transaction(file: Path) -> Path:
    """Leave a hot journal beside the database, and return it."""
    died = subprocess.run([sys.executable, "-c", DIES_IN_A_TRANSACTION, str(file)], check=False)
    assert died.returncode == -signal.SIGKILL
    journal = file.with_name(file.name + "-journal")
    assert journal.stat().st_size > 0
    return journal


def test_over_a_hot_journal_the_backup_is_whole_and_so_is_what_it_replaced(cli: CommandLine, tmp_path: Path) -> None:
    record_events(cli, 1)
    assert cli("backup", "backup.db").code == 0
    record_events(cli, *range(2, 40))
    events, file = open_events(cli), file_of(cli)
    journal = killed_in_a_transaction(file)
    copied = tmp_path / "copied" / file.name  # What the former advice did, and what it led to.
    copied.parent.mkdir()
    shutil.copyfile(tmp_path / "backup.db", copied)
    shutil.copyfile(journal, copied.with_name(journal.name))
    assert not (is_whole(copied) and reckon(f"sqlite:///{copied}", ()).open.events == 20)
    ended = cli("restore", "backup.db", "--json")
    assert ended.code == 0, ended
    assert not journal.exists()
    assert is_whole(file)
    assert open_events(cli) == 20
    kept = Path(ended.json()["kept"])
    assert kept.name.startswith(f"{file.name}.replaced-")
    assert is_whole(kept)
    assert reckon(f"sqlite:///{kept}", ()).open.events == events


def test_a_restore_that_fails_at_the_last_moment_leaves_the_database_that_was_there(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_events(cli, 1)
    assert cli("backup", "backup.db").code == 0
    record_events(cli, *range(2, 40))
    events, file = open_events(cli), file_of(cli)
    killed_in_a_transaction(file)
    replace = Path.replace

    def fails_for_the_copy(self: Path, target: Path) -> Path:
        if self.suffix == ".restoring":
            raise PermissionError
        return replace(self, target)

    with monkeypatch.context() as patches:
        patches.setattr(Path, "replace", fails_for_the_copy)
        assert cli("restore", "backup.db").code == 4
    assert is_whole(file)
    assert open_events(cli) == events
    with monkeypatch.context() as patches:
        patches.setattr(shutil, "copyfile", no_space)
        refused = cli("restore", "backup.db")
    assert (refused.code, "(storage-full)" in refused.err) == (4, True)
    assert open_events(cli) == events


def no_space(_source: Path, _target: Path) -> None:
    raise OSError(errno.ENOSPC, "")


def test_nothing_is_sent_until_it_is_said_what_was_sent_since(
    connected: CommandLine, license_server: LicenseServer
) -> None:
    """Even if the backup is as new as the database: nobody knows what a later copy of it has sent."""
    record_events(connected, 1)
    assert connected("backup", "backup.db").code == 0
    assert connected("restore", "backup.db").code == 0
    asked = connected("restored")
    assert (asked.code, "--open-period sent" in asked.out) == (6, True)
    refused = connected("send-now")
    assert (refused.code, "(restored)" in refused.err) == (6, True)
    assert license_server.journal() == ()
    assert connected("restored", "--open-period", "unsent").code == 0
    assert connected("send-now").code == 0
    assert [payload.total_events for payload in license_server.payloads()] == [20]
    assert connected("ledger", "verify").code == 0


def test_the_commands_of_the_operations_page_do_what_it_says(connected: CommandLine) -> None:
    record_events(connected, 1)
    commands = [
        shlex.split(line, comments=True)
        for line in shell_of("## Backup")
        if line.startswith("telemetry-service ") and "migrate-database" not in line
    ]
    assert [command[1] for command in commands] == ["backup", "restore", "restored", "restored", "restored"]
    codes = [connected(*command[1:]).code for command in commands]
    assert codes == [0, 0, 0, 0, 6], "the question was answered before the last two, which show how to answer it"


@pytest.mark.parametrize("by", ["serve", "migrate"])
def test_a_backup_of_an_older_version_is_migrated_and_held_by_the_next_start(
    bare: CommandLine, tmp_path: Path, by: str
) -> None:
    older = sqlite_lived_in(tmp_path)
    bare.set(**older.environment)
    assert bare("backup", "backup.db").code == 0
    bare.set(TELEMETRY_DATABASE_URL=f"sqlite:///{tmp_path / 'elsewhere' / 'telemetry.db'}")
    done = bare("restore", "backup.db")
    assert (done.code, "migrate" in done.out) == (0, True)
    assert bare("send-now").code == 8
    if by == "migrate":
        assert bare("migrate").code == 0
    else:
        bare.service().stop()
    assert bare("restored").code == 6
    assert bare("restored", "--open-period", "unsent").code == 0
    bare.service().stop()
    assert bare("restored").code == 0


def test_while_the_service_runs_it_is_refused_and_after_its_end_it_is_not(cli: CommandLine, sqlite_url: str) -> None:
    assert cli("backup", "backup.db").code == 0
    with Running(sqlite_url, dict(cli.environment)):
        before = file_of(cli).stat().st_ino
        refused = cli("restore", "backup.db")
        assert (refused.code, "(service-running)" in refused.err) == (1, True)
        assert file_of(cli).stat().st_ino == before
    assert cli("restore", "backup.db").code == 0


def test_what_is_no_backup_changes_nothing(cli: CommandLine, tmp_path: Path) -> None:
    assert cli("backup", "whole.db").code == 0
    whole = (tmp_path / "whole.db").read_bytes()
    for name, content in {
        "empty.db": b"",
        "text.db": b"This is no database.\n" * 1000,
        "half.db": whole[: len(whole) // 2],
        "with-journal.db": whole,
        "foreign.db": b"",
        "newer.db": whole,
        "never-set-up.db": whole,
    }.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "with-journal.db-wal").write_bytes(b"what was written last")
    for name, statement in {
        "foreign.db": "CREATE TABLE of_others (number)",
        "newer.db": "UPDATE telemetry_alembic_version SET version_num = '9999'",
        "never-set-up.db": "DELETE FROM installation",
    }.items():
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute(statement)
            connection.commit()
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith(".in-use")}
    for name in ("missing.db", "empty.db", "text.db", "half.db", "with-journal.db", "foreign.db", "never-set-up.db"):
        refused = cli("restore", name)
        assert (refused.code, "(not-a-backup)" in refused.err) == (1, True), (name, refused)
    refused = cli("restore", "newer.db")
    assert (refused.code, "(schema-too-new)" in refused.err) == (4, True)
    after = {file: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith(".in-use")}
    assert after == before


def test_without_a_backup_no_folder_is_created_for_it(cli: CommandLine, tmp_path: Path) -> None:
    cli.set(TELEMETRY_DATABASE_URL=f"sqlite:///{tmp_path / 'elsewhere' / 'telemetry.db'}")
    assert cli("restore", "missing.db").code == 1
    assert not (tmp_path / "elsewhere").exists()


def test_another_key_does_not_open_it_but_the_backup_is_held_all_the_same(cli: CommandLine) -> None:
    assert cli("backup", "backup.db").code == 0
    cli.set(ENCRYPTION_KEY=generate_key())
    assert cli("restore", "backup.db").code == 0
    assert cli("restored").code == 6


def test_what_a_killed_restore_leaves_does_no_harm(cli: CommandLine) -> None:
    """The copy that never got its place stays beside the database, and the next restore works."""
    assert cli("backup", "backup.db").code == 0
    leftover = file_of(cli).with_name(f".{file_of(cli).name}.abc.restoring")
    leftover.write_bytes(b"half a copy")
    assert cli("restore", "backup.db").code == 0
    assert os.path.lexists(leftover)
    assert is_whole(file_of(cli))
