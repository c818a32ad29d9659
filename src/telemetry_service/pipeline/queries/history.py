"""The transmission history: newest first, by cursor, with every attempt."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from telemetry_service.domain.errors import CursorInvalidError, NotFoundError
from telemetry_service.domain.payload_schemas.difference import Change
from telemetry_service.domain.situation import Situation
from telemetry_service.domain.transmission_texts import DescribedTransmission, describe, texts_about
from telemetry_service.domain.transmissions import Attempt, HistoryFilter, State, Transmission, UnreadableTransmission
from telemetry_service.pipeline.queries.receipts import verified_receipt, verified_receipts
from telemetry_service.pipeline.queries.release import read_changes
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.transmission_check import digests_of
from telemetry_service.storage.ledger_sweep import readable

CURSOR_PATTERN = "^(before-[1-9][0-9]{0,17}|changed-(0|[1-9][0-9]{0,17}))$"
_CURSOR = re.compile("^before-([1-9][0-9]{0,17})$")
_CHANGED = re.compile("^changed-(0|[1-9][0-9]{0,17})$")
_ATTEMPTS = "telemetry_transmission_attempts"
_NEWER = re.compile(r"after-(0|[1-9][0-9]{0,17})\Z")


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some transmissions, and the cursor of the older ones, or None if these are the oldest."""

    found: tuple[Transmission | UnreadableTransmission, ...]
    situation: Situation
    """The situation in which they were read, which their texts depend on."""
    receipts: Mapping[UUID, bool]
    next_cursor: str | None
    updates_cursor: str | None = None
    """The cursor of what changes after this page; None if the page was not asked for by changes."""
    newer_cursor: str | None = None
    """The cursor that ``list_newer_transmissions`` takes to go one page back; None if these are the newest."""

    @property
    def items(self) -> tuple[Transmission, ...]:
        """The transmissions that can be read."""
        return tuple(it for it in self.found if isinstance(it, Transmission))

    @property
    def unreadable(self) -> tuple[UnreadableTransmission, ...]:
        """Those that cannot be read."""
        return tuple(it for it in self.found if isinstance(it, UnreadableTransmission))

    @property
    def transmissions(self) -> tuple[DescribedTransmission, ...]:
        """The transmissions with their texts."""
        return tuple(describe(transmission, self.situation, self.receipts) for transmission in self.items)


@dataclass(frozen=True, slots=True)
class TransmissionDetail(DescribedTransmission):
    """A transmission with its attempts, oldest first."""

    attempts: tuple[Attempt, ...]
    situation: Situation
    payload: bytes | None
    """As stored, without ``transmitted_at``; None if it is gone."""
    changes: tuple[Change, ...]
    """What is new in a payload that waits for its release, field by field."""
    replayed: bool = False
    """Whether it was created by an earlier call with the same Idempotency-Key."""
    key_in_use: bool = False
    """Whether that call is still sending it."""
    accepted_before: bool = False
    """Whether it was to be sent again, and was not, because it was accepted already."""
    contents: Mapping[str, bytes] | None = field(default=None, repr=False)
    """All bytes that it names, by their digests; None if they were not asked for."""

    @property
    def waits_to_leave(self) -> bool:
        """Whether it was prepared only: it leaves once it is released, or with the next bundle."""
        state = self.transmission.state
        return state is State.AWAITING_RELEASE or (state is State.PENDING and self.situation.setup.in_bundles)


def list_transmissions(snapshot: Snapshot, filter_: HistoryFilter, cursor: str | None, limit: int) -> HistoryPage:
    """Return up to ``limit`` transmissions.

    Raises:
        CursorInvalidError: the cursor was not made by this service.
    """
    before = _before(cursor)
    found = snapshot.tx.transmissions.page(filter_, before, limit + 1)
    older = f"before-{found[limit - 1].sequence}" if len(found) > limit else None
    return _page(snapshot, found[:limit], older, None if before is None else f"after-{before - 1}")


def is_change_cursor(cursor: str) -> bool:
    """Whether a cursor is one of ``list_changed_transmissions``."""
    return _CHANGED.fullmatch(cursor) is not None


