"""The transmission history: newest first, by cursor, with every attempt."""

import re
from dataclasses import dataclass
from uuid import UUID

from telemetry_service.domain.errors import CursorInvalidError, NotFoundError
from telemetry_service.domain.situation import Situation
from telemetry_service.domain.transmission_texts import DescribedTransmission, describe
from telemetry_service.domain.transmissions import Attempt, HistoryFilter, Transmission
from telemetry_service.pipeline.snapshot import Snapshot

_CURSOR = re.compile(r"before-([1-9][0-9]{0,17})\Z")
_NEWER = re.compile(r"after-(0|[1-9][0-9]{0,17})\Z")


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some transmissions, and the cursor of the older ones, or None if these are the oldest."""

    items: tuple[Transmission, ...]
    situation: Situation
    """The situation in which they were read, which their texts depend on."""
    next_cursor: str | None
    newer_cursor: str | None = None
    """The cursor that ``list_newer_transmissions`` takes to go one page back; None if these are the newest."""

    @property
    def transmissions(self) -> tuple[DescribedTransmission, ...]:
        """The transmissions with their texts."""
        return tuple(describe(transmission, self.situation) for transmission in self.items)


@dataclass(frozen=True, slots=True)
class TransmissionDetail(DescribedTransmission):
    """A transmission with its attempts, oldest first."""

    attempts: tuple[Attempt, ...]
    situation: Situation


def list_transmissions(snapshot: Snapshot, filter_: HistoryFilter, cursor: str | None, limit: int) -> HistoryPage:
    """Return up to ``limit`` transmissions.

    Raises:
        CursorInvalidError: the cursor was not made by this service.
    """
    before = _before(cursor)
    found = snapshot.tx.transmissions.page(filter_, before, limit + 1)
    items = found[:limit]
    older = f"before-{items[-1].sequence}" if len(found) > limit else None
    return HistoryPage(items, snapshot.situation, older, None if before is None else f"after-{before - 1}")


def is_newer_cursor(cursor: str) -> bool:
    """Whether a cursor is one of ``list_newer_transmissions``."""
    return _NEWER.match(cursor) is not None


def list_newer_transmissions(snapshot: Snapshot, filter_: HistoryFilter, cursor: str, limit: int) -> HistoryPage:
    """Return the page before the one that gave this ``newer_cursor``.

    If no full page is left, that is the newest one.

    Raises:
        CursorInvalidError: the cursor was not made by this service.
    """
    match = _NEWER.match(cursor)
    if match is None:
        raise CursorInvalidError
    found = snapshot.tx.transmissions.page_after(filter_, int(match[1]), limit + 1)
    if len(found) <= limit:
        return list_transmissions(snapshot, filter_, None, limit)
    items = found[limit - 1 :: -1]
    return HistoryPage(items, snapshot.situation, f"before-{items[-1].sequence}", f"after-{items[0].sequence}")


def read_transmission(snapshot: Snapshot, transmission_id: UUID) -> TransmissionDetail:
    """Return one transmission with its attempts.

    Raises:
        NotFoundError: there is no such transmission.
    """
    transmissions = snapshot.tx.transmissions
    transmission = transmissions.get(transmission_id)
    if transmission is None:
        raise NotFoundError
    texts = describe(transmission, snapshot.situation).texts
    return TransmissionDetail(transmission, texts, transmissions.attempts(transmission_id), snapshot.situation)


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    match = _CURSOR.match(cursor)
    if match is None:
        raise CursorInvalidError
    return int(match[1])
