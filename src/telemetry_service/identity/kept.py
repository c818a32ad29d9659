"""What an issuer publishes: kept for a while, and read again when it is old or lacks something.

Strangers can ask for anything, so it is read at most every ``PAUSE``; until it was read once, every ``FIRST_PAUSE``. If
it cannot be read, what was read last still counts for ``LONGEST``: an issuer that is down for a moment locks no one
out. Only one caller waits while it is read again; the others use what is known.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Lock, Thread
from typing import Generic, TypeVar

from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import IssuerUnavailableError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event

T = TypeVar("T")

FRESH = timedelta(minutes=10)
"""How long it is used without reading it again: the delay until a withdrawn key is refused."""

PAUSE = timedelta(seconds=30)
FIRST_PAUSE = timedelta(seconds=2)
"""As long as nothing is known, no one can log in."""

LONGEST = timedelta(hours=24)


class Kept(Generic[T]):
    """One document of one issuer. Threads may share it."""

    def __init__(self, issuer: str, read: Callable[[], T], clock: Clock, fresh: timedelta = FRESH) -> None:
        """Read nothing yet.

        Args:
            issuer: its name in the log.
            read: may raise ``IssuerUnavailableError``, or ``ValueError`` for a document that is not one.
            clock: the time.
            fresh: how long the document is used without reading it again.
        """
        self._issuer = issuer
        self._read = read
        self._clock = clock
        self._fresh = fresh
        self._lock = Lock()
        self._last: T | None = None
        self._read_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._cause: str | None = None
        """Why it could not be read the last time."""

    @property
    def at_hand(self) -> T | None:
        """The document, if it is used as it is: it is not old, or someone has just tried to read it again."""
        now = self._clock.now()
        fresh = _within(self._read_at, now, self._fresh)
        return self._usable(now) if fresh or self._was_tried(now) else None

    @property
    def known(self) -> T | None:
        """The document, even if it is old, unless it is too old to be used."""
        return self._usable(self._clock.now())

    def get(self, suits: Callable[[T], bool] = lambda _document: True) -> T:
        """Return the document. It is read again if it is old, or if it does not suit; it may still not suit then.

        Raises:
            IssuerUnavailableError: it is not known and cannot be read now.
        """
        document = self.at_hand
        if document is None or not suits(document):
            with self._lock:  # Others wait for the same response instead of asking too.
                document = self._again(suits, self._clock.now())
        return document

    def latest(self) -> T:
        """Return the document without waiting, if it is known; an old one is read again meanwhile.

        Raises:
            IssuerUnavailableError: it is not known and cannot be read now.
        """
        document = self.known
        if document is None:
            return self.get()
        if self.at_hand is None:
            Thread(target=self._read_again, name="issuer", daemon=True).start()
        return document

    def _read_again(self) -> None:
        with suppress(IssuerUnavailableError):
            self.get()

    def _usable(self, now: datetime) -> T | None:
        return self._last if _within(self._read_at, now, LONGEST) else None

    def _was_tried(self, now: datetime) -> bool:
        pause = FIRST_PAUSE if self._usable(now) is None else PAUSE
        return _within(self._tried_at, now, min(pause, self._fresh))

    def _again(self, suits: Callable[[T], bool], now: datetime) -> T:
        document = self.at_hand
        if document is not None and suits(document):
            return document
        if not self._was_tried(now):
            self._tried_at = now
            self._try(now)
        document = self._usable(now)
        if document is None:
            raise IssuerUnavailableError(self._cause)
        return document

    def _try(self, now: datetime) -> None:
        try:
            self._last, self._read_at = self._read(), now
        except IssuerUnavailableError as error:
            self._cause = error.cause
        except ValueError:  # Not JSON, not UTF-8, or another document.
            self._cause = "document_malformed"
        else:
            return
        self._tried_at = self._clock.now()  # Those who waited meanwhile do not each wait once more.
        log_event(Event.ISSUER_UNAVAILABLE, issuer=self._issuer, cause=self._cause)


def _within(since: datetime | None, now: datetime, limit: timedelta) -> bool:
    # A clock that is set back must not prolong anything.
    return since is not None and timedelta(0) <= now - since < limit