def list_changed_transmissions(
    snapshot: Snapshot, filter_: HistoryFilter, since: datetime | None, cursor: str | None, limit: int
) -> HistoryPage:
    """Return up to ``limit`` transmissions that have changed since a time, or after a cursor, the first change first.

    The ledger has an entry for each change, in the order of their commits. So a page misses nothing that an earlier
    page could not see yet, whatever the clock shows; and what changes again is found again.

    Raises:
        CursorInvalidError: the cursor was not made by this service.
    """
    after = _changes_after(snapshot, since, cursor)
    found = snapshot.tx.transmissions.changed_page(filter_, after, limit + 1)
    shown = found[:limit]
    last = shown[-1].changed_in if shown else max(after, 0)
    page = _page(snapshot, tuple(it.row for it in shown), f"changed-{last}" if len(found) > limit else None, None)
    return replace(page, updates_cursor=f"changed-{last}")


def _changes_after(snapshot: Snapshot, since: datetime | None, cursor: str | None) -> int:
    """Return the last entry that is not asked for."""
    if cursor is None:
        return -1 if since is None else snapshot.tx.ledger.last_before(since)
    match = _CHANGED.fullmatch(cursor)
    if match is None:
        raise CursorInvalidError
    return int(match[1])


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
    shown = found[limit - 1 :: -1]
    return _page(snapshot, shown, f"before-{shown[-1].sequence}", f"after-{shown[0].sequence}")


def _page(
    snapshot: Snapshot, shown: tuple[Transmission | UnreadableTransmission, ...], older: str | None, newer: str | None
) -> HistoryPage:
    receipts = verified_receipts(snapshot, [it for it in shown if isinstance(it, Transmission)])
    return HistoryPage(shown, snapshot.situation, receipts, next_cursor=older, newer_cursor=newer)


def read_transmission(
    snapshot: Snapshot, transmission_id: UUID, found: Transmission | None = None, *, with_bytes: bool = False
) -> TransmissionDetail:
    """Return one transmission with its attempts; ``found`` is the transmission, if the caller has read it.

    With ``with_bytes``, all bytes that it names are read with it, for ``prove``.

    Raises:
        NotFoundError: there is no such transmission.
    """
    transmissions = snapshot.tx.transmissions
    transmission = found or transmissions.get(transmission_id)
    if transmission is None:
        raise NotFoundError
    attempts = transmissions.attempts(transmission_id)
    prepared = transmission.prepared_sha256
    digests = digests_of(transmission, attempts) if with_bytes else {prepared}
    kept = snapshot.tx.evidence.of(transmission_id, digests)
    receipt = verified_receipt(snapshot, transmission, attempts)
    detail = _detail(snapshot, transmission, attempts, kept.get(prepared), receipt)
    return replace(detail, contents=kept) if with_bytes else detail


def read_details(
    snapshot: Snapshot, found: Sequence[Transmission | UnreadableTransmission]
) -> Iterator[TransmissionDetail | UnreadableTransmission]:
    """Yield each of these transmissions with its payload and attempts, which are read at once for all of them."""
    read = [it for it in found if isinstance(it, Transmission)]
    attempts = readable(lambda: snapshot.tx.transmissions.attempts_of([it.transmission_id for it in read]))
    payloads = snapshot.tx.evidence.of_each({it.transmission_id: it.prepared_sha256 for it in read})
    receipts = verified_receipts(snapshot, read)
    for it in found:
        if isinstance(it, UnreadableTransmission):
            yield it
        elif attempts is None:  # Someone has written into one of them: which one is found one by one.
            detail = readable(partial(read_transmission, snapshot, it.transmission_id))
            yield detail or UnreadableTransmission(it.sequence, it.transmission_id, _ATTEMPTS)
        else:
            known = attempts.get(it.transmission_id, ())
            yield _detail(snapshot, it, known, payloads.get(it.transmission_id), receipts.get(it.transmission_id))


def _detail(
    snapshot: Snapshot,
    transmission: Transmission,
    attempts: tuple[Attempt, ...],
    payload: bytes | None,
    receipt: bool | None,  # noqa: FBT001 - a value that is shown
) -> TransmissionDetail:
    texts, changes = texts_about(transmission, snapshot.situation), read_changes(snapshot, transmission)
    return TransmissionDetail(transmission, texts, receipt, attempts, snapshot.situation, payload, changes)


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise CursorInvalidError
    return int(match[1])
