"""What can come of an attempt, as a closed type, and how long a passing fault is waited out."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.causes import EXPLANATIONS, Cause
from telemetry_service.domain.outcome import (
    Accepted,
    Held,
    Outcome,
    Rejected,
    Retrying,
    RetryPolicy,
    may_have_arrived,
    outcome_of_status,
    request_written,
)
from telemetry_service.domain.transmissions import FAILED_STATES, State, Status, cause_of, state_after, status_of
from tests.support.each import each

RETRYING = {408, 425, 429, *range(500, 600)}
HELD = {401, 403}
REJECTED = {400, 404, 405, 411, 413, 415, 422}
POLICY = RetryPolicy()
MINUTE, SIX_HOURS = timedelta(minutes=1), timedelta(hours=6)


@each("status", range(100, 600))
def test_every_status_that_is_no_acceptance_has_one_meaning(status: int) -> None:
    outcome = outcome_of_status(status)
    expected: type[Outcome] = Retrying if status in RETRYING else Held if status in HELD else Rejected
    assert isinstance(outcome, expected)
    assert outcome.response_code == status
    assert outcome.cause in EXPLANATIONS


@each(
    ("status", "cause"),
    [
        (401, Cause.API_KEY_NOT_ACCEPTED),
        (403, Cause.FORBIDDEN),
        (408, Cause.BUSY),
        (409, Cause.ID_CONFLICT),
        (425, Cause.BUSY),
        (429, Cause.BUSY),
        (503, Cause.BUSY),
        *((status, Cause.SERVER_ERROR) for status in (500, 501, 502, 504, 505, 507, 511, 520, 529, 599, 600)),
        *((status, Cause.PAYLOAD_REFUSED) for status in (400, 411, 413, 415, 422)),
        *((status, Cause.NOT_FOUND) for status in (404, 405)),
        *((status, Cause.REDIRECTED) for status in (300, 301, 302, 303, 307, 308, 399)),
        *((status, Cause.UNEXPECTED_STATUS) for status in (299, 402, 410, 418)),
    ],
)
def test_a_status_names_its_cause(status: int, cause: Cause) -> None:
    assert outcome_of_status(status).cause is cause


def test_the_wish_to_be_tried_again_later_is_kept_only_where_it_is_tried_again() -> None:
    wish = timedelta(seconds=90)
    assert outcome_of_status(503, wish) == Retrying(Cause.BUSY, 503, wish)
    assert outcome_of_status(529, wish) == Retrying(Cause.SERVER_ERROR, 529, wish)
    assert outcome_of_status(422, wish) == Rejected(Cause.PAYLOAD_REFUSED, 422)


def test_no_server_is_said_to_have_asked_for_a_pause_without_evidence() -> None:
    """A plain 503 asks for nothing."""
    assert "asked" not in EXPLANATIONS[Cause.BUSY].sentence


@each("cause", Cause)
def test_every_cause_has_a_sentence_a_next_step_and_somebody_who_can_take_it(cause: Cause) -> None:
    explanation = EXPLANATIONS[cause]
    assert explanation.sentence.endswith(".")
    assert explanation.next_step.endswith(".")
    assert explanation.owner


@pytest.mark.parametrize(
    ("outcome", "state", "status"),
    [
        (Accepted(200, duplicate=False), State.SUCCESS, Status.SUCCESS),
        (Retrying(Cause.BUSY), State.RETRYING, Status.FAILED),
        (Held(Cause.FORBIDDEN), State.HELD, Status.FAILED),
        (Rejected(Cause.NOT_FOUND), State.REJECTED, Status.FAILED),
    ],
)
def test_every_outcome_leads_to_a_state_and_the_guide_shows_two_words(
    outcome: Outcome, state: State, status: Status
) -> None:
    assert state_after(outcome) is state
    assert status_of(state) is status
    assert (state in FAILED_STATES) == (status is Status.FAILED)
    assert cause_of(outcome) is (None if isinstance(outcome, Accepted) else outcome.cause)


def test_what_was_never_tried_is_pending() -> None:
    assert status_of(State.PENDING) is Status.PENDING


@given(st.integers(-5, 10_000), st.integers())
def test_the_back_off_stays_between_a_minute_and_six_hours(attempts: int, seed: int) -> None:
    delay = POLICY.delay(attempts, None, Random(seed))  # noqa: S311 - jitter
    assert MINUTE <= delay <= SIX_HOURS


@given(st.integers(1, 12), st.integers())
def test_the_back_off_doubles_and_takes_at_most_a_half_off(attempts: int, seed: int) -> None:
    delay = POLICY.delay(attempts, None, Random(seed))  # noqa: S311 - jitter
    ceiling = min(MINUTE * 2 ** (attempts - 1), SIX_HOURS)
    assert max(MINUTE, ceiling / 2) <= delay <= ceiling


def test_installations_that_failed_together_do_not_come_back_together() -> None:
    delays = {POLICY.delay(8, None, Random(seed)) for seed in range(50)}  # noqa: S311 - jitter
    assert len(delays) == 50


@given(st.integers(1, 30), st.timedeltas(timedelta(days=-9_999), timedelta(days=99_999)))
def test_the_license_servers_wish_is_obeyed_within_the_same_bounds(attempts: int, wish: timedelta) -> None:
    delay = POLICY.delay(attempts, wish, Random(0))  # noqa: S311 - jitter
    assert delay == min(max(wish, MINUTE), SIX_HOURS)


LOCAL = {
    Cause.NAME_NOT_RESOLVED,
    Cause.CONNECTION_REFUSED,
    Cause.CONNECTION_FAILED,
    Cause.PROXY_NOT_RESOLVED,
    Cause.PROXY_UNREACHABLE,
    Cause.PROXY_LOGIN_REFUSED,
    Cause.PROXY_FAILED,
    Cause.TLS_FAILED,
    Cause.TLS_VERSION,
    Cause.CERTIFICATE_EXPIRED,
    Cause.CERTIFICATE_WRONG_HOST,
    Cause.CERTIFICATE_UNTRUSTED,
    Cause.PAYLOAD_INVALID,
    Cause.PAYLOAD_CHANGED,
    Cause.FROM_BACKUP,
}


@each("cause", Cause)
def test_whether_a_request_was_written_is_known_from_the_cause_unless_it_cannot_be(cause: Cause) -> None:
    """A cause that only a status leads to is known by its status."""
    responded = cause in {Cause.RESPONSE_MALFORMED, Cause.RESPONSE_TOO_LARGE}
    expected = False if cause in LOCAL else True if responded else None
    assert request_written(cause, None) is expected
    assert may_have_arrived(cause, None) is (cause not in LOCAL)


@each("status", range(100, 600))
def test_nothing_has_arrived_after_an_explicit_refusal_and_may_have_after_any_other_response(status: int) -> None:
    cause = outcome_of_status(status).cause
    assert request_written(cause, status) is True
    assert may_have_arrived(cause, status) is (status not in {400, 401, 403, 413, 415, 422})


def test_of_an_attempt_that_is_under_way_nothing_is_known_and_an_accepted_one_has_arrived() -> None:
    assert (request_written(None, None), may_have_arrived(None, None)) == (None, True)
    assert (request_written(None, 200), may_have_arrived(None, 200)) == (True, True)
