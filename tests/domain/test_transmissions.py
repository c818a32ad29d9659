"""Claims as leases, and the latest contact."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from telemetry_service.domain.outcome import Cause
from telemetry_service.domain.transmissions import (
    LEASE,
    LONGEST_CLAIM,
    Contact,
    DeliveryRecord,
    State,
    Status,
    Transmission,
    Trigger,
)

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
    payload=b"{}",
    records_sent=0,
    created_at=NOW,
    next_attempt_at=NOW,
    claimed_until=None,
    attempts_made=0,
    accepted_at=None,
    cause=None,
    response_code=None,
    receipt=None,
    receipt_verified=None,
    last_attempt_at=None,
    last_duration_ms=None,
)


@pytest.mark.parametrize(
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
    in_flight: bool,  # noqa: FBT001 - the expected answer
) -> None:
    assert replace(TRANSMISSION, claimed_until=until, state=state).in_flight(NOW) is in_flight


def test_a_lease_outlasts_the_deadline_of_an_exchange_several_times() -> None:
    assert timedelta(seconds=60) <= LEASE < LONGEST_CLAIM


def test_the_status_of_a_transmission_is_the_guides_word_for_its_state() -> None:
    assert TRANSMISSION.status is Status.PENDING
    assert replace(TRANSMISSION, state=State.HELD).status is Status.FAILED


def test_the_latest_contact_is_the_later_of_attempt_and_test() -> None:
    early, late = Contact(NOW, ok=True, cause=None), Contact(NOW + SECOND, ok=False, cause=Cause.BUSY)
    assert DeliveryRecord(0, early, late, None).latest_contact == late
    assert DeliveryRecord(0, late, early, None).latest_contact == late
    assert DeliveryRecord(0, None, early, None).latest_contact == early
    assert DeliveryRecord(0, None, None, None).latest_contact is None
