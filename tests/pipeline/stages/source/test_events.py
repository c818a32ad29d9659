"""Events of the source count exactly once, from the first connection on."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from telemetry_service.domain.source import Obstacle, SourceState
from telemetry_service.domain.source_errors import SourceRepeatedError, SourceRestoredError
from telemetry_service.pipeline.actions.reset_source import plan_continue, plan_reset, reset_source
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.source.check import check_source
from telemetry_service.pipeline.stages.source.events import count_step
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.source.database import SourceDatabase
from telemetry_service.storage.deadline import Patience
from tests.support.actors import ADMIN
from tests.support.log_lines import lines_in
from tests.support.postgres import PostgresServer
from tests.support.reckoning import Amount, reckon
from tests.support.site import Site, usage
from tests.support.source import AuditTable, decision, insert, other, postgresql_audit_table, raw_events, rows_of
from tests.support.source_fixtures import ON_BOTH_SOURCES


def counted(site: Site) -> Amount:
    """Read what is there and return what the open period has."""
    read_up_to_now(site.runtime)
    return reckon(site.replica.database_url, ()).open


def state(site: Site) -> SourceState:
    """Return how far the source was read."""
    with site.runtime.database.read() as tx:
        found = tx.source.state()
    assert found is not None
    return found


def obstacle(site: Site) -> Obstacle:
    """Return what stopped the reading."""
    met = state(site).obstacle
    assert met is not None
    return met


_CODES = """
CREATE VIEW telemetry_source_extension_codes AS SELECT code AS code_id, redeemed_at FROM gone;
"""
_GRANT = "GRANT SELECT ON telemetry_source_extension_codes TO telemetry_reader;"


@ON_BOTH_SOURCES
def test_rows_count_from_the_first_connection_on_and_each_once(site: Site, audit: AuditTable) -> None:
    audit.write(decision(), other())
    assert counted(site) == Amount()
    audit.write(decision(), decision(outcome="denied"), other("bnc-2", "test"))
    assert counted(site) == Amount(3, 2, 1)
    assert counted(site) == Amount(3, 2, 1)
    site.report(usage(7, 3, 2))
    audit.write(other())
    audit.run("DELETE FROM audit_log")
    assert counted(site) == Amount(10, 5, 3)
    audit.write(other())
    site.clock.advance(seconds=7)
    assert counted(site) == Amount(11, 5, 3)
    assert state(site).lag(site.clock.now()) == timedelta(0), "a look that has counted is noted"
    assert state(site).rows == 4


@ON_BOTH_SOURCES
def test_a_bulk_load_is_counted_in_steps_of_a_few_rows(site: Site, audit: AuditTable) -> None:
    counted(site)
    audit.write(*[decision(f"bnc-{number % 7}") for number in range(300)])
    site.runtime.source_reading.share = 1_000
    assert counted(site) == Amount(300, 300, 300)
    assert state(site).version > 6, "one transaction of the source took several of ours"


def test_rows_that_commit_late_or_out_of_order_are_neither_missed_nor_doubled(
    site: Site, source_server: PostgresServer
) -> None:
    audit = _postgresql(site, source_server)
    counted(site)
    with audit.connect() as early, audit.connect() as late:
        insert(early, rows_of(other()))
        insert(late, rows_of(other(), other()))
        late.commit()
        assert counted(site) == Amount(), "an older transaction could still add a row"
        site.clock.advance(seconds=7200)
        assert state(site).lag(site.clock.now()) == timedelta(hours=2)
        assert read_now(site.runtime, read_health).health.code == "source_late"
        early.commit()
        assert counted(site) == Amount(3)
        insert(early, rows_of(other()))
        early.rollback()
        early.execute("BEGIN")
        insert(early, rows_of(other()))
        early.execute("PREPARE TRANSACTION 'two-phase'")
        insert(late, rows_of(other()))
        late.commit()
        assert counted(site) == Amount(3)
    audit.run_alone("COMMIT PREPARED 'two-phase'")
    assert counted(site) == Amount(5)
    assert state(site).lag(site.clock.now()) == timedelta(0)


@ON_BOTH_SOURCES
def test_reading_stops_before_a_row_that_cannot_be_counted_and_continues_once_the_view_is_corrected(
    site: Site, audit: AuditTable
) -> None:
    counted(site)
    audit.run(raw_events(audit))
    refused: list[tuple[str, tuple[str | None, str | None]]] = [
        ("bouncer_id", (None, "production")),
        ("bouncer_id", ("", "production")),
        ("bouncer_id", ("bnc\n1", "production")),
        ("bouncer_id", ("bnc-1\N{NO-BREAK SPACE}", "production")),
        ("bouncer_id", ("b" * 100_000, "production")),
        ("environment", ("bnc-1", None)),
        ("environment", ("bnc-1", "live")),
        ("environment", ("bnc-1", "p" * 100_000)),
    ]
    expected = 0
    for column, (bouncer, environment) in refused:
        audit.write(("bnc-1", "production", "x" * 1000, "ok"), (bouncer, environment, "decision", "ok"))  # type: ignore[arg-type]
        audit.write(("bnc-1", "sandbox", "decision", "denied"))
        expected += 1
        assert counted(site).events == expected, "what comes before is counted"
        met = obstacle(site)
        assert met.code == "source-row-refused"
        assert f"telemetry_source_events.{column} is not valid in the row with position " in met.text
        assert len(met.text) < 200
        audit.run("DELETE FROM audit_log WHERE id = (SELECT max(id) - 1 FROM audit_log)")
        expected += 1
        assert counted(site).events == expected, "and what comes behind, once the row is gone"
        assert state(site).obstacle is None


@ON_BOTH_SOURCES
def test_views_that_change_while_it_runs_stop_the_reading_and_lose_nothing(site: Site, audit: AuditTable) -> None:
    counted(site)
    audit.write(other())
    audit.run("ALTER TABLE extension_codes RENAME TO gone; DROP VIEW telemetry_source_extension_codes")
    counted(site)
    assert obstacle(site).text == "There is no view telemetry_source_extension_codes."
    audit.run(_CODES + ("" if audit.kind == "sqlite" else _GRANT))
    assert counted(site) == Amount(1)
    audit.write(other())
    audit.run(raw_events(audit).replace("FROM audit_log", ", resource FROM audit_log"))
    counted(site)
    assert obstacle(site).text.endswith("a column that is not documented: resource. Remove it from the view.")
    audit.run(raw_events(audit, kind="'other'", environment="'sandbox'"))
    assert counted(site) == Amount(2)


def test_rights_that_the_owner_revokes_stop_the_reading_until_they_are_back(
    site: Site, source_server: PostgresServer
) -> None:
    audit = _postgresql(site, source_server)
    counted(site)
    audit.write(other())
    audit.run("REVOKE SELECT ON telemetry_source_events FROM telemetry_reader")
    assert counted(site) == Amount()
    assert obstacle(site).text == "The role may not read telemetry_source_events of the source database."
    audit.run("GRANT SELECT ON telemetry_source_events TO telemetry_reader; ALTER ROLE telemetry_reader NOLOGIN")
    site.runtime.close()
    counted(site)
    assert obstacle(site).code == "source-denied"
    audit.run("ALTER ROLE telemetry_reader LOGIN")
    assert counted(site) == Amount(1)


def test_a_view_that_fails_for_a_row_or_takes_too_long_is_named(site: Site, source_server: PostgresServer) -> None:
    audit = _postgresql(site, source_server)
    counted(site)
    audit.write(other())
    audit.run(raw_events(audit, environment="CASE WHEN 1 / (id - id) = 1 THEN 'sandbox' END"))
    counted(site)
    assert obstacle(site).code == "source-view-fails"
    audit.run(raw_events(audit, environment="CASE WHEN pg_sleep(60) IS NULL THEN '' ELSE 'sandbox' END"))
    hurried = replace(
        site.runtime,
        make_source=lambda: SourceDatabase(audit.reader_url, Patience(transaction=5, statement=0.2, lock=1)),
    )
    read_up_to_now(hurried)
    assert obstacle(site).code == "source-slow"


def test_a_file_that_was_restored_is_not_read_until_someone_decides(
    site: Site, audit: AuditTable, tmp_path: Path
) -> None:
    counted(site)
    audit.write(other(), other())
    shutil.copyfile(audit.owner_url, tmp_path / "backup")
    audit.write(other())
    assert counted(site) == Amount(3)
    shutil.copyfile(tmp_path / "backup", audit.owner_url)
    assert counted(site) == Amount(3)
    assert obstacle(site).code == "source-restored"
    audit.write(other(), other(), other())
    assert counted(site) == Amount(3), "its position passes the cursor, and still no one has decided"
    assert obstacle(site).code == "source-restored"


def test_a_cluster_that_was_restored_is_not_read_until_someone_decides(
    site: Site, source_server: PostgresServer
) -> None:
    """Its backup has no rows, so only its positions tell."""
    audit = _postgresql(site, source_server)
    counted(site)
    source_server.stop()
    backup = source_server.back_up()
    source_server.start()
    for _ in range(3):
        audit.write(other())
    assert counted(site) == Amount(3)
    source_server.stop()
    source_server.restore(backup)
    source_server.start()
    for _ in range(2):
        assert counted(site) == Amount(3)
        assert obstacle(site).code == "source-restored"
        audit.write(other())
    assert reset_source(site.runtime, plan_reset(site.runtime, None), ADMIN) is not None
    audit.write(other())
    assert counted(site) == Amount(4), "what was there at the decision is skipped, and nothing counts twice"


@ON_BOTH_SOURCES
def test_a_source_that_was_restored_and_written_past_the_cursor_is_noticed(
    site: Site, audit: AuditTable, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Before the next look: its positions have been given out again, so no position tells it."""
    counted(site)
    audit.write(other(), other())
    with restored(audit, tmp_path, request):
        for _ in range(3):
            audit.write(other())
        assert counted(site) == Amount(5)
    for _ in range(20):  # The Control Plane is faster than this service.
        audit.write(other("bnc-9"))
    assert counted(site) == Amount(5)
    assert obstacle(site).code == "source-restored"
    assert isinstance(check_source(site.runtime).error, SourceRestoredError)
    assert reset_source(site.runtime, plan_reset(site.runtime, None), ADMIN) is not None
    audit.write(other())
    assert counted(site) == Amount(6)


