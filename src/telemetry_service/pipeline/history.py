"""The transmission history: newest first, by cursor, with every attempt."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from telemetry_service.domain.activity import Action
from telemetry_service.domain.errors import CursorInvalidError, NotFoundError
from telemetry_service.domain.transmissions import Attempt, Transmission
from telemetry_service.pipeline.installation import Installation
from telemetry_service.storage.transmissions import HistoryFilter

__all__ = [
    "HistoryFilter",
    "HistoryPage",
    "TransmissionDetail",
    "export_transmissions",
    "list_transmissions",
    "read_transmission",
]

_CURSOR = re.compile(r"before-([1-9][0-9]{0,17})\Z")
_EXPORT_STEP = 500


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some transmissions, and the cursor of the older ones, or None where these are the oldest."""

    items: tuple[Transmission, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class TransmissionDetail:
    """A transmission with its attempts, first one first."""

    transmission: Transmission
    attempts: tuple[Attempt, ...]


def list_transmissions(
    installation: Installation, filter_: HistoryFilter, cursor: str | None, limit: int
) -> HistoryPage:
    """Return up to ``limit`` transmissions; raises :class:`CursorInvalidError`."""
    before = _before(cursor)
    with installation.database.read() as tx:
        found = tx.transmissions.page(filter_, before, limit + 1)
    items = found[:limit]
    return HistoryPage(items, f"before-{items[-1].sequence}" if len(found) > limit else None)


def read_transmission(installation: Installation, transmission_id: UUID) -> TransmissionDetail:
    """Return one transmission with its attempts; raises :class:`NotFoundError`."""
    with installation.database.read() as tx:
        transmission = tx.transmissions.get(transmission_id)
        if transmission is None:
            raise NotFoundError
        return TransmissionDetail(transmission, tx.transmissions.attempts(transmission_id))


def export_transmissions(installation: Installation, filter_: HistoryFilter, actor: str) -> Iterator[Transmission]:
    """Yield all transmissions of the filtered history, newest first, without holding them all at once."""
    with installation.database.write() as tx:
        tx.activity.note(installation.clock.now(), actor, Action.EXPORTED)
    return _each(installation, filter_)


def _each(installation: Installation, filter_: HistoryFilter) -> Iterator[Transmission]:
    before: int | None = None
    while True:
        with installation.database.read() as tx:
            found = tx.transmissions.page(filter_, before, _EXPORT_STEP)
        yield from found
        if len(found) < _EXPORT_STEP:
            return
        before = found[-1].sequence


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    match = _CURSOR.match(cursor)
    if match is None:
        raise CursorInvalidError
    return int(match[1])
