"""The schedule: one tick makes one payload, and none runs twice, whatever the clock does."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.schedule import Frequency, send_offset
from telemetry_service.domain.transmissions import AttemptTrigger, HistoryFilter, Trigger
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import list_transmissions, read_transmission
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.pipeline.stages.tick import run_due_tick, wake
from tests.support.databases import ON_BOTH
from tests.support.license_server import Trouble, reply
from tests.support.shared_clock import START, SharedClock
from tests.support.site import Replica, Site, usage

SPREAD = timedelta(seconds=300)


def scheduled(site: Site) -> list[datetime]:
    """Return when each scheduled payload was made, oldest first."""
    page = read_now(site.runtime, list_transmissions, HistoryFilter(trigger=Trigger.SCHEDULED), None, 100)
    return [transmission.created_at for transmission in reversed(page.items)]


def ticks(site: Site) -> list[tuple[str, str]]:
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT tick_key, result FROM telemetry_ticks ORDER BY tick_key")).all()
    engine.dispose()
    return [(row[0], row[1]) for row in rows]


def test_the_first_run_is_the_next_one_of_the_default_schedule(site: Site) -> None:
    assert site.next_run_at() == datetime(2026, 11, 15, 2, tzinfo=UTC)


def test_before_it_is_due_nothing_runs_and_when_it_is_due_it_runs_once(site: Site) -> None:
    site.clock.set(site.next_run_at() - timedelta(seconds=1))
    assert wake(site.runtime).tick is None
    site.clock.advance(seconds=1)
    assert [wake(site.runtime).tick for _ in range(3)] == ["prepared", None, None]
    assert scheduled(site) == [datetime(2026, 11, 15, 2, tzinfo=UTC)]
    assert site.next_run_at() == datetime(2026, 12, 1, 2, tzinfo=UTC)


def test_a_tick_missed_while_the_service_was_down_runs_once_at_the_next_start(site: Site) -> None:
    site.report(usage(5))
    site.clock.set(datetime(2027, 3, 7, 12, tzinfo=UTC))
    restarted = site.open()
    assert [wake(restarted).tick for _ in range(3)] == ["prepared", None, None]
    assert [payload.date for payload in site.server.payloads()] == ["2027-03-07"]
    assert site.next_run_at() == datetime(2027, 3, 15, 2, tzinfo=UTC)


@pytest.mark.parametrize("frequency", Frequency)
def test_a_changed_frequency_is_planned_at_once(site: Site, frequency: Frequency) -> None:
    planned = {
        Frequency.TWICE_MONTHLY: datetime(2026, 11, 15, 2, tzinfo=UTC),
        Frequency.WEEKLY: datetime(2026, 11, 9, 2, tzinfo=UTC),
        Frequency.MONTHLY: datetime(2026, 12, 1, 2, tzinfo=UTC),
        Frequency.DAILY: datetime(2026, 11, 4, 2, tzinfo=UTC),
    }
    assert site.configure(frequency=frequency).next_run_at == planned[frequency]
    site.clock.set(planned[frequency])
    assert wake(site.runtime).tick == "prepared"


def test_a_due_tick_runs_even_if_the_frequency_is_changed_before_the_next_waking(site: Site) -> None:
    site.clock.set(site.next_run_at())
    site.configure(frequency=Frequency.MONTHLY)
    assert wake(site.runtime).tick == "prepared"
    assert site.next_run_at() == datetime(2026, 12, 1, 2, tzinfo=UTC)


def test_a_save_that_leaves_the_frequency_leaves_the_plan(site: Site) -> None:
    planned = site.next_run_at()
    site.clock.advance(days=5)
    site.configure(retention_days=7)
    assert site.next_run_at() == planned


def test_a_clock_set_back_runs_no_tick_twice(site: Site) -> None:
    site.configure(frequency=Frequency.DAILY)
    for _ in range(3):
        site.tick()
    made = scheduled(site)
    site.clock.set(START)
    for hours in range(0, 24 * 5, 6):
        site.clock.set(START + timedelta(hours=hours))
        wake(site.runtime)
    assert scheduled(site)[:3] == made
    assert len(scheduled(site)) == 5, "the ticks of the fourth and the fifth day had not been run before"
    assert len({key for key, _ in ticks(site)}) == len(ticks(site))


def test_a_plan_of_a_clock_that_was_far_ahead_is_pulled_back(site: Site) -> None:
    site.clock.set(datetime(2031, 5, 5, tzinfo=UTC))
    site.tick()
    assert site.next_run_at().year == 2031
    site.clock.set(START)
    assert wake(site.runtime).tick is None
    assert site.next_run_at() == datetime(2026, 11, 15, 2, tzinfo=UTC)


def test_a_back_off_of_a_clock_that_was_far_ahead_is_not_waited_for(site: Site) -> None:
    site.clock.set(datetime(2031, 5, 5, tzinfo=UTC))
    site.server.trouble(Trouble(before=reply(503)))
    site.tick()
    site.clock.set(START)
    site.server.trouble()
    assert deliver_due(site.runtime) == 1


@ON_BOTH
def test_a_claim_of_a_clock_that_was_far_ahead_is_void(site: Site) -> None:
    site.clock.set(datetime(2031, 5, 5, tzinfo=UTC))
    site.tick_only()
    with site.runtime.database.write() as tx:
        (due,) = tx.transmissions.due(site.clock.now(), timedelta(hours=6))
        assert tx.transmissions.claim(due, due, site.clock.now())
    site.clock.set(START)
    assert deliver_due(site.runtime) == 1


@ON_BOTH
def test_the_period_is_closed_at_the_tick_and_sent_after_the_installations_own_offset(
    site: Site, clock: SharedClock
) -> None:
    replica = site.replica
    spread = site.open(replica=Replica(replica.database_url, replica.base_url, replica.ca_file, spread=SPREAD))
    with spread.database.read() as tx:
        offset = send_offset(tx.installation.instance_id(), SPREAD)
    due = site.next_run_at()
    view = read_now(spread, read_configuration)
    assert (view.next_run_at, view.next_send_at) == (due, due + offset)
    assert read_now(spread, read_health).next_send_at == due + offset
    clock.set(due)
    wake(spread)
    site.report(usage(9))
    clock.set(due + offset - timedelta(seconds=1))
    assert wake(spread).attempts == 0
    clock.set(due + offset)
    assert wake(spread).attempts == 1
    assert [payload.total_events for payload in site.server.payloads()] == [0]


def test_a_tick_that_a_clock_a_year_ahead_has_run_runs_again_when_its_day_comes(site: Site) -> None:
    a_year_on = datetime(2027, 11, 15, 2, tzinfo=UTC)
    site.clock.set(a_year_on - timedelta(days=1))
    wake(site.runtime)
    site.clock.set(a_year_on)
    assert wake(site.runtime).tick == "prepared"
    site.clock.set(START)
    wake(site.runtime)
    while site.next_run_at() < a_year_on:
        site.tick()
    assert site.next_run_at() == a_year_on
    assert site.tick().tick == "prepared", "another period has been open since"


def test_a_tick_that_is_caught_up_late_is_sent_at_once(site: Site) -> None:
    replica = site.replica
    spread = site.open(replica=Replica(replica.database_url, replica.base_url, replica.ca_file, spread=SPREAD))
    site.clock.set(site.next_run_at() + timedelta(hours=5))
    assert wake(spread).attempts == 1


def test_no_run_is_shown_while_telemetry_is_off(site: Site) -> None:
    view = site.configure(enabled=False)
    assert (view.next_run_at, view.next_send_at) == (None, None)
    report = read_now(site.runtime, read_health)
    assert (report.next_run_at, report.next_send_at) == (None, None)


def test_a_scheduled_transmission_says_what_made_it(site: Site) -> None:
    site.tick()
    (transmission,) = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items
    assert transmission.trigger is Trigger.SCHEDULED
    (attempt,) = read_now(site.runtime, read_transmission, transmission.transmission_id).attempts
    assert attempt.trigger is AttemptTrigger.TICK


def test_every_tick_leaves_its_key_and_its_result(site: Site) -> None:
    site.tick()
    site.configure(enabled=False)
    site.clock.set(site.next_run_at())
    assert run_due_tick(site.runtime) == "disabled"
    assert ticks(site) == [
        ("2026-11-15T02:00:00.000Z", "prepared"),
        ("2026-12-01T02:00:00.000Z", "disabled"),
    ]


@ON_BOTH
def test_of_all_ticks_the_result_of_the_latest_is_shown(site: Site) -> None:
    assert read_now(site.runtime, read_health).last_tick_result is None
    site.tick()
    assert read_now(site.runtime, read_health).last_tick_result == "prepared"
    site.configure(enabled=False)
    site.tick()
    assert read_now(site.runtime, read_health).last_tick_result == "disabled"
    site.configure(enabled=True)
    site.tick()
    assert read_now(site.runtime, read_health).last_tick_result == "prepared"


@pytest.mark.parametrize("ahead", [2, 20, 2_000])
def test_a_due_tick_that_a_clock_ahead_has_run_too_early_runs_when_its_day_comes(site: Site, ahead: int) -> None:
    due = site.next_run_at()
    site.clock.set(due + timedelta(days=ahead))
    assert wake(site.runtime).tick == "prepared"
    site.clock.set(START)
    assert wake(site.runtime).tick is None
    assert site.next_run_at() == due
    site.clock.set(due)
    assert wake(site.runtime).tick == "prepared", "what was counted since, and what waits, leaves now"
    assert len(scheduled(site)) == 2