@ON_BOTH_SOURCES
def test_what_owners_do_to_rows_that_were_read_is_no_restored_source(
    site: Site, audit: AuditTable, request: pytest.FixtureRequest
) -> None:
    """Retention and erasure delete rows, views change, servers restart: none of it stops the reading for ever."""
    counted(site)
    expected = 0
    for script in (
        "DELETE FROM audit_log WHERE id = (SELECT max(id) FROM audit_log)",
        "DELETE FROM audit_log",
        raw_events(audit, bouncer_id="'renamed'", environment="'sandbox'"),
    ):
        audit.write(other(), other())
        expected += 2
        assert counted(site).events == expected
        audit.run(script)
        assert counted(site).events == expected
        if audit.kind == "postgresql":
            request.getfixturevalue("source_server").restart()
            counted(site)  # Its pooled connection is gone.
        audit.write(other())
        expected += 1
        assert counted(site).events == expected, script
        assert state(site).obstacle is None, script


def test_what_only_looks_like_a_restored_source_continues_where_it_stopped(site: Site, audit: AuditTable) -> None:
    audit.write(other())
    counted(site)
    audit.write(other(), other())
    assert counted(site) == Amount(2)
    floor = state(site).begun.floor  # type: ignore[union-attr]
    audit.run("UPDATE audit_log SET enforcement_point = 'bnc-7' WHERE id = 3")
    audit.write(other())
    assert counted(site) == Amount(2)
    assert obstacle(site).code == "source-restored"
    plan = plan_continue(site.runtime)
    assert plan.rows == 1
    assert reset_source(site.runtime, plan, ADMIN) is not None
    assert counted(site) == Amount(3), "nothing is lost, and nothing counts twice"
    assert state(site).begun.floor == floor  # type: ignore[union-attr]


