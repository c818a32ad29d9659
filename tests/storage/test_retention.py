"""What a step of the purge costs, and what it holds. Shown by plans and counted work, never by time."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select, update

from telemetry_service.domain.transmissions import State
from telemetry_service.storage.expiry import Sweep
from telemetry_service.storage.redating import FAR_AHEAD, Redating
from telemetry_service.storage.retention import RetentionStore
from telemetry_service.storage.tables import ReportingPeriod, TelemetryTransmissionAttempt, UsageReportId
from tests.storage.old_rows import CUTOFF, OLD, OldRows, opened

FIRST = 1_000
"""The first id of a period that no real one has in these tests."""

LARGE = (
    "usage_report_ids|usage_counters|reporting_periods|telemetry_transmission_logs|telemetry_transmission_attempts"
    "|evidence"
)
"""The tables that grow. A tick leaves one row a day at most, which need no index by age."""

_SQLITE_READS_ALL = re.compile(rf"SCAN (TABLE )?({LARGE})\b|TEMP B-TREE")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A transaction on a fresh database."""
    with opened(database_url) as engine, engine.begin() as begun:
        yield begun


def write_some_of_each_kind(connection: Connection, count: int) -> None:
    old = OldRows(connection)
    old.report_ids(count)
    for number in range(count):
        old.period(FIRST + number)
        old.transmission(FIRST + number)
    old.counters(FIRST, count)
    old.tick()


def sweep(connection: Connection, rows: int) -> list[int]:
    """Purge all, and return how many rows each step has deleted."""
    sweeping = Sweep(CUTOFF)
    return list(iter(lambda: RetentionStore(connection).step(sweeping, rows), 0))


def redate(connection: Connection, redating: Redating, rows: int) -> list[int]:
    """Date everything again, and return how many rows each step has."""
    return list(iter(lambda: RetentionStore(connection).redate(redating, rows), 0))


