"""Claims: how long they hold, the points that a process passes under one, and what changes meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.domain.facts import LicensePosture, LicenseSource
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.transmissions import (
    FAILED_STATES,
    LEASE,
    LONGEST_CLAIM,
    AttemptTrigger,
    HistoryFilter,
    State,
    Transmission,
)
from telemetry_service.log.events import Event
from telemetry_service.pipeline.actions.follow_switch import follow_switch
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.api_key import seal_api_key
from telemetry_service.pipeline.queries.facts import read_license
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import list_transmissions, read_transmission
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.deliver import deliver, deliver_due
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.transmissions import CLOCKS_DIFFER
from tests.support import faults
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.license_server import CUSTOMER, Trouble, reply
from tests.support.log_lines import lines_of
from tests.support.site import Site, usage

ANOTHER_KEY = "another-key-0123456789"


def test_a_tick_passes_the_points_at_which_a_crash_is_tried_in_their_order(site: Site) -> None:
    passed: list[Failpoint] = []
    replica = site.open(passed.append)
    site.clock.set(site.next_run_at())
    wake(replica)
    assert passed == [
        Failpoint.TICK_OWNED,
        Failpoint.PERIOD_CLOSED,
        Failpoint.PREPARED,
        Failpoint.CLAIMED,
        Failpoint.SENT,
        Failpoint.OUTCOME_WRITTEN,
        Failpoint.OUTCOME_COMMITTED,
    ]


def waiting_id(site: Site) -> UUID:
    """Make a transmission that was refused once and waits for its back-off."""
    site.report(usage(5))
    site.server.trouble(Trouble(before=reply(503)))
    waiting = send_now(site.runtime, ADMIN, None).transmission.transmission_id
    site.server.trouble()
    return waiting


MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("after", "free"),
    [
        (timedelta(0), False),
        (LEASE - MICROSECOND, False),
        (LEASE, True),
        (LEASE - LONGEST_CLAIM, False),
        (LEASE - LONGEST_CLAIM - MICROSECOND, True),
    ],
    ids=["at once", "within the lease", "at its end", "by a clock that is slow", "by one that is slower than any"],
)
def test_a_claim_holds_for_its_lease_and_for_clocks_that_differ_by_no_more_than_that(
    site: Site,
    after: timedelta,
    free: bool,  # noqa: FBT001 - the expected result
) -> None:
    waiting, now = waiting_id(site), site.clock.now()
    with site.runtime.database.write() as tx:
        assert tx.transmissions.claim(waiting, uuid4(), now)
        assert (waiting in tx.transmissions.due(now + after, timedelta(0))) is free
        assert tx.transmissions.claim(waiting, uuid4(), now + after) is free


@pytest.mark.parametrize(
    ("since_the_plan", "due"),
    [
        (timedelta(0), False),
        (-CLOCKS_DIFFER, False),
        (-CLOCKS_DIFFER - MICROSECOND, True),
        (timedelta(days=-365), True),
    ],
    ids=["when it is planned", "by a slower clock", "after the clock was set back", "by a year"],
)
def test_a_transmission_is_due_where_it_was_planned_at_a_moment_that_has_not_come_yet(
    site: Site,
    since_the_plan: timedelta,
    due: bool,  # noqa: FBT001 - the expected result
) -> None:
    waiting = waiting_id(site)
    now, longest = site.clock.now() + since_the_plan, timedelta(hours=6)
    with site.runtime.database.write() as tx:
        assert (waiting in tx.transmissions.due(now, longest)) is due
        assert tx.transmissions.claim(waiting, uuid4(), now, longest) is due


@pytest.mark.parametrize(("ahead", "due"), [(timedelta(0), True), (MICROSECOND, False)], ids=["now", "later"])
def test_a_transmission_is_due_at_its_moment(
    site: Site,
    ahead: timedelta,
    due: bool,  # noqa: FBT001 - the expected result
) -> None:
    waiting = waiting_id(site)
    planned = read_now(site.runtime, read_transmission, waiting).transmission.next_attempt_at
    assert planned is not None
    now, longest = planned - ahead, timedelta(hours=6)
    with site.runtime.database.write() as tx:
        assert (waiting in tx.transmissions.due(now, longest)) is due
        assert tx.transmissions.claim(waiting, uuid4(), now, longest) is due


@pytest.mark.parametrize("apart", [timedelta(hours=1), timedelta(days=1)])
@ON_BOTH
def test_two_replicas_whose_clocks_are_far_apart_do_not_send_without_a_pause(site: Site, apart: timedelta) -> None:
    waiting = waiting_id(site)
    site.server.trouble(Trouble(before=reply(503)))
    ahead, right, replica = site.clock.now() + apart, site.clock.now(), site.open()
    before = read_now(site.runtime, read_transmission, waiting).transmission.attempts_made
    for _ in range(50):
        site.clock.set(ahead)
        deliver_due(replica)
        site.clock.set(right)
        deliver_due(site.runtime)
    after = read_now(site.runtime, read_transmission, waiting).transmission.attempts_made
    assert after - before <= 4, "each takes the other's plan for void once a minute, and its own runs on"


def test_a_plan_of_a_clock_that_was_ahead_is_acted_on_as_soon_as_something_may_be_sent_again(site: Site) -> None:
    """A waking while nothing may be sent does not count as the one attempt of this minute."""
    waiting = waiting_id(site)
    site.clock.advance(days=-40)
    site.configure(enabled=False)
    assert deliver_due(site.runtime) == 0
    site.configure(enabled=True)
    assert deliver_due(site.runtime) == 1
    assert read_now(site.runtime, read_transmission, waiting).transmission.state is State.SUCCESS


@pytest.mark.parametrize(
    ("sooner", "trigger"), [(timedelta(0), AttemptTrigger.BACK_OFF), (MICROSECOND, AttemptTrigger.TICK)]
)
def test_a_tick_wakes_what_is_planned_for_later_and_leaves_what_is_due_by_then(
    site: Site, sooner: timedelta, trigger: AttemptTrigger
) -> None:
    waiting = waiting_id(site)
    planned = read_now(site.runtime, read_transmission, waiting).transmission.next_attempt_at
    assert planned is not None
    with site.runtime.database.write() as tx:
        tx.transmissions.make_due(FAILED_STATES, planned - sooner, AttemptTrigger.TICK)
        assert tx.transmissions.next_trigger(waiting) is trigger
        assert tx.transmissions.due(planned - sooner, timedelta(hours=6)) == (waiting,)


@pytest.mark.parametrize("status", [401, 422, 503, None])
def test_a_concluded_attempt_leaves_no_claim_behind(site: Site, status: int | None) -> None:
    site.server.trouble(Trouble(before=reply(status)) if status else Trouble())
    send_now(site.runtime, ADMIN, None)
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        claims = connection.execute(text("SELECT claim_token, claimed_until FROM telemetry_transmission_logs")).all()
    engine.dispose()
    assert [tuple(claim) for claim in claims] == [(None, None)]


def test_an_attempt_that_a_crash_left_open_is_shown_as_interrupted_once_another_one_begins(site: Site) -> None:
    crash = crash_at(site, Failpoint.CLAIMED, RuntimeError)
    with pytest.raises(RuntimeError):
        send_now(crash, ADMIN, None)
    began = site.clock.now()
    site.clock.advance(seconds=LEASE.total_seconds())
    assert deliver_due(site.runtime) == 1
    (transmission,) = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 2).items
    first, second = read_now(site.runtime, read_transmission, transmission.transmission_id).attempts
    assert (first.state, first.cause) == (State.RETRYING, Cause.INTERRUPTED)
    assert (first.started_at, first.finished_at) == (began, began + LEASE)
    assert (second.number, second.state) == (2, State.SUCCESS)


def crash_at(site: Site, failpoint: Failpoint, error: type[Exception]) -> Runtime:
    """Open a replica in which an error strikes at a failpoint."""

    def strike(reached: Failpoint) -> None:
        if reached is failpoint:
            raise error

    return site.open(strike)


@ON_BOTH
def test_the_late_failure_of_a_paused_replica_is_not_taken_for_that_of_the_one_that_took_over(site: Site) -> None:
    waiting = waiting_id(site)
    site.clock.advance(hours=7)
    site.server.trouble(Trouble(before=reply(503), times=1))

    def pause(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            site.clock.advance(seconds=LEASE.total_seconds() + 1)
            site.server.trouble(Trouble(before=reply(422)))
            assert deliver_due(site.runtime) == 1

    deliver(site.open(pause), waiting)
    found = read_now(site.runtime, read_transmission, waiting).transmission
    assert (found.state, found.cause, found.next_attempt_at) == (State.REJECTED, Cause.PAYLOAD_REFUSED, None)
    exchange = read_now(site.runtime, read_health).last_exchange
    assert exchange is not None
    assert exchange.cause is Cause.PAYLOAD_REFUSED


@ON_BOTH
def test_of_two_acceptances_of_one_transmission_the_one_that_was_noted_first_stands(site: Site) -> None:
    waiting = waiting_id(site)
    site.clock.advance(hours=7)

    def pause(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            site.clock.advance(seconds=LEASE.total_seconds() + 1)
            assert deliver_due(site.runtime) == 1
            noted.append(read_now(site.runtime, read_transmission, waiting).transmission)
            site.clock.advance(hours=1)

    noted: list[Transmission] = []
    deliver(site.open(pause), waiting)
    assert [read_now(site.runtime, read_transmission, waiting).transmission] == noted


def test_the_codes_of_a_transmission_count_as_accepted_when_it_is(site: Site) -> None:
    site.redeem("EXT-1")
    waiting = waiting_id(site)
    site.redeem("EXT-2")

    def accepted() -> list[tuple[str, bool]]:
        engine = create_engine(site.replica.database_url)
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT code_id, accepted_at FROM extension_codes ORDER BY code_id")).all()
        engine.dispose()
        return [(row[0], row[1] is not None) for row in rows]

    assert accepted() == [("EXT-1", False), ("EXT-2", False)]
    deliver(site.runtime, waiting, AttemptTrigger.RETRY)
    assert accepted() == [("EXT-1", True), ("EXT-2", False)]


def test_a_fault_of_this_program_in_one_delivery_does_not_block_those_behind_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    waiting_id(site)
    waiting_id(site)
    site.clock.advance(hours=7)
    faulty = crash_at(site, Failpoint.CLAIMED, ZeroDivisionError)
    assert deliver_due(faulty) == 0, "both were tried and neither was sent"
    lines = lines_of(caplog, Event.UNEXPECTED_EXCEPTION)
    assert [(line["job"], line["error"]) for line in lines] == [("delivery", "ZeroDivisionError")] * 2
    site.clock.advance(seconds=LEASE.total_seconds())
    assert deliver_due(site.runtime) == 2


def test_a_fault_of_the_database_ends_the_round(site: Site) -> None:
    waiting_id(site)
    waiting_id(site)
    site.clock.advance(hours=7)
    with pytest.raises(StorageUnavailableError):
        deliver_due(crash_at(site, Failpoint.CLAIMED, StorageUnavailableError))
    assert deliver_due(site.runtime) == 1, "the other one is still claimed"


@ON_BOTH
def test_a_start_waits_for_a_save_that_is_under_way_and_follows_its_switch(site: Site) -> None:
    with ThreadPoolExecutor(1) as pool:
        with site.runtime.database.write() as tx:
            stored = tx.configuration.get(lock=True)
            tx.configuration.save(stored.values.model_copy(update={"enabled": False}), site.clock.now())
            starting = pool.submit(start, site.open_without_start())
            with pytest.raises(TimeoutError):
                starting.result(0.5)
            follow_switch(site.runtime, tx, site.clock.now())
        starting.result(30)
    with site.runtime.database.read() as tx:
        assert not tx.periods.open().reportable


@ON_BOTH
def test_a_license_that_is_being_reported_while_an_update_arrives_keeps_what_the_update_does_not_say(
    site: Site,
) -> None:
    site.server.server.mode = faults.accept_with(license={"tier": "enterprise", "license_status": "grace"})
    report_license(site.runtime, LicensePosture(tier=Tier.STARTER, license_status=LicenseStatus.ACTIVE), OPS)
    accepted, being_reported = threading.Event(), threading.Event()

    def hold(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            accepted.set()
            being_reported.wait(30)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_now, site.open(hold), ADMIN, None)
        accepted.wait(30)
        with site.runtime.database.write() as tx:
            refreshed = LicensePosture(
                tier=Tier.STARTER, license_status=LicenseStatus.ACTIVE, token_refreshed_at=site.clock.now()
            )
            reported = {"token_refreshed_at": refreshed.token_refreshed_at}
            tx.license.report(reported, refreshed, LicenseSource.REPORTED, site.clock.now())
            being_reported.set()
            with pytest.raises(TimeoutError):
                sending.result(0.5)
        sending.result(30)
    updated = {"tier": Tier.ENTERPRISE, "license_status": LicenseStatus.GRACE}
    assert read_now(site.runtime, read_license).posture == refreshed.model_copy(update=updated)


@ON_BOTH
def test_a_key_that_is_being_set_while_the_old_one_is_refused_is_tried(site: Site) -> None:
    """Setting it has already searched for held transmissions, so an attempt ending meanwhile has to wait and check."""
    site.server.store.add_key(ANOTHER_KEY, CUSTOMER)
    waiting = waiting_id(site)
    site.server.trouble(Trouble(before=reply(401), times=1))
    refused, being_set = threading.Event(), threading.Event()

    def hold(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            refused.set()
            being_set.wait(30)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(deliver, site.open(hold), waiting, AttemptTrigger.RETRY)
        refused.wait(30)
        with site.runtime.database.write() as tx:
            tx.configuration.get(lock=True)
            sealed = seal_api_key(site.runtime, tx, ANOTHER_KEY, site.clock.now())
            tx.configuration.set_api_key(sealed, site.clock.now())
            tx.ledger.note(site.clock.now(), ADMIN, Kind.KEY_SET, {"key_id": sealed.fact.key_id})
            tx.transmissions.make_due(frozenset({State.HELD}), site.clock.now(), AttemptTrigger.CONNECTION_CHANGED)
            being_set.set()
            with pytest.raises(TimeoutError):
                sending.result(0.5)
        sending.result(30)
    assert read_now(site.runtime, read_transmission, waiting).transmission.state is State.HELD
    assert deliver_due(site.runtime) == 1
    assert read_now(site.runtime, read_transmission, waiting).transmission.state is State.SUCCESS