def test_rows_that_a_key_does_not_tell_apart_count_each(site: Site, source_server: PostgresServer) -> None:
    audit = _postgresql(site, source_server)
    audit.run(raw_events(audit, row_key="id % 2", environment="'production'"))
    counted(site)
    site.runtime.source_reading.share = 1_000
    audit.write(*[other()] * 300)
    assert counted(site) == Amount(300), "a step takes 50 rows, and what it cannot tell from the last of them"
    audit.write(("bnc-1", "live", "x", "ok"), ("bnc 1", "live", "x", "ok"), *[other()] * 3)
    assert counted(site) == Amount(300)
    assert obstacle(site).code == "source-row-refused"
    audit.run("DELETE FROM audit_log WHERE enforcement_point = 'bnc 1'")
    assert counted(site) == Amount(304), "nothing was skipped with the row"
    (warning,) = check_source(site.runtime).warnings
    assert warning.startswith("Several rows of telemetry_source_events have the position ")


_AT_ONCE = (
    "INSERT INTO audit_log (created_at, enforcement_point)"
    " SELECT now() - n * interval '1 second', 'bnc-' || n % 9 + 1 FROM generate_series(1, {}) AS n"
)


def test_what_owners_do_to_one_of_any_number_of_rows_at_one_place_is_no_restored_source(
    site: Site, source_server: PostgresServer
) -> None:
    audit = _postgresql(site, source_server)
    audit.run(raw_events(audit, row_key="1", environment="'production'"))
    counted(site)
    half, all_of_it = "SET outcome = 'ok' WHERE id % 2 = 0", "SET enforcement_point = 'bnc-0'"
    expected = 0
    for rows, change, code in (
        (300, half, None),
        (1_500, half, None),
        (1_500, all_of_it, None),  # The row that was read last is not looked for among so many.
        (300, all_of_it, "source-restored"),
    ):
        audit.run(_AT_ONCE.format(rows))
        expected += rows
        assert counted(site).events == expected
        audit.run(f"UPDATE audit_log {change}")
        source_server.restart()
        counted(site)  # Its pooled connection is gone.
        assert counted(site).events == expected
        found = state(site).obstacle
        assert (found and found.code) == code, (rows, change)


