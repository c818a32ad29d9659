"""Every problem with the database is reported with its own sentence and code, at the start and by the doctor."""

import os
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from signal import SIGTERM

import psycopg
import pytest
from sqlalchemy import create_engine, text

from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine
from tests.support import migrations
from tests.support.databases import ON_BOTH
from tests.support.postgres import PostgresServer, plain_url
from tests.support.program import Program

SECRET = "secret-word"


@pytest.fixture
def keyed(bare: CommandLine) -> CommandLine:
    """A command line with keys, whose database the test names."""
    bare.set(ENCRYPTION_KEY=generate_key(), CREDENTIAL_ENCRYPTION_KEY=generate_key())
    return bare


READS = ("preview", "--json")


def check(cli: CommandLine, url: str, code: str, *, readable: bool = False) -> None:
    """Look at what each way to begin says of this database; from one that is ``readable`` a command may read."""
    cli.set(TELEMETRY_DATABASE_URL=url)
    for command in (("migrate",),) if readable else (("migrate",), READS):
        ended = cli(*command)
        assert (ended.code, ended.out) == (4, ""), command
        assert ended.err.endswith(f" ({code})\n"), command
        assert SECRET not in ended.err
    ended = cli("doctor", "--offline")
    assert ended.code == 4
    wrong = [line for line in ended.out.splitlines() if line.startswith("wrong")]
    assert len(wrong) == 1
    assert wrong[0].endswith(f" ({code})")
    assert SECRET not in ended.out + ended.err


def check_serve(cli: CommandLine, url: str, code: str, folder: Path) -> None:
    """Look at what a start of the service says of this database; a process of its own, for it sets up its log."""
    environment = {**cli.environment, "TELEMETRY_DATABASE_URL": url}
    with Program("serve", "--port", "0", folder=folder, environment=environment, forked=True) as service:
        assert service.process.wait(150) == 4
        # The sentence and the line of the log come in either order.
        assert any(line.endswith(f" ({code})") for line in service.errors.splitlines())
        assert SECRET not in service.errors
        assert "Traceback" not in service.errors


def test_a_file_that_is_not_a_database_is_recognized_and_left_as_it_is(keyed: CommandLine, tmp_path: Path) -> None:
    rubbish = b"This is a letter and no database. " * 300
    (tmp_path / "letter.db").write_bytes(rubbish)
    check(keyed, f"sqlite:///{tmp_path / 'letter.db'}", "storage-damaged")
    check_serve(keyed, f"sqlite:///{tmp_path / 'letter.db'}", "storage-damaged", tmp_path)
    assert (tmp_path / "letter.db").read_bytes() == rubbish


