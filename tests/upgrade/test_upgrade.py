"""A database of version 0.1.0 opens under this version: nothing of it is lost, and what waited leaves once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import BigInteger, Connection, Integer, text

from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.database import Database
from telemetry_service.storage.engine import make_migrating_engine
from telemetry_service.storage.migrate import migrate, schema_state
from tests.support import migrations
from tests.support.actors import STRANGER
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import LicenseServer
from tests.support.lived_in import LivedIn
from tests.support.reckoning import reckon
from tests.support.running import Running

LATER = datetime(2026, 11, 27, 12, tzinfo=UTC)
"""Some hours after version 0.1.0 wrote for the last time, and days before its next tick."""


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(LATER)


@pytest.fixture
def server(tmp_path: Path, clock: FrozenClock, lived_in: LivedIn) -> Iterator[LicenseServer]:
    with LicenseServer(tmp_path / "license-server", clock) as running:
        running.store.add_key(lived_in.kept["api_key"], lived_in.environment["TELEMETRY_CUSTOMER_ID"])
        yield running


class Admin:
    """The administrator's program, with the token that version 0.1.0 gave it."""

    def __init__(self, service: Running, token: str) -> None:
        self._service = service
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, path: str, method: str = "GET") -> Any:  # noqa: ANN401 - any JSON
        response = self._service.client.request(method, f"/api/v1/{path}", headers=self._headers)
        assert response.status_code == 200, response.text
        return response.json()


def check_all_is_kept(lived_in: LivedIn, clock: FrozenClock) -> None:
    """Open the database as a start of the service does, and look at everything through the API."""
    with Running(lived_in.database_url, lived_in.environment, clock) as service:
        admin, kept = Admin(service, lived_in.kept["admin_token"]), lived_in.kept
        history = admin.ask("telemetry/history?limit=100")["transmissions"]
        assert [{name: sent[name] for name in kept["transmissions"][0]} for sent in history] == kept["transmissions"]
        for sent in history:
            detail = admin.ask(f"telemetry/history/{sent['transmission_id']}")
            assert len(detail["attempts"]) == sent["attempts_made"]
        config = admin.ask("telemetry/config")
        assert {name: config[name] for name in kept["config"]} == kept["config"]
        assert admin.ask("telemetry/config/api-key/reveal", "POST") == {"api_key": kept["api_key"]}
        assert admin.ask("telemetry/preview")["payload"]["total_events"] == kept["preview_total_events"]
        assert admin.ask("telemetry/preview")["payload"]["instance_id"] == kept["instance_id"]
        assert len(admin.ask("bouncers")["bouncers"]) == kept["bouncers"]
        sessions = service.context.authentication.sessions
        assert sessions.log_in("admin", kept["environment"]["TELEMETRY_ADMIN_PASSWORD"], STRANGER).token


def test_everything_that_version_0_1_0_knew_still_holds(lived_in: LivedIn, clock: FrozenClock) -> None:
    migrate(lived_in.database_url)
    check_all_is_kept(lived_in, clock)


def test_a_start_upgrades_automatically(lived_in: LivedIn, clock: FrozenClock) -> None:
    check_all_is_kept(lived_in, clock)
    state = schema_state(lived_in.database_url)
    assert state.present == state.newest


def test_the_schema_of_the_upgrade_counts_as_announced(lived_in: LivedIn, clock: FrozenClock) -> None:
    with Running(lived_in.database_url, lived_in.environment, clock) as service:
        with service.context.runtime.database.read() as tx:
            announced = tx.announced_schemas.all()
        assert [each.schema_sha256 for each in announced] == [current_schema().sha256]
        assert announced[0].settled_at is not None


def test_replicas_that_start_at_once_upgrade_it_once(lived_in: LivedIn, clock: FrozenClock) -> None:
    with ThreadPoolExecutor(4) as pool:
        revisions = set(pool.map(migrate, [lived_in.database_url] * 4))
    assert revisions == {schema_state(lived_in.database_url).newest}
    check_all_is_kept(lived_in, clock)