def test_rows_with_one_position_stop_the_reading_of_a_file(site: Site, audit: AuditTable) -> None:
    audit.run(raw_events(audit, position="(id + 1) / 2", environment="'production'"))
    counted(site)
    audit.write(other(), other(), other())
    assert counted(site) == Amount()
    assert obstacle(site).code == "source-position-repeated"
    assert isinstance(check_source(site.runtime).error, SourceRepeatedError)
    audit.run(raw_events(audit, environment="'production'"))
    assert counted(site) == Amount(3)
    audit.run(raw_events(audit, position="(id + 1) / 2 + 2", environment="'production'"))
    audit.write(other(), other())
    site.runtime.source_reading.share = 10_000
    counted(site)
    assert obstacle(site).text.startswith("Several rows of telemetry_source_events have the position 4. ")


def test_keys_of_several_tables_are_refused_in_a_file(site: Site, audit: AuditTable) -> None:
    counted(site)
    audit.run("CREATE TABLE second (id INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT, at TEXT);")
    row = "SELECT id AS position, id AS row_key, {} AS occurred_at, {} AS bouncer_id, 'sandbox' AS environment,"
    row += " 'x' AS kind, NULL AS successful FROM {}"
    first, second = row.format("created_at", "enforcement_point", "audit_log"), row.format("at", "b", "second")
    looked_up = row.format("created_at", "coalesce(b, 'bnc-1')", "audit_log LEFT JOIN second USING (id)")
    looked_up = looked_up.replace("SELECT id AS position, id", "SELECT audit_log.id AS position, audit_log.id")
    key = "coalesce(audit_log.id, second.id)"
    both = row.format("created_at", "coalesce(enforcement_point, b)", "audit_log FULL JOIN second ON b = 'x' AND at")
    both = both.replace("SELECT id AS position, id", f"SELECT {key} AS position, {key}")
    once_more = f"{first} WHERE id % 2 = 0 UNION ALL {first} WHERE id % 2"
    named = f"{first} AS {{}} WHERE id % 2 = {{}}"
    parts = " JOIN parts USING (id)"
    audit.run("CREATE TABLE parts (id INTEGER PRIMARY KEY)")
    within, few = "SELECT * FROM ({})", "SELECT * FROM ({} LIMIT 5) AS e"
    for query, refused in (
        (f"{first} UNION ALL {second}", True),
        (f"{first} UNION {second}", True),
        (f"{first} AS e UNION ALL {second} AS e", True),
        (within.format(f"{first} AS e UNION {second} AS e"), True),
        (few.format(f"{first} AS e UNION ALL {second} AS e"), True),
        (f"{first}{parts} UNION ALL {second}{parts}", True),
        (f"{first} WHERE id = 1 OR created_at = '' UNION ALL {second} WHERE id = 1 OR id = 2", True),
        (f"{few.format(first)} UNION ALL {few.format(second)}", True),
        *([(both, True)] if sqlite3.sqlite_version_info >= (3, 39) else []),  # Which was the first with FULL JOIN.
        (f"{few.format(first)} UNION ALL {few.format(first)}", False),
        (f"{named.format('a', 0)} UNION ALL {named.format('b', 1)}", False),
        (first, False),
        (f"{first}{parts} ORDER BY created_at", False),
        (looked_up, False),
        (once_more, False),
    ):
        audit.run(f"DROP VIEW telemetry_source_events; CREATE VIEW telemetry_source_events AS {query}")
        counted(site)
        met = state(site).obstacle
        assert (met is not None) == refused, query
        assert met is None or "combines the keys of several tables (audit_log, second)" in met.text


