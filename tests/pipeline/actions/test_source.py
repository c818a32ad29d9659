"""Catching up on older rows, and deciding where to continue after a restore."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from telemetry_service.domain.errors import TelemetryDisabledError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.source import CatchUp, SpanNumbers
from telemetry_service.domain.source_errors import (
    CatchUpRefusedError,
    SourceMissingError,
    SourceNotBegunError,
    SourceRestoredError,
)
from telemetry_service.log.events import Event
from telemetry_service.pipeline.actions.catch_up import catch_up, plan_catch_up
from telemetry_service.pipeline.actions.reset_source import ResetDone, plan_reset, reset_source
from telemetry_service.pipeline.stages.source.check import check_source
from tests.pipeline.stages.source.test_events import counted, obstacle, state
from tests.support.actors import ADMIN
from tests.support.ledger import entries
from tests.support.log_lines import lines_of
from tests.support.postgres import PostgresServer
from tests.support.reckoning import Amount
from tests.support.site import Site
from tests.support.site_fixtures import clock, server
from tests.support.source import NOON, AuditTable, decision, documented, insert, other, postgresql_audit_table, rows_of
from tests.support.source_fixtures import ON_BOTH_SOURCES, ON_POSTGRESQL, audit, source_server
from tests.support.source_fixtures import site as site_with_source

__all__ = ["audit", "clock", "server", "site", "source_server"]

site = site_with_source
DAY = timedelta(days=1)


def all_steps(site: Site, since: datetime) -> list[CatchUp]:
    """Catch up, and return how far it was after each step."""
    return list(catch_up(site.runtime, plan_catch_up(site.runtime, since), ADMIN))


@ON_BOTH_SOURCES
def test_older_rows_count_only_by_a_catch_up_and_each_day_once(site: Site, audit: AuditTable) -> None:
    audit.write(other(), at=NOON - 9 * DAY)
    audit.write(*[decision()] * 3, at=NOON - 2 * DAY)
    audit.write(*[decision()] * 25, at=NOON)
    with pytest.raises(SourceNotBegunError):
        plan_catch_up(site.runtime, NOON)
    assert counted(site) == Amount()
    audit.write(other(), at=NOON - 2 * DAY)
    assert counted(site) == Amount(1)
    plan = plan_catch_up(site.runtime, NOON - DAY)
    assert plan.numbers == SpanNumbers(29, 25, 0)
    site.runtime.source_reading.share = 10_000
    steps = list(catch_up(site.runtime, plan, ADMIN))
    assert len(steps) > 4
    assert (steps[-1].counted, steps[-1].looked_at, steps[-1].finished) == (25, 29, True)
    assert counted(site) == Amount(26, 25, 25)
    for since in (NOON - DAY, NOON):
        with pytest.raises(CatchUpRefusedError):
            plan_catch_up(site.runtime, since)
    assert all_steps(site, NOON - 3 * DAY)[-1].counted == 3
    assert counted(site) == Amount(29, 28, 28)
    assert state(site).rows == 29
    said = [it.details["act"] for it in entries(site.runtime.database) if it.kind is Kind.SOURCE]
    assert said == ["begun", "catch_up_begun", "catch_up_ended", "catch_up_begun", "catch_up_ended"]


def test_a_catch_up_that_was_stopped_continues_and_no_other_one_begins_meanwhile(site: Site, audit: AuditTable) -> None:
    audit.write(*[other()] * 30)
    counted(site)
    site.runtime.source_reading.share = 1_000
    begun: Iterator[CatchUp] = catch_up(site.runtime, plan_catch_up(site.runtime, NOON - DAY), ADMIN)
    assert [next(begun).counted for _ in range(2)] == [0, 10]
    with pytest.raises(CatchUpRefusedError):
        plan_catch_up(site.runtime, NOON - 2 * DAY)
    plan = plan_catch_up(site.runtime, NOON - DAY)
    assert plan.begun is not None
    second = catch_up(site.runtime, plan, ADMIN)
    for steps in (begun, second, begun):  # Two processes at once.
        next(steps)
    assert [*begun, *second][-1].counted == 30
    assert counted(site) == Amount(30)


def test_a_catch_up_while_telemetry_is_off_would_never_be_sent(site: Site, audit: AuditTable) -> None:
    audit.write(other())
    counted(site)
    site.configure(enabled=False)
    with pytest.raises(TelemetryDisabledError):
        plan_catch_up(site.runtime, NOON - DAY)


@ON_BOTH_SOURCES
def test_a_reset_says_the_numbers_and_continues_where_it_was_told(
    site: Site, audit: AuditTable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    audit.write(other(), other())
    assert counted(site) == Amount()
    began = int(state(site).begun.cursor.position)  # type: ignore[union-attr]
    audit.write(*[other()] * 4)
    plan = plan_reset(site.runtime, None)
    assert (plan.before.position, plan.rows) == (began, 0)
    assert reset_source(site.runtime, plan, ADMIN) == ResetDone(plan.after.cursor.position, ended_catch_up=False)
    audit.write(other())
    assert counted(site) == Amount(1), "what was there is skipped"
    plan = plan_reset(site.runtime, began)
    assert plan.rows == 5
    reset_source(site.runtime, plan, ADMIN)
    assert counted(site) == Amount(6), "and counts if someone wants it to"
    assert all_steps(site, NOON - DAY)[-1].counted == 2, "a catch-up takes only what was never passed"
    assert check_source(site.runtime).error is None
    assert [line["actor"] for line in lines_of(caplog, Event.SOURCE_RESET)] == [ADMIN.label] * 2
    assert [line["rows"] for line in lines_of(caplog, Event.SOURCE_CAUGHT_UP)] == [2]


def test_a_reset_counts_nothing_twice_that_is_read_while_someone_decides(site: Site, audit: AuditTable) -> None:
    counted(site)
    began = state(site).begun
    assert began is not None
    to_now, back = plan_reset(site.runtime, None), plan_reset(site.runtime, began.cursor.position)
    audit.write(*[other()] * 5)
    assert counted(site) == Amount(5)
    assert reset_source(site.runtime, back, ADMIN) is None, "the number that was said is no longer right"
    assert reset_source(site.runtime, to_now, ADMIN) is not None
    audit.write(other())
    assert counted(site) == Amount(6)
    said = [it.details for it in entries(site.runtime.database) if it.details.get("act") == "reset"]
    assert [(it["before"], it["position"]) for it in said] == [(6, 6)]


@ON_POSTGRESQL
def test_what_is_there_does_not_count_although_an_older_transaction_runs(site: Site, audit: AuditTable) -> None:
    """It is behind the cursor: a position is final only once all older transactions have ended."""
    with audit.connect() as long, audit.connect() as short:
        insert(long, rows_of(other()))
        audit.write(*[other()] * 25)
        insert(short, rows_of(other(), other()))
        audit.write(other(), at=NOON - 3 * DAY)
        assert counted(site) == Amount()
        audit.write(other(), other(), other())
        site.runtime.source_reading.share = 10_000
        assert plan_catch_up(site.runtime, NOON - DAY).numbers == SpanNumbers(26, 25, 0)
        assert all_steps(site, NOON - DAY)[-1].counted == 25, "it waits for no transaction"
        short.commit()
        assert counted(site) == Amount(25)
    assert counted(site) == Amount(31), "what was committed later counts"
    assert all_steps(site, NOON - 4 * DAY)[-1].counted == 1


def test_what_is_there_does_not_count_on_a_replica_either(site: Site, source_server: PostgresServer) -> None:
    audit = postgresql_audit_table(source_server)
    with audit.connect() as long, audit.connect() as short:
        insert(long, rows_of(other()))
        audit.write(*[other()] * 25)
        insert(short, rows_of(other(), other()))
        audit.write(other())
        replica = PostgresServer.replica_of(source_server)
        try:
            replica.start()
            url = audit.reader_url.replace(str(source_server.folder), str(replica.folder))
            site.runtime = site.open(replica=replace(site.replica, source_url=url))
            assert counted(site) == Amount()
            short.commit()
            audit.write(other())
            long.commit()
            until = time.monotonic() + 20
            while counted(site) != Amount(4) and time.monotonic() < until:
                time.sleep(0.1)  # It follows.
            assert counted(site) == Amount(4), "what was committed later counts, and nothing else"
            assert state(site).obstacle is None
        finally:
            site.runtime.close()
            replica.remove()


@ON_POSTGRESQL
def test_a_reset_to_now_skips_what_is_there_although_an_older_transaction_runs(site: Site, audit: AuditTable) -> None:
    assert counted(site) == Amount()
    audit.write(*[other()] * 10)
    assert counted(site) == Amount(10)
    with audit.connect() as long:
        insert(long, rows_of(other()))
        audit.run(documented("postgresql", "moved"))
        reset_source(site.runtime, plan_reset(site.runtime, None), ADMIN)
        audit.write(other())
    assert counted(site) == Amount(12)
    began = state(site).begun
    assert began is not None
    assert reset_source(site.runtime, plan_reset(site.runtime, began.floor), ADMIN) is not None
    assert counted(site) == Amount(24), "with a position, everything counts from it on"


def test_after_a_restore_nothing_is_caught_up_on_before_the_reset(site: Site, audit: AuditTable) -> None:
    audit.write(*[other()] * 30)
    counted(site)
    site.runtime.source_reading.share = 1_000
    begun = catch_up(site.runtime, plan_catch_up(site.runtime, NOON - DAY), ADMIN)
    next(begun)
    next(begun)
    audit.write(other())
    counted(site)
    audit.run("DELETE FROM audit_log WHERE id > 20; UPDATE sqlite_sequence SET seq = 20")
    counted(site)
    assert obstacle(site).code == "source-restored"
    report = check_source(site.runtime)
    assert isinstance(report.error, SourceRestoredError)
    with pytest.raises(SourceRestoredError):
        plan_catch_up(site.runtime, NOON - DAY)
    done = reset_source(site.runtime, plan_reset(site.runtime, None), ADMIN)
    assert done is not None
    assert done.ended_catch_up
    with pytest.raises(CatchUpRefusedError):
        plan_catch_up(site.runtime, NOON - DAY)
    audit.write(other())
    assert counted(site) == Amount(12)


def test_without_a_source_the_commands_say_so(site: Site) -> None:
    bare = site.open(replica=replace(site.replica, source_url=None))
    with pytest.raises(SourceMissingError):
        check_source(bare)
