"""What an issuer publishes is read again without keeping anyone waiting who can do with what is known."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest

from telemetry_service.domain.errors import IssuerUnavailableError
from telemetry_service.identity.kept import FIRST_PAUSE, FRESH, LONGEST, PAUSE, Kept
from tests.support.frozen_clock import FrozenClock

_PATIENCE_SECONDS = 30


class Issuer:
    """Publishes a number that grows, and hangs or fails when told to."""

    def __init__(self) -> None:
        self.read, self.down = 0, False
        self.asked, self.goes_on = Event(), Event()
        self.goes_on.set()

    def __call__(self) -> int:
        self.asked.set()
        assert self.goes_on.wait(_PATIENCE_SECONDS)
        if self.down:
            raise IssuerUnavailableError("down")
        self.read += 1
        return self.read

    def hang(self) -> None:
        self.asked.clear()
        self.goes_on.clear()


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def kept(issuer: Issuer, clock: FrozenClock) -> Kept[int]:
    """A document that was read and is old."""
    document = Kept("test", issuer, clock)
    assert document.get() == 1
    clock.advance(FRESH)
    issuer.hang()
    return document


def test_one_waits_for_a_new_document_and_the_others_use_the_old_one(kept: Kept[int], issuer: Issuer) -> None:
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(kept.get)
        assert issuer.asked.wait(_PATIENCE_SECONDS)
        assert [kept.get(), kept.latest(), kept.at_hand] == [1, 1, 1]
        assert not waits.done()
        issuer.goes_on.set()
        assert waits.result() == 2
    assert kept.get() == 2


def test_no_one_waits_for_the_latest_and_it_is_read_meanwhile(kept: Kept[int], issuer: Issuer) -> None:
    assert [kept.latest() for _ in range(5)] == [1] * 5
    assert issuer.asked.wait(_PATIENCE_SECONDS)
    issuer.goes_on.set()
    assert kept.get(lambda document: document == 2) == 2, "it waits for the reading that has begun"
    assert issuer.read == 2


def test_minor_6_what_was_never_read_is_asked_for_again_soon_and_not_by_each_who_waits(
    issuer: Issuer, clock: FrozenClock
) -> None:
    document = Kept("test", issuer, clock)
    issuer.down = True
    for _ in range(3):
        issuer.asked.clear()
        with pytest.raises(IssuerUnavailableError):
            document.get()
        assert issuer.asked.is_set()
        issuer.asked.clear()
        with pytest.raises(IssuerUnavailableError):
            document.get()
        assert not issuer.asked.is_set()
        clock.advance(FIRST_PAUSE)
    issuer.down = False
    assert document.get() == 1


def test_an_issuer_that_stays_down_is_asked_now_and_then_and_believed_for_a_day(
    kept: Kept[int], issuer: Issuer, clock: FrozenClock
) -> None:
    issuer.down = True
    issuer.goes_on.set()
    for _ in range(3):
        issuer.asked.clear()
        assert [kept.get(), kept.get()] == [1, 1]
        assert issuer.asked.is_set()
        issuer.asked.clear()
        assert kept.latest() == 1
        assert not issuer.asked.is_set()
        clock.advance(PAUSE)
    clock.advance(LONGEST - FRESH - 3 * PAUSE)
    assert kept.known is None
    with pytest.raises(IssuerUnavailableError):
        kept.latest()
    clock.advance(timedelta(minutes=1))
    issuer.down = False
    assert kept.latest() == 2