def plans(connection: Connection, statement: str, parameters: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - the driver's
    """Return the nodes of PostgreSQL's plan, all levels of it."""
    cursor = connection.connection.cursor()
    cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    row = cursor.fetchone()
    assert row is not None
    nodes = [row[0][0]["Plan"]]
    for node in nodes:
        nodes.extend(node.get("Plans", ()))
    return nodes


def reads_all_postgresql(connection: Connection, statement: str, parameters: Any) -> list[str]:  # noqa: ANN401 - the driver's
    """Return what a statement would read from end to end, were there many rows."""
    return [
        f"{node['Node Type']} {node.get('Relation Name')}"
        for node in plans(connection, statement, parameters)
        if node["Node Type"].endswith("Scan")
        and re.fullmatch(LARGE, node.get("Relation Name", ""))
        and node["Node Type"] != "Bitmap Heap Scan"  # It reads what the index below it has found.
        and not {"Index Cond", "TID Cond"} & node.keys()
    ]


def reads_all_sqlite(connection: Connection, statement: str, parameters: Any) -> list[str]:  # noqa: ANN401 - the driver's
    """Return what a statement would read, or sort, from end to end."""
    cursor = connection.connection.cursor()
    cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    return [row[3] for row in cursor.fetchall() if _SQLITE_READS_ALL.search(row[3])]


def test_no_statement_of_a_purge_reads_a_table_from_end_to_end(connection: Connection) -> None:
    write_some_of_each_kind(connection, 6)
    lite = connection.dialect.name == "sqlite"
    ahead = Redating(OLD - 2 * FAR_AHEAD, ahead=True)
    found, explained = list[str](), set[str]()

    def explain(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        if statement.startswith(("SELECT", "DELETE", "UPDATE")):
            explained.add(statement)
            reads_all = reads_all_sqlite if lite else reads_all_postgresql
            found.extend(f"{wrong}: {statement}" for wrong in reads_all(connection, statement, parameters))

    event.listen(connection, "before_cursor_execute", explain)
    redate(connection, ahead, 4)
    redate(connection, Redating(OLD, ahead=False), 4)
    sweep(connection, 4)
    assert found == []
    redated = {statement.split()[1] for statement in explained if statement.startswith("UPDATE")}
    undated = {"usage_counters", "telemetry_transmission_attempts", "evidence"}
    assert redated == {*LARGE.split("|"), "telemetry_ticks", "ledger_salted_values"} - undated
    deleted_from = {statement.split()[2] for statement in explained if statement.startswith("DELETE")}
    assert deleted_from == {*LARGE.split("|"), "telemetry_ticks"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_counting_reads_no_table_from_end_to_end(connection: Connection) -> None:
    write_some_of_each_kind(connection, 6)
    found = list[str]()

    def explain(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        if statement.startswith("SELECT"):
            found.extend(f"{wrong}: {statement}" for wrong in reads_all_sqlite(connection, statement, parameters))

    event.listen(connection, "before_cursor_execute", explain)
    assert RetentionStore(connection).count(CUTOFF, 1_000) == 31
    assert found == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_step_does_the_same_work_among_few_rows_and_among_many(connection: Connection) -> None:
    def work_of_the_longest_step(count: int) -> int:
        write_some_of_each_kind(connection, count)
        driver: Any = connection.connection.driver_connection
        work, longest, sweeping = [0], 0, Sweep(CUTOFF)

        def worked() -> None:
            work[0] += 1

        driver.set_progress_handler(worked, 100)
        while sweeping.step(connection, 50):
            longest, work[0] = max(longest, work[0]), 0
        driver.set_progress_handler(None, 0)
        return longest

    assert work_of_the_longest_step(2_000) < 1.2 * work_of_the_longest_step(200)


def test_a_step_deletes_no_more_rows_than_its_limit(connection: Connection) -> None:
    write_some_of_each_kind(connection, 20)
    steps = sweep(connection, 7)
    assert max(steps) == 7
    assert sum(steps) == 5 * 20 + 1


@pytest.mark.parametrize("by", [-FAR_AHEAD, 2 * FAR_AHEAD], ids=["unset", "far ahead"])
def test_a_step_redates_no_more_rows_than_its_limit(connection: Connection, by: timedelta) -> None:
    write_some_of_each_kind(connection, 20)
    now = OLD + timedelta(days=10)
    if by < timedelta(0):
        connection.execute(update(UsageReportId).values(received_on=(OLD + by).toordinal()))
    else:
        now = OLD - by
    steps = redate(connection, Redating(now, ahead=by > timedelta(0)), 7)
    assert max(steps) == 7
    assert connection.execute(select(UsageReportId.received_on).distinct()).scalars().all() == [now.toordinal()]


def test_a_transmission_with_more_attempts_than_a_step_has_rows_goes_alone(connection: Connection) -> None:
    old = OldRows(connection)
    for number, attempts in enumerate((1, 9, 1)):
        old.period(FIRST + number)
        old.transmission(FIRST + number, attempts)
    assert sweep(connection, 4) == [2, 10, 2, 3]
    assert connection.execute(select(func.count()).select_from(TelemetryTransmissionAttempt)).scalar_one() == 0


def test_however_many_periods_wait_for_their_transmission_the_others_behind_them_are_deleted(
    connection: Connection,
) -> None:
    old = OldRows(connection)
    for number in range(120):
        old.period(FIRST + number)
        if number not in {60, 119}:
            old.transmission(FIRST + number, state=State.HELD)
    assert sum(sweep(connection, 10)) == 2
    kept = set(connection.execute(select(ReportingPeriod.id).where(ReportingPeriod.id >= FIRST)).scalars())
    assert kept == {FIRST + number for number in range(119)} - {FIRST + 60}


def test_the_rows_of_a_purge_are_counted_up_to_a_bound(connection: Connection) -> None:
    write_some_of_each_kind(connection, 20)
    store = RetentionStore(connection)
    assert [store.count(CUTOFF, most) for most in (1, 20, 21, 59, 100)] == [1, 20, 21, 59, 100]
    assert store.count(CUTOFF, 1_000) == sum(sweep(connection, 50)) == 101


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_space_is_given_back_as_many_pages_at_a_time_as_asked_for(database_url: str) -> None:
    with opened(database_url) as engine:
        with engine.begin() as connection:
            OldRows(connection).report_ids(20_000)
        with engine.begin() as connection:
            sweep(connection, 20_000)
        freed = []
        for _ in range(3):
            with engine.begin() as connection:
                freed.append(RetentionStore(connection).free_space(70))
        assert freed == [70, 70, 70]
        with engine.begin() as connection:
            assert RetentionStore(connection).free_space(100_000) > 0
            assert RetentionStore(connection).free_space(1) == 0
