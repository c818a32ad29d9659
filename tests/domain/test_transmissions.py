"""Claims as leases, and the last exchange."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.transmissions import (
    LEASE,
    LONGEST_CLAIM,
    Attempt,
    AttemptTrigger,
    DeliveryRecord,
    LastExchange,
    State,
    Status,
    Transmission,
    Trigger,
    nothing_can_have_arrived,
)
from tests.support.each import each

NOW = datetime(2026, 11, 15, 2, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TRANSMISSION = Transmission(
    transmission_id=UUID(int=1),
    sequence=1,
    period_id=1,
    period_opened_at=NOW,
    period_closed_at=NOW,
    trigger=Trigger.SCHEDULED,
    state=State.PENDING,
    prepared_sha256="0" * 64,
    records_sent=0,
    created_at=NOW,
    next_attempt_at=NOW,
    claimed_until=None,
    attempts_made=0,
    accepted_at=None,
    withdrawn_at=None,
    cause=None,
    response_code=None,
    receipt=None,
    last_attempt_at=None,
    last_duration_ms=None,
)


@each(
    ("until", "state", "in_flight"),
    [
        (None, State.PENDING, False),
        (NOW + LEASE, State.PENDING, True),
        (NOW + LEASE, State.RETRYING, True),
        (NOW + SECOND, State.HELD, True),
        (NOW, State.PENDING, False),
        (NOW - SECOND, State.PENDING, False),
        (NOW + LEASE, State.SUCCESS, False),
        (NOW + LONGEST_CLAIM, State.PENDING, True),
        (NOW + LONGEST_CLAIM + SECOND, State.PENDING, False),
    ],
)
def test_a_transmission_is_being_sent_as_long_as_its_lease_lasts(
    until: datetime | None,
    state: State,
    in_flight: bool,  # noqa: FBT001 - the expected result
) -> None:
    assert replace(TRANSMISSION, claimed_until=until, state=state).in_flight(NOW) is in_flight


def test_a_lease_outlasts_the_deadline_of_an_exchange_several_times() -> None:
    assert timedelta(seconds=60) <= LEASE < LONGEST_CLAIM


def test_the_status_of_a_transmission_is_the_guides_word_for_its_state() -> None:
    assert TRANSMISSION.status is Status.PENDING
    assert replace(TRANSMISSION, state=State.HELD).status is Status.FAILED


def test_the_last_exchange_is_the_later_of_attempt_and_test_whatever_the_clock_said() -> None:
    early = LastExchange(NOW + SECOND, ok=True, cause=None, sequence=1)
    late = LastExchange(NOW, ok=False, cause=Cause.BUSY, sequence=2)
    assert DeliveryRecord(early, late, None).last_exchange == late
    assert DeliveryRecord(late, early, None).last_exchange == late
    assert DeliveryRecord(None, early, None).last_exchange == early
    assert DeliveryRecord(None, None, None).last_exchange is None


def attempt(cause: Cause | None, code: int | None = None) -> Attempt:
    """Return an attempt of which these things matter; None is the cause of one whose fate is not known yet."""
    return Attempt(
        number=1,
        trigger=AttemptTrigger.TICK,
        started_at=NOW,
        finished_at=NOW,
        transmitted_at="",
        timestamp=0,
        payload_sha256="",
        body_sha256="",
        body_bytes=0,
        encrypted=False,
        key_id="",
        state=State.PENDING,
        cause=cause,
        response_code=code,
        duplicate=False,
        duration_ms=None,
    )


NOT_ACCEPTED = attempt(Cause.API_KEY_NOT_ACCEPTED, 401)
FORBIDDEN = attempt(Cause.FORBIDDEN, 403)
LOST = attempt(Cause.CONNECTION_LOST)
REFUSED = attempt(Cause.CONNECTION_REFUSED)


@each(
    ("earlier", "nothing"),
    [
        ([], True),
        ([NOT_ACCEPTED], True),
        ([NOT_ACCEPTED, FORBIDDEN], True),
        ([REFUSED], True),
        ([attempt(Cause.CERTIFICATE_UNTRUSTED), attempt(Cause.PAYLOAD_REFUSED, 422)], True),
        ([attempt(Cause.PAYLOAD_CHANGED)], True),
        ([LOST], False),
        ([LOST, REFUSED], False),
        ([attempt(None)], False),
        ([LOST, NOT_ACCEPTED], False),
        ([LOST, FORBIDDEN], False),
        ([attempt(Cause.INTERRUPTED), NOT_ACCEPTED], False),
        ([attempt(Cause.SERVER_ERROR, 500)], False),
        ([attempt(Cause.RESPONSE_MALFORMED)], False),
        ([attempt(None, 200)], False),
    ],
)
def test_a_payload_may_change_as_long_as_no_attempt_can_have_brought_it_there(
    earlier: list[Attempt],
    nothing: bool,  # noqa: FBT001 - the expected result
) -> None:
    assert nothing_can_have_arrived(earlier) is nothing
