"""The command migrate-database: everything moves, in the midst of waiting payloads, and nothing counts twice."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text

from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.facts import BouncerRegistration, Environment, ExtensionCode, LicensePosture
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.pipeline.actions.report_facts import redeem_code, register_bouncer, report_license
from telemetry_service.pipeline.actions.retry import retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.tables import Base
from tests.cli.conftest import CommandLine, bare, cli, connected, license_server
from tests.support.actors import ADMIN, OPS, STRANGER
from tests.support.databases import RunDatabases
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import entries
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.lived_in import sqlite_lived_in
from tests.support.operations_page import shell_of
from tests.support.reckoning import codes_of, reckon
from tests.support.running import Running
from tests.support.site import record_call, usage

__all__ = ["bare", "cli", "connected", "license_server"]

NOTED = {"telemetry_ledger", "ledger_head", "ledger_salted_values"}
"""The tables that the entry of the move itself is in."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def empty_postgresql(run_databases: RunDatabases) -> Iterator[str]:
    with run_databases.postgresql(migrated=False) as url:
        yield url


def rows_of(url: str) -> dict[str, list[Any]]:
    """Return all rows by the types of their columns, which mean the same on both databases."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: sorted(map(repr, connection.execute(select(table)))) for table in Base.metadata.sorted_tables
        }
    engine.dispose()
    return found


def live(cli: CommandLine, server: LicenseServer) -> None:
    """Let payloads wait for each reason, beside an accepted one and an open period."""
    cli("admin", "set-password", "--stdin", stdin="a long enough password\n")
    cli("token", "create", "reporter", "--scope", "report")
    service = cli.service()
    runtime, now = service.runtime, service.runtime.clock.now()
    register_bouncer(runtime, "bouncer-1", BouncerRegistration(environment=Environment.PRODUCTION, pair_id="p"), OPS)
    report_license(runtime, LicensePosture(tier=Tier.ENTERPRISE, license_status=LicenseStatus.ACTIVE), OPS)
    for number, status in enumerate((None, 503, 422, 401)):
        server.trouble() if status is None else server.trouble(Trouble(before=reply(status)))
        redeem_code(runtime, ExtensionCode(code_id=f"EXT-{number}", redeemed_at=now), OPS)
        record_call(runtime, usage(10**number), usage(10**number, bouncer="bouncer-2"))
        send_now(runtime, ADMIN, None)
    server.trouble()
    record_call(runtime, usage(50_000))
    service.authentication.sessions.log_in("admin", "a long enough password", STRANGER)
    service.stop()


def move(cli: CommandLine, target: str) -> None:
    """Move to ``target`` as documented, and use it from now on."""
    source = cli.environment["TELEMETRY_DATABASE_URL"]
    before = rows_of(source)
    done = cli("migrate-database", source, target, "--json")
    assert done.code == 0, done
    assert set(done.json()["rows"]) == set(Base.metadata.tables)
    assert done.json()["ledger_problems"] == 0
    after = rows_of(target)
    assert {name for name in before if before[name] != after[name]} <= NOTED
    assert all(set(before[name]) <= set(after[name]) for name in NOTED - {"ledger_head"})
    held = cli("restored")
    assert (held.code, "restored --open-period" in held.out) == (6, True), "the former one sends nothing"
    cli.set(TELEMETRY_DATABASE_URL=target)


def test_there_and_back_in_the_midst_of_waiting_payloads_nothing_is_lost_or_doubled(
    connected: CommandLine, license_server: LicenseServer, empty_postgresql: str, tmp_path: Path
) -> None:
    live(connected, license_server)
    total = reckon(connected.environment["TELEMETRY_DATABASE_URL"], license_server.journal()).total
    assert total.events == 2 * 1111 + 50_000
    move(connected, empty_postgresql)
    assert reckon(empty_postgresql, license_server.journal()).total == total
    move(connected, f"sqlite:///{tmp_path / 'moved' / 'telemetry.db'}")
    assert connected("restored").code == 0
    service = connected.service()
    retry_failed(service.runtime, ADMIN)
    send_now(service.runtime, ADMIN, None)
    assert wake(service.runtime).attempts == 0
    moved = [entry.kind for entry in entries(service.runtime.database) if entry.kind is Kind.DATABASE_MOVED]
    assert len(moved) == 2
    service.stop()
    journal = license_server.journal()
    assert reckon(connected.environment["TELEMETRY_DATABASE_URL"], journal).total == total
    assert sum(payload.total_events for payload in license_server.payloads()) == total.events
    assert all(entry.conflicts == 0 for entry in journal)
    assert sorted(codes_of(journal)) == [f"EXT-{number}" for number in range(4)]
    assert connected("ledger", "verify").code == 0


def test_numbers_go_on_where_they_were_even_if_the_last_rows_are_gone(
    cli: CommandLine, empty_postgresql: str, tmp_path: Path
) -> None:
    source = cli.environment["TELEMETRY_DATABASE_URL"]
    execute(source, "UPDATE sqlite_sequence SET seq = 4711 WHERE name = 'reporting_periods'")
    back = f"sqlite:///{tmp_path / 'back.db'}"
    assert cli("migrate-database", source, empty_postgresql).code == 0
    assert cli("migrate-database", empty_postgresql, back).code == 0
    assert execute(back, "SELECT seq FROM sqlite_sequence WHERE name = 'reporting_periods'") == 4711
    assert execute(empty_postgresql, "SELECT nextval(pg_get_serial_sequence('reporting_periods', 'id'))") == 4712


def execute(url: str, statement: str) -> int | None:
    engine = create_engine(url)
    with engine.begin() as connection:
        done = connection.execute(text(statement))
        found: int | None = done.scalar() if done.returns_rows else None
    engine.dispose()
    return found


def test_every_table_of_an_older_version_moves_too(bare: CommandLine, tmp_path: Path) -> None:
    """Between two files, which shows that it depends on neither database; the activity list is in no newer one."""
    older = sqlite_lived_in(tmp_path)
    target = f"sqlite:///{tmp_path / 'moved.db'}"
    bare.set(**older.environment)
    behind = bare("migrate-database", older.database_url, target)
    assert (behind.code, "(schema-behind)" in behind.err) == (8, True)
    assert bare("migrate").code == 0
    move(bare, target)


def test_a_running_source_is_refused_and_one_that_has_ended_is_not(
    cli: CommandLine, run_databases: RunDatabases, tmp_path: Path
) -> None:
    with run_databases.postgresql() as served:
        for number, url in enumerate((cli.environment["TELEMETRY_DATABASE_URL"], served)):
            target = f"sqlite:///{tmp_path / f'target-{number}.db'}"
            cli.set(TELEMETRY_DATABASE_URL=url)
            with Running(url, dict(cli.environment), clock=FrozenClock(SystemClock().now())):
                refused = cli("migrate-database", url, target)
                assert (refused.code, "(service-running)" in refused.err) == (1, True), url
                assert not (tmp_path / f"target-{number}.db").exists()
            assert cli("migrate-database", url, target).code == 0


def test_what_holds_something_is_no_target_and_stays_as_it_is(
    cli: CommandLine, run_databases: RunDatabases, tmp_path: Path
) -> None:
    source = cli.environment["TELEMETRY_DATABASE_URL"]
    other = tmp_path / "other.db"
    other.write_bytes(b"something else")
    with run_databases.postgresql() as used:
        for target in (source, f"sqlite:///{other}", used):
            refused = cli("migrate-database", source, target)
            assert (refused.code, "(database-not-empty)" in refused.err) == (1, True), target
    assert other.read_bytes() == b"something else"
    assert cli("restored").code == 0


def test_a_row_that_cannot_be_read_ends_it_and_leaves_nothing_behind(cli: CommandLine, tmp_path: Path) -> None:
    source = cli.environment["TELEMETRY_DATABASE_URL"]
    execute(source, "UPDATE reporting_periods SET opened_at = 'yesterday'")
    refused = cli("migrate-database", source, f"sqlite:///{tmp_path / 'target.db'}")
    assert (refused.code, "(row-unreadable)" in refused.err) == (4, True)
    assert [file.name for file in tmp_path.glob("target.db*")] == []


def test_a_source_that_cannot_be_held_leaves_no_second_one_that_sends(cli: CommandLine, tmp_path: Path) -> None:
    source = cli.environment["TELEMETRY_DATABASE_URL"]
    full = "SELECT RAISE(ABORT, 'full')"
    execute(source, f"CREATE TRIGGER full BEFORE UPDATE OF restored_at ON installation BEGIN {full}; END")
    assert cli("migrate-database", source, f"sqlite:///{tmp_path / 'target.db'}").code != 0
    assert [file.name for file in tmp_path.glob("target.db*")] == []
    assert cli("restored").code == 0, "the source is what it was"


def test_a_missing_source_is_named_and_a_password_is_refused_unless_it_is_in_a_file(
    cli: CommandLine, tmp_path: Path
) -> None:
    missing = cli("migrate-database", f"sqlite:///{tmp_path / 'no.db'}", f"sqlite:///{tmp_path / 'target.db'}")
    assert (missing.code, f"Database: SQLite, {tmp_path / 'no.db'}." in missing.err) == (8, True)
    secret = "postgresql://somebody:secret-word@127.0.0.1:1/telemetry"
    source = cli.environment["TELEMETRY_DATABASE_URL"]
    for wrong in (
        secret,
        "postgresql://somebody@127.0.0.1:1/t?password=secret-word",
        "mysql://secret-word",
        "@nowhere",
    ):
        refused = cli("migrate-database", source, wrong)
        assert (refused.code, "secret-word" in refused.out + refused.err) == (2, False), wrong
    (tmp_path / "url").write_text(f"{secret}\n")
    unreachable = cli("migrate-database", source, f"@{tmp_path / 'url'}")
    assert (unreachable.code, "secret-word" in unreachable.err) == (4, False)


def test_the_command_of_the_operations_page_is_taken_as_it_stands(cli: CommandLine) -> None:
    command = "\n".join(shell_of("### Moving to another database")).replace("\\\n", "")
    words = shlex.split(command.replace("data/telemetry.db", cli.environment["TELEMETRY_DATABASE_URL"][10:]))
    assert words[0] == "telemetry-service"
    ended = cli(*words[1:])
    assert (ended.code, "(storage-" in ended.err) == (4, True), "there is no such server"