def test_the_newest_row_of_a_file_may_be_deleted_and_a_restored_one_noticed_whatever_the_view_calls_its_table(
    site: Site, audit: AuditTable
) -> None:
    alias, join = "audit_log AS a", "audit_log AS a LEFT JOIN enforcement_points AS e ON e.name = a.enforcement_point"
    audit.run("CREATE TABLE newer (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO newer (id) VALUES (1000)")
    counted(site)
    for number, tables in enumerate((alias, join), 1):
        audit.run(
            raw_events(audit, row_key="a.id", environment="'sandbox'").replace("FROM audit_log", f"FROM {tables}")
        )
        audit.write(other(), other())
        assert counted(site) == Amount(2 * number)
        audit.run("DELETE FROM audit_log WHERE id = (SELECT max(id) FROM audit_log)")
        assert counted(site) == Amount(2 * number)
        assert state(site).obstacle is None, tables
    audit.run("DELETE FROM audit_log; UPDATE sqlite_sequence SET seq = 1 WHERE name = 'audit_log'")
    counted(site)
    assert obstacle(site).code == "source-restored", "the keys of another table do not hide it"


def test_a_key_that_is_given_out_again_is_refused_beside_a_table_that_counts_its_keys(
    site: Site, audit: AuditTable
) -> None:
    counted(site)
    audit.write(other(), other(), other())
    audit.run("CREATE TABLE plain (id INTEGER PRIMARY KEY, created_at, enforcement_point, stage, action, outcome)")
    audit.run("INSERT INTO plain (id, enforcement_point, action) VALUES (1, 'bnc-1', 'x')")
    audit.run(raw_events(audit, environment="'sandbox'").replace("FROM audit_log", "FROM plain AS a"))
    counted(site)
    assert obstacle(site).text == "telemetry_source_events.position is not the key that AUTOINCREMENT gives out."


