"""Claims as leases, and the last exchange."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

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
    customer_id_to_send,
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


OLD_KEY, PRESENT_KEY = "0" * 16, "1" * 16
PREPARED, OTHER, PRESENT = "anon_" + "a" * 64, "anon_" + "b" * 64, "anon_" + "c" * 64


def attempt(cause: Cause | None, code: int | None = None, *, named: str = PREPARED, key_id: str = OLD_KEY) -> Attempt:
    """Return an attempt of which these things matter; None is the cause of one whose fate is not known yet."""
    return Attempt(
        number=1,
        trigger=AttemptTrigger.TICK,
        started_at=NOW,
        finished_at=NOW,
        transmitted_at="",
        customer_id=named,
        timestamp=0,
        payload_sha256="",
        body_sha256="",
        body_bytes=0,
        encrypted=False,
        iv=None,
        key_id=key_id,
        state=State.PENDING,
        cause=cause,
        response_code=code,
        duplicate=False,
        duration_ms=None,
    )


NOT_ACCEPTED = attempt(Cause.API_KEY_NOT_ACCEPTED, 401)
FORBIDDEN = attempt(Cause.FORBIDDEN, 403)
LOST = attempt(Cause.CONNECTION_LOST)
REFUSED = attempt(Cause.CONNECTION_REFUSED, named=OTHER)


@each(
    ("earlier", "sent"),
    [
        ([], PRESENT),
        ([NOT_ACCEPTED], PRESENT),
        ([NOT_ACCEPTED, FORBIDDEN], PRESENT),
        ([REFUSED], PRESENT),
        ([attempt(Cause.CERTIFICATE_UNTRUSTED), attempt(Cause.PAYLOAD_REFUSED, 422)], PRESENT),
        ([LOST], PREPARED),
        ([LOST, REFUSED], PREPARED),
        ([attempt(None)], PREPARED),
        ([LOST, NOT_ACCEPTED], PREPARED),
        ([LOST, FORBIDDEN], PREPARED),
        ([LOST, attempt(Cause.API_KEY_NOT_ACCEPTED, 401, key_id=PRESENT_KEY)], PREPARED),
        ([LOST, attempt(Cause.FORBIDDEN, 403, key_id=PRESENT_KEY)], PRESENT),
        ([LOST, attempt(Cause.FORBIDDEN, 403, key_id=PRESENT_KEY), LOST], PREPARED),
        ([LOST, attempt(Cause.INTERRUPTED, named=OTHER)], OTHER),
        ([attempt(Cause.INTERRUPTED, named=OTHER), NOT_ACCEPTED], OTHER),
    ],
)
def test_a_pseudonym_follows_the_key_unless_it_may_have_arrived_as_it_was(earlier: list[Attempt], sent: str) -> None:
    for anonymize in (True, False):
        assert customer_id_to_send(PREPARED, earlier, PRESENT_KEY, PRESENT, anonymize=anonymize) == sent


CLEAR = "cus_Nq4Rz7WkX2"


@pytest.mark.parametrize("cause", [None, Cause.API_KEY_NOT_ACCEPTED, Cause.CONNECTION_LOST])
def test_without_anonymization_a_customer_id_in_clear_is_sent_as_it_was_prepared(cause: Cause | None) -> None:
    assert customer_id_to_send(CLEAR, [], PRESENT_KEY, PRESENT, anonymize=False) == CLEAR
    earlier = [attempt(cause, named=CLEAR)]
    assert customer_id_to_send(CLEAR, earlier, PRESENT_KEY, PRESENT, anonymize=False) == CLEAR


@pytest.mark.parametrize(
    ("earlier", "sent"),
    [([LOST], PREPARED), ([LOST, REFUSED], PREPARED), ([attempt(None)], PREPARED), ([NOT_ACCEPTED], PRESENT)],
)
def test_what_was_tried_under_a_pseudonym_never_leaves_in_clear_though_anonymization_is_off_again(
    earlier: list[Attempt], sent: str
) -> None:
    assert customer_id_to_send(CLEAR, earlier, PRESENT_KEY, PRESENT, anonymize=False) == sent


def test_a_payload_prepared_in_clear_leaves_under_the_pseudonym_unless_it_may_have_arrived_in_clear() -> None:
    assert customer_id_to_send(CLEAR, [], PRESENT_KEY, PRESENT, anonymize=True) == PRESENT
    lost = attempt(Cause.CONNECTION_LOST, named=CLEAR)
    assert customer_id_to_send(CLEAR, [lost], PRESENT_KEY, PRESENT, anonymize=True) == CLEAR