def test_what_waited_is_delivered_once_under_its_id(
    lived_in: LivedIn, clock: FrozenClock, server: LicenseServer
) -> None:
    connected = {
        "TELEMETRY_LICENSE_SERVER_URL": server.server.url,
        "TELEMETRY_LICENSE_SERVER_CA_FILE": str(server.server.ca_pem_path),
    }
    before = reckon(lived_in.database_url, ()).total
    with Running(lived_in.database_url, {**lived_in.environment, **connected}, clock) as service:
        clock.advance(timedelta(days=4))
        for _ in range(4):
            wake(service.context.runtime)
            clock.advance(timedelta(hours=7))
    journal = server.journal()
    delivered = [str(entry.transmission_id) for entry in journal]
    assert set(delivered) >= lived_in.waiting_ids
    assert len(delivered) == len(lived_in.waiting_ids) + 1, "and the period that was open, at its tick"
    assert {(entry.times_received, entry.conflicts) for entry in journal} == {(1, 0)}
    after = reckon(lived_in.database_url, journal)
    assert after.total == before
    assert after.waiting_ids == frozenset()


def test_it_goes_down_to_the_first_schema_and_up_again_with_all_that_it_holds(
    lived_in: LivedIn, clock: FrozenClock
) -> None:
    migrate(lived_in.database_url)
    migrations.downgrade(lived_in.database_url, migrations.FIRST)
    migrate(lived_in.database_url)
    check_all_is_kept(lived_in, clock)


def test_what_the_open_period_has_come_to_is_added_up(lived_in: LivedIn) -> None:
    """By it the open period is bounded (S3): what version 0.1.0 has counted uses up its room."""
    migrate(lived_in.database_url)
    database = Database(lived_in.database_url)
    with database.read() as tx:
        period_id = tx.periods.open().period_id
        sums, days = tx.usage_bounds.sums(period_id), tx.periods.day_counts(period_id)
        counts = tx.periods.counts(period_id, days)
    database.close()
    assert sums.events == counts.total_events == lived_in.kept["preview_total_events"]
    assert (sums.decisions, sums.bouncers) == (counts.policy_decision_count, counts.bouncer_count)
    assert 0 < counts.active_reporting_bouncer_count <= counts.bouncer_count


def count_attempts(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM telemetry_transmission_attempts")).scalar_one())


def test_a_migration_that_copies_a_table_keeps_the_rows_that_refer_to_it(lived_in: LivedIn) -> None:
    """SQLite can change most things of a table in no other way, and would delete those rows with the old table."""
    engine = make_migrating_engine(lived_in.database_url)
    with engine.begin() as connection:
        before = count_attempts(connection)
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("telemetry_transmission_logs", recreate="auto") as table:
            table.alter_column("attempts_made", existing_type=Integer(), type_=BigInteger())
        assert count_attempts(connection) == before > 0
        if engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    engine.dispose()


def test_it_goes_down_to_nothing_and_up_again(lived_in: LivedIn) -> None:
    migrate(lived_in.database_url)
    migrations.downgrade(lived_in.database_url, migrations.BASE)
    migrate(lived_in.database_url)
    migrations.check(lived_in.database_url)


@contextmanager
def write_to(database_url: str) -> Iterator[Connection]:
    engine = make_migrating_engine(database_url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_exchanges_and_ticks_of_version_0_1_0_are_numbered_by_their_time(lived_in: LivedIn) -> None:
    with write_to(lived_in.database_url) as connection:
        for hour, key in ((3, "2026-11-26T02:00:00.000Z"), (2, "2026-11-27T02:00:00.000Z")):
            ran_at = f"2026-11-27 0{hour}:00:00.000000" + ("" if "sqlite" in lived_in.database_url else "+00:00")
            ran = {"key": key, "at": ran_at}
            connection.execute(text("INSERT INTO telemetry_ticks VALUES (:key, :at, 'prepared')"), ran)
    migrate(lived_in.database_url)
    database = Database(lived_in.database_url)
    with database.read() as tx:
        record, tick = tx.exchanges.record(), tx.schedule.last_tick()
    with database.write() as tx:
        following = tx.exchanges.next_sequence()
    database.close()
    moments = {e.sequence: e.at for e in (record.last_attempt, record.last_test) if e is not None}
    assert tick is not None
    assert tick.ran_at.hour == 3
    moments[tick.sequence] = tick.ran_at
    assert record.accepted_sequence is not None
    assert record.last_accepted_at is not None
    moments[record.accepted_sequence] = record.last_accepted_at
    assert [moments[number] for number in sorted(moments)] == sorted(moments.values())
    assert following > max(moments), "what happens next comes after all of them"