def test_a_database_cut_short_is_damaged(keyed: CommandLine, sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    os.truncate(file, file.stat().st_size // 2)
    check(keyed, sqlite_url, "storage-damaged")


def test_a_folder_in_the_place_of_the_file_cannot_be_opened(keyed: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    check(keyed, f"sqlite:///{tmp_path / 'data'}", "storage-not-opened")


@ON_BOTH
@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("DROP TABLE usage_counters", "usage_counters"),
        ("ALTER TABLE bouncers RENAME COLUMN pair_id TO pair", "bouncers.pair_id"),
    ],
)
def test_a_database_without_a_table_or_a_column_says_which(
    keyed: CommandLine, database_url: str, statement: str, missing: str
) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    check(keyed, database_url, "schema-incomplete")
    assert f"Missing: {missing}." in keyed("migrate").err


@pytest.fixture
def read_only(keyed: CommandLine, sqlite_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database, set up, that this account may read and not write."""
    keyed.set(TELEMETRY_DATABASE_URL=sqlite_url)
    assert keyed("migrate").code == 0
    content = Path(sqlite_url.removeprefix("sqlite:///")).read_bytes()
    folder = tmp_path / "read-only"
    folder.mkdir()
    mounted = os.geteuid() == 0
    if mounted and not _mount(folder, "size=512m"):
        pytest.skip("no folder can be made read-only for root here")
    (folder / "telemetry.db").write_bytes(content)
    if mounted:
        assert _mount(folder, "remount,ro")
    else:
        (folder / "telemetry.db").chmod(0o400)
        folder.chmod(0o500)
    yield f"sqlite:///{folder / 'telemetry.db'}"
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607 - the system's own
    else:
        folder.chmod(0o700)


def _mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "telemetry-test", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_read_only_folder_is_reported(keyed: CommandLine, read_only: str) -> None:
    check(keyed, read_only, "storage-read-only", readable=True)


def test_what_only_reads_works_where_nothing_may_be_written(keyed: CommandLine, read_only: str) -> None:
    keyed.set(TELEMETRY_DATABASE_URL=read_only)
    for command in (READS, ("history", "--json")):
        assert keyed(*command).code == 0, command


def test_a_new_database_in_a_read_only_folder_is_reported(keyed: CommandLine, read_only: str) -> None:
    keyed.set(TELEMETRY_DATABASE_URL=read_only.replace("telemetry.db", "new.db"))
    ended = keyed("migrate")
    assert ended.code == 4
    assert ended.err.endswith("(storage-not-opened)\n")


@pytest.fixture(scope="module")
def guarded_server() -> Iterator[PostgresServer]:
    """A server that asks ``guest`` for a password, and on which ``stranger`` may do nothing."""
    server = PostgresServer.make(durable=False)
    try:
        rules = "local all guest scram-sha-256\nlocal all barred reject\nlocal all all trust\n"
        (server.folder / "cluster" / "pg_hba.conf").write_text(rules)
        server.start()
        with psycopg.connect(plain_url(server.url()), autocommit=True) as connection:
            connection.execute("CREATE ROLE guest LOGIN PASSWORD 'another'")
            connection.execute("CREATE ROLE stranger LOGIN")
            connection.execute("CREATE ROLE locked")
        yield server
    finally:
        server.remove()


@pytest.mark.parametrize(
    ("who", "database"),
    [
        (f"guest:{SECRET}", "postgres"),
        ("guest", "postgres"),
        (f"nobody:{SECRET}", "postgres"),
        (f"barred:{SECRET}", "postgres"),
        (f"locked:{SECRET}", "postgres"),
        (f"telemetry:{SECRET}", "none-such"),
    ],
)
def test_a_server_that_does_not_let_the_service_in_is_reported(
    keyed: CommandLine, guarded_server: PostgresServer, who: str, database: str
) -> None:
    check(keyed, f"postgresql://{who}@/{database}?host={guarded_server.folder}", "storage-login-refused")


def test_a_service_that_is_not_let_in_does_not_start(
    keyed: CommandLine, guarded_server: PostgresServer, tmp_path: Path
) -> None:
    url = f"postgresql://guest:{SECRET}@/postgres?host={guarded_server.folder}"
    check_serve(keyed, url, "storage-login-refused", tmp_path)


def test_a_role_that_may_not_create_tables_is_reported(keyed: CommandLine, guarded_server: PostgresServer) -> None:
    keyed.set(TELEMETRY_DATABASE_URL=f"postgresql://stranger@/postgres?host={guarded_server.folder}")
    check(keyed, keyed.environment["TELEMETRY_DATABASE_URL"], "storage-login-refused")


def test_a_role_that_may_not_change_the_tables_of_an_older_version_is_reported(
    keyed: CommandLine, guarded_server: PostgresServer
) -> None:
    url = guarded_server.create_database("older")
    migrations.upgrade(url, migrations.FIRST)
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO stranger")
        connection.execute("GRANT CREATE ON SCHEMA public TO stranger")
    check(keyed, url.replace("telemetry@", "stranger@"), "storage-login-refused")


def test_a_database_that_does_not_know_what_its_text_is_works(
    keyed: CommandLine, guarded_server: PostgresServer
) -> None:
    """SQL_ASCII: the driver returns text as bytes unless configured, and fails on them while it connects."""
    with psycopg.connect(plain_url(guarded_server.url()), autocommit=True) as connection:
        connection.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    keyed.set(TELEMETRY_DATABASE_URL=guarded_server.url("ascii"))
    assert keyed("migrate").code == 0
    created = keyed("token", "create", "reader", "--scope", "read")
    assert created.code == 0, created.err
    assert "reader" in keyed("token", "list").out
    # Anything else that the driver runs into while it connects is reported like any other problem.
    check(keyed, guarded_server.url("ascii") + "&client_encoding=sql_ascii", "storage-unavailable")


def test_a_standby_is_read_only(keyed: CommandLine, guarded_server: PostgresServer) -> None:
    url = guarded_server.create_database("standby")
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute("ALTER DATABASE standby SET default_transaction_read_only = on")
    keyed.set(TELEMETRY_DATABASE_URL=url)
    ended = keyed("migrate")
    assert ended.code == 4
    assert ended.err.endswith("(storage-read-only)\n")


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("127.0.0.1:1/telemetry", "storage-unavailable"),
        ("127.0.0.1:1/telemetry?sslmode=perhaps", "storage-options-invalid"),
        ("127.0.0.1:1/telemetry?color=red", "storage-options-invalid"),
    ],
)
def test_a_missing_server_and_a_wrong_url_are_distinguished(keyed: CommandLine, place: str, code: str) -> None:
    check(keyed, f"postgresql://somebody:{SECRET}@{place}", code)


def test_an_unknown_name_is_recognized(keyed: CommandLine) -> None:
    """The name is longer than one can be, so that the resolver knows by itself and nobody is asked for it."""
    host = ".".join(["no-such-host" * 5] * 5)
    keyed.set(TELEMETRY_DATABASE_URL=f"postgresql://somebody:{SECRET}@/telemetry?host={host}")
    ended = keyed("migrate")
    assert ended.code == 4
    assert ended.err.endswith("(storage-host-unknown)\n")
    assert "no-such-host" not in ended.err


@pytest.fixture
def without_tls() -> Iterator[int]:
    """The port of a server that refuses each request for TLS, as PostgreSQL does without a certificate."""
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        with suppress(OSError):
            while True:
                caller, _address = listener.accept()
                with caller:
                    caller.recv(8)
                    caller.sendall(b"N")

    thread = threading.Thread(target=refuse)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_server_without_the_requested_tls_is_recognized(keyed: CommandLine, without_tls: int) -> None:
    url = f"postgresql://somebody:{SECRET}@127.0.0.1:{without_tls}/telemetry?sslmode=require"
    check(keyed, url, "storage-tls-failed")


def test_the_options_of_the_url_are_kept_beside_ours(keyed: CommandLine, guarded_server: PostgresServer) -> None:
    url = guarded_server.create_database("options")
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA own")
    keyed.set(TELEMETRY_DATABASE_URL=f"{url}&options=-c%20search_path%3Down")
    assert keyed("migrate").code == 0
    with psycopg.connect(plain_url(url)) as connection:
        assert connection.execute("SELECT count(*) FROM own.bouncers").fetchone() == (0,)


def test_a_locked_database_is_reported_after_the_wait(keyed: CommandLine, sqlite_url: str) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        keyed.set(TELEMETRY_DATABASE_URL=sqlite_url)
        ended = keyed("migrate")
    assert ended.code == 4
    assert ended.err.endswith("(storage-busy)\n")


def test_a_service_whose_database_goes_bad_names_it_in_its_log(
    keyed: CommandLine, sqlite_url: str, tmp_path: Path
) -> None:
    keyed.set(TELEMETRY_DATABASE_URL=sqlite_url)
    with Program("serve", "--port", "0", folder=tmp_path, environment=keyed.environment, forked=True) as service:
        service.wait_for_url()
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
            other.execute("DROP TABLE telemetry_schedule")
        service.wait_for_event("job_failed", job="waking", code="schema-incomplete")
        assert "Traceback" not in service.errors
        assert service.stop(SIGTERM) == 0
