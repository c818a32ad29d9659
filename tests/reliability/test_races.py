"""Many replicas on one database, and what happens when two of them want the same thing at the same moment.

Each replica has a database connection pool of its own; the threads that drive them are released together.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import pytest

from telemetry_service.domain.errors import AttemptUnderWayError, StaleConfigurationError, TelemetryDisabledError
from telemetry_service.domain.facts import (
    BouncerRegistration,
    Environment,
    ExtensionCode,
    LicensePosture,
    RegisteredWith,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import HealthStatus, LicenseStatus, Tier
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmissions import LEASE, HistoryFilter, State
from telemetry_service.pipeline.actions.configure import save_configuration, set_api_key
from telemetry_service.pipeline.actions.follow_switch import follow_switch
from telemetry_service.pipeline.actions.report_facts import redeem_code, register_bouncer, report_license
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import list_transmissions, read_transmission
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.deliver import deliver, deliver_due
from telemetry_service.pipeline.stages.record import record
from telemetry_service.pipeline.stages.tick import run_due_tick, wake
from tests.support.actors import ADMIN, OPS
from tests.support.license_server import Trouble, reply
from tests.support.reckoning import Amount, reckon
from tests.support.shared_clock import SharedClock
from tests.support.site import Site, record_call, usage

REPLICAS = 5
T = TypeVar("T")


def together(site: Site, act: Callable[[Runtime], T]) -> list[T | Exception]:
    """Let each of several replicas do the same at the same moment, and return what came of it."""
    replicas = [site.open() for _ in range(REPLICAS)]
    start = threading.Barrier(REPLICAS)

    def run(replica: Runtime) -> T | Exception:
        start.wait()
        try:
            return act(replica)
        except Exception as error:  # noqa: BLE001 - what it was is what the test looks at
            return error

    with ThreadPoolExecutor(REPLICAS) as pool:
        return list(pool.map(run, replicas))


def waiting_id(site: Site) -> UUID:
    """Make a transmission that was refused once and is due again."""
    site.report(usage(5))
    site.server.trouble(Trouble(before=reply(503)))
    transmission_id = send_now(site.runtime, ADMIN, None).transmission.transmission_id
    site.clock.advance(hours=7)
    return transmission_id


def test_of_many_replicas_one_runs_the_tick(site: Site) -> None:
    site.report(usage(5))
    site.clock.set(site.next_run_at())
    results = together(site, run_due_tick)
    assert sorted(map(str, results)) == ["None"] * (REPLICAS - 1) + ["prepared"]
    assert len(read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items) == 1


def test_of_many_replicas_that_see_a_transmission_due_one_sends_it(site: Site) -> None:
    transmission_id = waiting_id(site)
    outcomes = together(site, lambda replica: deliver(replica, transmission_id))
    assert sum(outcome is not None for outcome in outcomes) == 1
    assert len(site.server.server.requests) == 2, "the first one, and one more"


def test_many_replicas_that_wake_at_once_count_everything_once(site: Site) -> None:
    site.report(usage(8, 4, 2))
    site.clock.set(site.next_run_at())
    together(site, wake)
    assert reckon(site.replica.database_url, site.server.journal()).total == Amount(8, 4, 2)
    (entry,) = site.server.journal()
    assert (entry.times_received, entry.conflicts) == (1, 0)


def test_send_now_pressed_in_many_replicas_with_one_key_sends_one_period_once(site: Site) -> None:
    site.report(usage(5))
    site.server.trouble(Trouble(before=reply(503)))
    details = together(site, lambda replica: send_now(replica, ADMIN, "0" * 64))
    assert not [detail for detail in details if isinstance(detail, Exception)]
    ids = {detail.transmission.transmission_id for detail in details if not isinstance(detail, Exception)}
    assert len(ids) == 1
    assert len(read_now(site.runtime, read_transmission, ids.pop()).attempts) == 1


def test_retry_pressed_in_many_replicas_makes_no_second_attempt_while_one_is_under_way(site: Site) -> None:
    transmission_id = waiting_id(site)
    arrived, go_on = threading.Event(), threading.Event()

    def hold(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.CLAIMED:
            arrived.set()
            go_on.wait(30)

    site.server.trouble()
    slow = site.open(hold)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(retry, slow, transmission_id, ADMIN)
        arrived.wait(30)
        results = together(site, lambda replica: retry(replica, transmission_id, ADMIN))
        go_on.set()
        assert first.result(30).transmission.state is State.SUCCESS
    assert all(isinstance(result, AttemptUnderWayError) for result in results)


def test_a_report_handed_to_many_replicas_counts_once(site: Site) -> None:
    reports = [usage(1) for _ in range(200)]
    results = together(site, lambda replica: record_call(replica, *reports).accepted)
    assert sum(result for result in results if isinstance(result, int)) == 200
    assert reckon(site.replica.database_url, ()).open.events == 200


def test_recording_goes_on_while_periods_are_closed_and_nothing_falls_between_them(site: Site) -> None:
    """Each report lands in the period that is open in its own transaction, even if that is closed meanwhile."""
    rounds = 12

    def report_many(replica: Runtime) -> int:
        for _ in range(rounds):
            record(replica, [[usage(1), usage(1)]])
        return rounds

    with ThreadPoolExecutor(1) as pool:
        reporting = pool.submit(together, site, report_many)
        closed = 0
        while not reporting.done():
            send_now(site.runtime, ADMIN, None)
            closed += 1
        assert reporting.result() == [rounds] * REPLICAS
    assert closed
    reckoning = reckon(site.replica.database_url, site.server.journal())
    assert reckoning.total.events == 2 * rounds * REPLICAS


def test_one_bouncer_registered_by_many_replicas_at_once_is_registered(site: Site) -> None:
    registration = BouncerRegistration(environment=Environment.SANDBOX, pair_id="pair-1")
    results = together(site, lambda replica: register_bouncer(replica, "bouncer-1", registration, OPS))
    assert all(isinstance(result, RegisteredWith) for result in results), results


def test_one_code_redeemed_by_many_replicas_at_once_is_new_once(site: Site) -> None:
    code = ExtensionCode(code_id="EXT-30D-7Q2M", redeemed_at=site.clock.now())
    results = together(site, lambda replica: redeem_code(replica, code, OPS))
    assert sorted(map(str, results)) == ["False"] * (REPLICAS - 1) + ["True"]


def test_the_license_reported_by_many_replicas_at_once_is_reported(site: Site) -> None:
    posture = LicensePosture(tier=Tier.STARTER, license_status=LicenseStatus.ACTIVE)
    results = together(site, lambda replica: report_license(replica, posture, OPS).posture)
    assert results == [posture] * REPLICAS


def test_of_many_saves_of_one_version_one_is_taken(site: Site) -> None:
    stored = read_now(site.runtime, read_configuration).stored

    def save(replica: Runtime) -> int:
        values = stored.values.model_copy(update={"frequency": Frequency.DAILY})
        return save_configuration(replica, values, stored.version, ADMIN).stored.version

    results = together(site, save)
    assert [result for result in results if isinstance(result, int)] == [stored.version + 1]
    assert sum(isinstance(result, StaleConfigurationError) for result in results) == REPLICAS - 1


def test_what_was_counted_while_telemetry_was_off_is_not_sent_by_a_send_now_that_waited(site: Site) -> None:
    """Send Now is pressed while another replica is just switching telemetry off."""
    with ThreadPoolExecutor(1) as pool:
        with site.runtime.database.write() as tx:
            stored = tx.configuration.get(lock=True)
            tx.configuration.save(stored.values.model_copy(update={"enabled": False}), site.clock.now())
            follow_switch(site.runtime, tx, site.clock.now())
            tx.ledger.note(site.clock.now(), ADMIN, Kind.SETTINGS, {"changes": {"enabled": "true -> false"}})
            pressed = pool.submit(send_now, site.open_without_start(), ADMIN, None)
            with pytest.raises(TimeoutError):
                pressed.result(0.5)
        with pytest.raises(TelemetryDisabledError):
            pressed.result(30)
    assert site.server.journal() == ()


def test_a_tick_that_waited_for_a_switch_off_sends_nothing(site: Site) -> None:
    site.report(usage(5))
    site.clock.set(site.next_run_at())
    with ThreadPoolExecutor(1) as pool:
        with site.runtime.database.write() as tx:
            stored = tx.configuration.get(lock=True)
            tx.configuration.save(stored.values.model_copy(update={"enabled": False}), site.clock.now())
            follow_switch(site.runtime, tx, site.clock.now())
            tx.ledger.note(site.clock.now(), ADMIN, Kind.SETTINGS, {"changes": {"enabled": "true -> false"}})
            ticked = pool.submit(run_due_tick, site.open_without_start())
            with pytest.raises(TimeoutError):
                ticked.result(0.5)
        assert ticked.result(30) == "disabled"
    reckoning = reckon(site.replica.database_url, ())
    assert (reckoning.not_reported.events, reckoning.waiting_ids) == (5, frozenset())


def test_switched_off_while_a_transmission_is_under_way_its_outcome_is_noted_and_nothing_follows(site: Site) -> None:
    site.report(usage(5))

    def switch_off(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            site.configure(enabled=False)

    sender = site.open(switch_off)
    assert send_now(sender, ADMIN, None).transmission.state is State.SUCCESS
    site.clock.advance(days=40)
    wake(site.runtime)
    assert len(site.server.server.requests) == 1


def test_switched_off_between_claim_and_prepare_nothing_is_sent(site: Site) -> None:
    """The claim looks at the switch in its own transaction, whatever was true when the work was planned."""
    transmission_id = waiting_id(site)
    site.configure(enabled=False)
    assert deliver(site.runtime, transmission_id) is None
    assert len(site.server.server.requests) == 1


def test_a_claim_holds_although_the_clocks_of_two_replicas_differ(site: Site) -> None:
    transmission_id = waiting_id(site)
    slow_clock_says = site.clock.now() - timedelta(seconds=30)
    site.server.trouble()
    seen = []

    def meanwhile(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.CLAIMED:
            present = site.clock.now()
            site.clock.set(slow_clock_says)
            seen.append(deliver(site.runtime, transmission_id))
            site.clock.set(present)

    assert deliver(site.open(meanwhile), transmission_id) is not None
    assert seen == [None]


def test_a_replica_paused_beyond_its_lease_before_it_sent_sends_nothing(site: Site) -> None:
    transmission_id = waiting_id(site)
    site.server.trouble()

    def pause(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.CLAIMED:
            site.clock.advance(seconds=LEASE.total_seconds() + 1)
            assert deliver_due(site.runtime) == 1

    assert deliver(site.open(pause), transmission_id) is None
    assert [entry.times_received for entry in site.server.journal()] == [1]
    assert read_now(site.runtime, read_transmission, transmission_id).transmission.state is State.SUCCESS


@pytest.mark.parametrize("status", [401, 422, 503])
def test_the_late_failure_of_a_paused_replica_changes_nothing(site: Site, status: int) -> None:
    """It was paused while it sent; another one took over and was accepted, or failed in another way."""
    transmission_id = waiting_id(site)
    site.server.trouble(Trouble(before=reply(status), times=1))

    def pause(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            site.clock.advance(seconds=LEASE.total_seconds() + 1)
            assert deliver_due(site.runtime) == 1

    deliver(site.open(pause), transmission_id)
    detail = read_now(site.runtime, read_transmission, transmission_id)
    assert detail.transmission.state is State.SUCCESS
    assert read_now(site.runtime, read_health).health.status is HealthStatus.HEALTHY
    assert [attempt.state for attempt in detail.attempts][-1] is State.SUCCESS


def test_the_late_acceptance_of_a_paused_replica_counts(site: Site) -> None:
    transmission_id = waiting_id(site)
    site.server.trouble()

    def pause(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            site.clock.advance(seconds=LEASE.total_seconds() + 1)
            site.server.trouble(Trouble(before=reply(503)))
            assert deliver_due(site.runtime) == 1

    deliver(site.open(pause), transmission_id)
    assert read_now(site.runtime, read_transmission, transmission_id).transmission.state is State.SUCCESS


def test_a_key_set_while_the_old_one_is_being_refused_is_tried(site: Site) -> None:
    transmission_id = waiting_id(site)
    site.server.trouble(Trouble(before=reply(401), times=1))

    def change_key(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            site.server.store.add_key("another-key-0123456789", "cus_Nq4Rz7WkX2")
            set_api_key(site.runtime, "another-key-0123456789", ADMIN)

    deliver(site.open(change_key), transmission_id)
    assert read_now(site.runtime, read_transmission, transmission_id).transmission.state is State.HELD
    assert deliver_due(site.runtime) == 1
    assert read_now(site.runtime, read_transmission, transmission_id).transmission.state is State.SUCCESS


def test_replicas_whose_clocks_differ_make_one_tick(site: Site, clock: SharedClock) -> None:
    """The slower clock sees the next run further ahead than it should be, and must not run it twice."""
    due = site.next_run_at()
    clock.set(due)
    assert wake(site.runtime).tick == "prepared"
    for seconds in (-3, -2, 0, 1, 2):
        clock.set(due + timedelta(seconds=seconds))
        assert wake(site.runtime).tick is None
    assert len(read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items) == 1
    assert site.next_run_at() > due


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_period_is_closed_in_turn_although_others_record_without_a_pause(site: Site) -> None:
    """Replicas whose transactions overlap all the time: there is no moment at which nobody shares the period."""
    stop = threading.Event()

    def share(replica: Runtime) -> None:
        while not stop.is_set():
            with replica.database.write() as tx:
                tx.periods.share_open()
                stop.wait(0.3)

    replicas = [site.open() for _ in range(6)]
    with ThreadPoolExecutor(len(replicas)) as pool:
        for replica in replicas:
            pool.submit(share, replica)
            stop.wait(0.05)
        for _ in range(3):
            send_now(site.runtime, ADMIN, None)
        stop.set()
    assert len(read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items) == 3