def test_rows_of_another_cluster_are_noticed(site: Site, source_server: PostgresServer) -> None:
    audit = _postgresql(site, source_server)
    counted(site)
    audit.run("INSERT INTO audit_log (created_at, xid) VALUES (now(), '999999999')")
    counted(site)
    assert obstacle(site).code == "source-positions"


def test_more_bouncers_than_a_period_may_have_stop_the_reading_before_that_step(site: Site, audit: AuditTable) -> None:
    small = site.open(replica=replace(site.replica, max_bouncers=2))
    read_up_to_now(small)
    audit.write(other("bnc-1"), other("bnc-2"))
    read_up_to_now(small)
    audit.write(other("bnc-1"), other("bnc-3"))
    read_up_to_now(small)
    assert reckon(site.replica.database_url, ()).open == Amount(2)
    assert obstacle(site).code == "source-full"
    send_now(small, ADMIN, None)
    read_up_to_now(small)
    assert reckon(site.replica.database_url, site.server.journal()).open == Amount(2)
    assert state(site).obstacle is None


def test_a_run_send_now_and_turning_off_read_up_to_their_moment(site: Site, audit: AuditTable) -> None:
    counted(site)
    audit.write(other())
    send_now(site.runtime, ADMIN, None)
    audit.write(other(), other())
    site.clock.set(site.next_run_at())
    wake(site.runtime)
    reckoning = reckon(site.replica.database_url, site.server.journal())
    assert (reckoning.accepted, reckoning.open) == (Amount(3), Amount())
    audit.write(other())
    site.configure(enabled=False)
    audit.write(other(), other())
    assert counted(site) == Amount(2)
    site.configure(enabled=True)
    audit.write(other())
    assert counted(site) == Amount(1)
    reckoning = reckon(site.replica.database_url, site.server.journal())
    assert reckoning.not_reported == Amount(3)
    assert reckoning.total == Amount(7)


def test_a_source_that_is_away_stops_no_run_and_is_said_after_a_while(
    site: Site, audit: AuditTable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    counted(site)
    audit.write(other())
    away = Path(audit.owner_url).rename(f"{audit.owner_url}.away")
    send_now(site.runtime, ADMIN, None)
    assert obstacle(site).code == "source-away"
    assert read_now(site.runtime, read_health).health.code == "ok"
    site.clock.advance(seconds=600)
    assert read_now(site.runtime, read_health).health.code == "source_away"
    away.rename(audit.owner_url)
    assert counted(site) == Amount(1)
    assert read_now(site.runtime, read_health).health.code == "ok"
    logged = [(line["event"], line.get("code")) for line in lines_in(caplog) if "source" in line["event"]]
    assert logged == [
        ("source_begun", None),
        ("source_stopped", "source-away"),
        ("source_continued", "source-away"),
    ]


def test_two_replicas_that_read_the_same_rows_count_them_once(site: Site, audit: AuditTable) -> None:
    counted(site)
    audit.write(other(), other())

    def meanwhile(point: Failpoint) -> None:
        if point is Failpoint.SOURCE_READ:
            count_step(site.runtime)

    second = site.open(meanwhile)
    count_step(second)
    assert counted(site) == Amount(2)


@contextmanager
def restored(audit: AuditTable, folder: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Make a backup of a source, and put it in the place of the source at the end."""
    if audit.kind == "sqlite":
        shutil.copyfile(audit.owner_url, folder / "backup")
        yield
        shutil.copyfile(folder / "backup", audit.owner_url)
        return
    server: PostgresServer = request.getfixturevalue("source_server")
    server.stop()
    backup = server.back_up()
    server.start()
    yield
    server.stop()
    server.restore(backup)
    shutil.rmtree(backup)
    server.start()


def _postgresql(site: Site, server: PostgresServer) -> AuditTable:
    """Let the site read a table on PostgreSQL instead."""
    audit = postgresql_audit_table(server)
    site.runtime = site.open(replica=replace(site.replica, source_url=audit.reader_url))
    return audit
