"""Strangers can fill neither the log nor the memory that counts them, and suppressed lines are counted."""

import logging

import pytest

from telemetry_service.log.events import EVENTS, Event
from telemetry_service.log.lines import line_of
from telemetry_service.log.throttle import KEYS_KNOWN, Throttle
from telemetry_service.log.write import log_event

LIMIT = EVENTS[Event.LOGIN_FAILED].limit


class Glass:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def _written(caplog: pytest.LogCaptureFixture, throttle: Throttle) -> list[dict[str, object]]:
    passed = [line_of(record) for record in caplog.records if throttle.filter(record)]
    caplog.clear()
    return passed


def test_an_address_has_a_limit_of_lines_a_minute_and_the_next_one_counts_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert LIMIT is not None
    glass = Glass()
    throttle = Throttle(glass)
    for _ in range(LIMIT.each + 7):
        log_event(Event.LOGIN_FAILED, address="192.0.2.1", failures=1)
    log_event(Event.LOGIN_FAILED, address="192.0.2.2", failures=1)
    written = _written(caplog, throttle)
    assert [line["address"] for line in written] == ["192.0.2.1"] * LIMIT.each + ["192.0.2.2"]
    assert [line.get("suppressed") for line in written] == [None] * LIMIT.each + [7]
    glass.now += LIMIT.seconds
    log_event(Event.LOGIN_FAILED, address="192.0.2.1", failures=1)
    [again] = _written(caplog, throttle)
    assert "suppressed" not in again


def test_a_thousand_addresses_share_one_bound_and_little_memory(caplog: pytest.LogCaptureFixture) -> None:
    assert LIMIT is not None
    throttle = Throttle(Glass())
    for number in range(3 * KEYS_KNOWN):
        log_event(Event.LOGIN_FAILED, address=f"2001:db8::{number:x}", failures=1)
    assert len(_written(caplog, throttle)) == LIMIT.total
    counts = throttle._counts[Event.LOGIN_FAILED]  # noqa: SLF001 - the memory itself is what is looked at
    assert len(counts.each) <= KEYS_KNOWN


def test_what_has_no_limit_is_always_written(caplog: pytest.LogCaptureFixture) -> None:
    throttle = Throttle(Glass())
    caplog.set_level(logging.INFO)
    for number in range(500):
        log_event(Event.ATTEMPT_STARTED, number=number)
    assert len(_written(caplog, throttle)) == 500


def test_every_event_that_somebody_who_is_not_let_in_can_cause_has_a_limit() -> None:
    theirs = {
        Event.LOGIN_FAILED,
        Event.LOGIN_BLOCKED,
        Event.ACCESS_DENIED,
        Event.SCOPE_MISSING,
        Event.CSRF_REFUSED,
        Event.REQUEST_REFUSED,
        Event.CALL_REFUSED,
        Event.LIBRARY_MESSAGE,
    }
    assert [event for event in theirs if EVENTS[event].limit is None] == []
