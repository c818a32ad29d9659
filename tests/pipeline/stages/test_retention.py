"""The purge deletes what is older than the retention, and never what must stay."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Event

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.errors import PurgeNotKeptError, StorageFullError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import HistoryFilter, State
from telemetry_service.log.events import Event as LogEvent
from telemetry_service.pipeline.actions.report_facts import redeem_code
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.consequences import count_rows_to_purge
from telemetry_service.pipeline.queries.history import list_transmissions
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.purge import STEP_ROWS, purge, purge_if_due
from telemetry_service.pipeline.stages.record import Recorder
from telemetry_service.pipeline.stages.tick import wake
from tests.pipeline.test_rows_put_back import write
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.log_lines import lines_of
from tests.support.reckoning import reckon
from tests.support.shared_clock import START, SharedClock
from tests.support.site import Replica, Site, usage

TABLES = (
    "reporting_periods",
    "usage_counters",
    "usage_report_ids",
    "telemetry_transmission_logs",
    "telemetry_transmission_attempts",
    "evidence",
    "telemetry_ticks",
    "extension_codes",
)

DANGLING = (
    text("SELECT count(*) FROM usage_counters WHERE period_id NOT IN (SELECT id FROM reporting_periods)"),
    text("SELECT count(*) FROM telemetry_transmission_logs WHERE period_id NOT IN (SELECT id FROM reporting_periods)"),
    text(
        "SELECT count(*) FROM telemetry_transmission_attempts"
        " WHERE transmission_id NOT IN (SELECT transmission_id FROM telemetry_transmission_logs)"
    ),
    text(
        "SELECT count(*) FROM evidence"
        " WHERE transmission_id NOT IN (SELECT transmission_id FROM telemetry_transmission_logs)"
    ),
)


def rows(site: Site) -> dict[str, int]:
    """Return the number of rows of each table that retention is about."""
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        counted = {
            table: int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608
            for table in TABLES
        }
    engine.dispose()
    return counted


def dangling(site: Site) -> int:
    """Return the number of rows whose parent is gone."""
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        found = sum(int(connection.execute(query).scalar_one()) for query in DANGLING)
    engine.dispose()
    return found


@ON_BOTH
def test_what_is_older_than_the_retention_is_deleted(site: Site) -> None:
    site.report(usage(5), usage(7))
    site.tick()
    site.clock.advance(days=30, seconds=1)
    assert purge(site.runtime) == 2 + 1 + 1 + 1 + 1 + 1, "ids, attempt, transmission, counter, period, tick"
    assert rows(site) == dict.fromkeys(TABLES, 0) | {"reporting_periods": 1}


@pytest.mark.parametrize("days", [7, 30, 90, 365])
def test_what_is_younger_stays(site: Site, days: int) -> None:
    site.configure(retention_days=days)
    site.report(usage(5))
    site.tick()
    before = rows(site)
    site.clock.advance(days=days - 1)
    assert purge(site.runtime) == 1, "the tick's usage was reported twelve days before it, so its id is older"
    assert rows(site) == before | {"usage_report_ids": 0}
    site.clock.advance(days=2)
    assert purge(site.runtime) > 0


def test_a_transmission_that_was_not_accepted_is_never_deleted_nor_its_period(site: Site) -> None:
    site.report(usage(5))
    site.redeem("EXT-1")
    site.server.trouble(Trouble(before=reply(422)))
    send_now(site.runtime, ADMIN, None)
    site.clock.advance(days=1_000)
    purge(site.runtime)
    (waiting,) = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items
    assert waiting.state is State.REJECTED
    assert rows(site)["usage_counters"] == 1
    site.server.trouble()
    site.tick()
    assert [payload.redeemed_extension_codes for payload in site.server.payloads()] == [("EXT-1",), ()]


def test_the_age_of_a_transmission_is_counted_from_its_acceptance(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(422)))
    send_now(site.runtime, ADMIN, None)
    site.clock.advance(days=100)
    site.server.trouble()
    site.tick()
    purge(site.runtime)
    assert len(read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items) == 2


def test_the_open_period_is_never_deleted(site: Site) -> None:
    site.report(usage(5))
    site.clock.advance(days=1_000)
    purge(site.runtime)
    assert reckon(site.replica.database_url, ()).open.events == 5
    assert read_now(site.runtime, build_preview).counts.total_events == 5


def test_an_extension_code_is_never_deleted_because_its_id_is_its_idempotency_key(site: Site) -> None:
    code = site.code("EXT-1")
    redeem_code(site.runtime, code, OPS)
    site.tick()
    site.clock.advance(days=1_000)
    purge(site.runtime)
    assert redeem_code(site.runtime, code, OPS) is False


def test_a_period_that_was_not_reported_is_deleted_in_its_time(site: Site) -> None:
    site.report(usage(5))
    site.configure(enabled=False)
    site.clock.advance(days=31)
    purge(site.runtime)
    assert rows(site)["usage_counters"] == 0
    assert rows(site)["reporting_periods"] == 1


def test_shortening_the_retention_says_first_how_many_rows_it_will_delete(site: Site) -> None:
    for _ in range(3):
        site.report(usage(5), usage(5, bouncer="another"))
        site.tick()
    site.server.trouble(Trouble(before=reply(422)))
    site.report(usage(5))
    site.tick()
    site.clock.advance(days=8)
    announced = read_now(site.runtime, count_rows_to_purge, 7)
    assert announced > 0
    site.configure(retention_days=7)
    assert purge(site.runtime) == announced
    assert read_now(site.runtime, count_rows_to_purge, 7) == 0


def test_the_purge_runs_once_a_day_whichever_process_asks(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert purge_if_due(site.runtime) is None
    site.clock.advance(days=1)
    assert purge_if_due(site.runtime) == 0
    assert purge_if_due(site.open()) is None
    site.clock.advance(hours=23)
    assert purge_if_due(site.runtime) is None
    site.clock.advance(hours=1)
    assert purge_if_due(site.runtime) == 0
    logged = [(line["rows"], line["retention_days"]) for line in lines_of(caplog, LogEvent.PURGE_RAN)]
    assert logged == [(0, 30), (0, 30)]


@ON_BOTH
def test_a_purge_planned_by_a_clock_that_was_far_ahead_is_not_waited_for(site: Site) -> None:
    site.clock.advance(days=2_000)
    assert purge_if_due(site.runtime) is None
    site.clock.advance(days=1)
    assert purge_if_due(site.runtime) is not None
    site.clock.advance(days=-2_001)
    assert purge_if_due(site.runtime) is not None


def test_a_clock_that_is_far_ahead_for_less_than_a_day_deletes_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    site.report(usage(5))
    site.tick()
    site.clock.advance(days=400)
    assert purge_if_due(site.runtime) is None
    assert len(lines_of(caplog, LogEvent.PURGE_PUT_OFF)) == 1
    site.clock.advance(hours=23)
    assert purge_if_due(site.runtime) is None
    site.clock.advance(days=-400, hours=-23)
    assert purge_if_due(site.runtime) == 0
    assert site.report(usage(1)).accepted == 1
    with site.runtime.database.read() as tx:
        assert tx.transmissions.last_accepted() is not None


@pytest.mark.parametrize("apart", [timedelta(days=2, hours=1), timedelta(days=7), timedelta(days=90)])
def test_an_installation_that_is_up_an_hour_now_and_then_is_purged(site: Site, apart: timedelta) -> None:
    site.report(usage(5))
    site.tick()
    site.configure(retention_days=7)
    before = rows(site)["reporting_periods"]
    site.clock.advance(days=70)
    asked = []
    for _ in range(2):
        asked += [purge_if_due(site.open()) for _ in range(12)]
        site.clock.advance(seconds=apart.total_seconds())
    assert [deleted for deleted in asked if deleted is not None] != [], "it is put off once"
    assert asked[0] is None
    assert rows(site)["reporting_periods"] < before


def test_a_purge_that_meets_an_error_is_taken_up_again_the_same_day(site: Site) -> None:
    def fail(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.PURGE_STEP:
            raise StorageFullError

    site.report(usage(5))
    site.tick()
    for _ in range(8):
        site.clock.advance(days=1)
        site.configure(retention_days=7)
        with suppress(StorageFullError):
            purge_if_due(site.open(fail))
    assert purge_if_due(site.runtime) is None, "the process that has begun it gets some time"
    site.clock.advance(minutes=10)
    deleted = purge_if_due(site.runtime)
    assert deleted is not None
    assert deleted > 0


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=1), timedelta(days=300)])
def test_a_purge_that_was_under_way_when_the_clock_was_set_back_is_taken_up_within_a_day(
    site: Site, back: timedelta
) -> None:
    def die(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.PURGE_STEP:
            raise StorageFullError

    site.report(usage(5))
    site.tick()
    site.configure(retention_days=7)
    for _ in range(9):
        site.clock.advance(days=1)
        with suppress(StorageFullError):
            purge_if_due(site.open(die))
    site.clock.set(site.clock.now() - back)
    asked = [purge_if_due(site.runtime)]
    site.clock.advance(days=1)
    asked.append(purge_if_due(site.runtime))
    assert asked != [None, None]


def test_a_clock_that_was_not_set_yet_plans_and_purges_nothing(site: Site) -> None:
    site.report(usage(5))
    site.tick()
    planned, right = site.next_run_at(), site.clock.now()
    site.clock.set(datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
    assert purge_if_due(site.runtime) is None
    assert wake(site.runtime).tick is None
    assert site.next_run_at() == planned
    site.clock.set(right)
    assert wake(site.runtime).tick is None, "setting the clock makes nothing due"


def test_space_is_given_back_to_the_file_system(site: Site) -> None:
    def pages() -> int:
        engine = create_engine(site.replica.database_url)
        with engine.connect() as connection:
            count = int(connection.execute(text("PRAGMA page_count")).scalar_one())
        engine.dispose()
        return count

    empty = pages()
    for _ in range(3):
        site.report(*(usage(1, bouncer=f"bouncer-{number}") for number in range(4_000)))
    full = pages()
    site.tick()
    site.clock.advance(days=31)
    purge(site.runtime)
    assert full > empty + 100
    assert pages() < empty + 50


def test_a_purge_is_noted_with_the_number_of_rows(site: Site) -> None:
    site.tick()
    site.clock.advance(days=31)
    deleted = purge(site.runtime)
    latest = entries(site.runtime.database)[-1]
    cutoff = rfc3339(site.clock.now() - timedelta(days=30))
    assert (latest.kind, latest.actor) == (Kind.PURGED, "schedule")
    assert latest.details == {"rows": deleted, "accepted_before": cutoff}


def test_a_purge_whose_deletions_a_trigger_swallows_says_so(site: Site) -> None:
    site.tick()
    site.clock.advance(days=31)
    swallows = "BEFORE DELETE ON telemetry_transmission_logs BEGIN SELECT RAISE(IGNORE); END"
    write(site, f"CREATE TRIGGER swallows {swallows}")
    with pytest.raises(PurgeNotKeptError):
        purge(site.runtime)
    write(site, "DROP TRIGGER swallows")
    assert purge(site.runtime) > 0


def write_more_than_a_step_has(site: Site) -> None:
    """Report what takes several steps of every purge, and let it grow old."""
    for _ in range(3):
        site.report(*(usage(1, bouncer=f"bouncer-{number}") for number in range(3_000)))
        site.clock.advance(days=1)
    site.tick()
    site.clock.advance(days=31)


def test_many_steps_delete_what_one_could_not(site: Site) -> None:
    write_more_than_a_step_has(site)
    assert purge(site.runtime) == 2 * 9_000 + 4


def counted(site: Site) -> int:
    """Return the number of rows that count. Evidence is part of its transmission: three rows for one attempt."""
    return sum(number for table, number in rows(site).items() if table != "evidence")


def test_no_step_of_a_purge_holds_more_rows_than_its_bound(site: Site) -> None:
    write_more_than_a_step_has(site)
    left = [counted(site)]

    def count(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.PURGE_STEP:
            left.append(counted(site))

    deleted = purge(replace(site.runtime, failpoint=count))
    steps = [before - after for before, after in pairwise(left)]
    assert sum(steps) == deleted
    assert all(0 < step <= STEP_ROWS[1] for step in steps)
    assert steps[0] == STEP_ROWS[0]


@ON_BOTH
def test_recording_has_its_turn_between_two_steps_of_a_purge(site: Site) -> None:
    write_more_than_a_step_has(site)
    recorder, accepted = Recorder(site.runtime), list[int]()
    recorder.start()

    def record_meanwhile(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.PURGE_STEP:
            accepted.append(recorder.submit([usage(1)]).result(timeout=60).accepted)

    purge(replace(site.runtime, failpoint=record_meanwhile))
    recorder.stop()
    assert len(accepted) > 4, "one of each kind of row at least, and more of those that are many"
    assert set(accepted) == {1}
    assert read_now(site.runtime, build_preview).counts.total_events == len(accepted)


@ON_BOTH
def test_a_purge_that_is_stopped_after_each_step_leaves_nothing_dangling_and_is_finished_in_the_end(site: Site) -> None:
    write_more_than_a_step_has(site)
    announced = read_now(site.runtime, count_rows_to_purge, 30)

    def purge_one_step() -> int:
        stopping = Event()
        deleted = purge(replace(site.runtime, stopping=stopping, failpoint=lambda _: stopping.set()))
        assert dangling(site) == 0
        return deleted

    steps = list(iter(purge_one_step, 0))
    assert len(steps) > 4
    assert sum(steps) == announced
    assert rows(site) == dict.fromkeys(TABLES, 0) | {"reporting_periods": 1}


def test_a_purge_that_is_stopped_before_its_first_step_deletes_nothing(site: Site) -> None:
    write_more_than_a_step_has(site)
    before = rows(site)
    site.runtime.stopping.set()
    assert purge(site.runtime) == 0
    assert rows(site) == before


EPOCH = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)

NewSite = Callable[[datetime], Site]


@pytest.fixture
def new_site(database_url: str, clock: SharedClock, server: LicenseServer) -> Iterator[NewSite]:
    """What makes a site whose clock shows a given moment at its first start."""
    made = list[Site]()

    def make(start: datetime) -> Site:
        clock.set(start)
        made.append(Site(Replica(database_url, server.server.url, server.server.ca_pem_path), clock, server))
        return made[-1]

    yield make
    for site in made:
        site.close()


def days_of_ids(site: Site) -> set[int]:
    """Return the days under which idempotency keys are kept."""
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        days = set(connection.execute(text("SELECT received_on FROM usage_report_ids")).scalars())
    engine.dispose()
    return days


def test_usage_recorded_before_the_clock_was_set_is_not_counted_twice_after_a_purge(new_site: NewSite) -> None:
    site = new_site(EPOCH)
    reports = [usage(1) for _ in range(2 * STEP_ROWS[0])]
    site.report(*reports)
    site.clock.set(START)
    assert read_now(site.runtime, count_rows_to_purge, 7) == 0
    assert purge(site.runtime) == 0
    assert site.report(*reports).duplicates == len(reports)
    site.clock.advance(days=29)
    purge(site.runtime)
    assert site.report(*reports).duplicates == len(reports)
    site.clock.advance(days=2)
    assert purge(site.runtime) == len(reports), "they are kept for as long as any other, and no longer"


def test_usage_recorded_by_a_clock_that_is_behind_is_dated_no_earlier_than_its_period(site: Site) -> None:
    right, report = site.clock.now(), usage(5)
    for wrong in (EPOCH, datetime(2026, 2, 1, tzinfo=UTC)):
        site.clock.set(wrong)
        site.report(report, usage(1))
    assert days_of_ids(site) == {right.toordinal()}
    site.clock.set(right)
    purge(site.runtime)
    assert site.report(report).duplicates == 1


def test_what_was_closed_and_run_before_the_clock_was_set_is_kept_for_the_retention(new_site: NewSite) -> None:
    site = new_site(EPOCH)
    site.report(usage(5))
    site.tick()
    site.report(usage(5))
    site.configure(enabled=False)
    ledger = entries(site.runtime.database)
    before = rows(site)
    site.clock.set(START)
    assert purge(site.runtime) == 0
    assert rows(site) == before
    assert entries(site.runtime.database) == ledger, "the ledger too, which is not dated again"
    site.clock.advance(days=31)
    purge(site.runtime)
    assert rows(site) == dict.fromkeys(TABLES, 0) | {"reporting_periods": 1}


def test_what_a_clock_far_ahead_has_dated_is_kept_for_the_retention_once_a_right_clock_is_known(site: Site) -> None:
    right = site.clock.now()
    site.clock.set(right + timedelta(days=2_000))
    site.report(usage(5))
    site.configure(enabled=False)
    site.configure(enabled=True)
    site.report(report := usage(5))
    site.clock.set(right)
    assert purge(site.runtime) == 0
    assert days_of_ids(site) == {(right + timedelta(days=2_000)).toordinal()}, "nothing says yet that it is right"
    send_now(site.runtime, ADMIN, None)
    assert purge(site.runtime) == 0
    assert days_of_ids(site) == {right.toordinal()}
    assert site.report(report).duplicates == 1
    site.clock.advance(days=31)
    purge(site.runtime)
    assert rows(site)["usage_report_ids"] == rows(site)["usage_counters"] == 0


def test_a_purge_under_a_clock_far_behind_makes_nothing_older_than_it_is(new_site: NewSite) -> None:
    site = new_site(START + timedelta(days=1_000))
    site.report(report := usage(5))
    send_now(site.runtime, ADMIN, None)
    before, days = rows(site), days_of_ids(site)
    site.clock.set(START)
    purge(site.runtime)
    assert days_of_ids(site) == days
    site.clock.set(START + timedelta(days=1_000))
    purge(site.runtime)
    assert rows(site) == before
    assert site.report(report).duplicates == 1
