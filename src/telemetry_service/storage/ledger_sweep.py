"""Reads the tables for the sweep, which must survive whatever someone has written into a row.

A value that has not the type of its column makes a whole query fail. So rows are then read one by one, and one that
cannot be read is reported as such.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, LargeBinary, Text, cast, select, type_coerce
from sqlalchemy.exc import DataError, DBAPIError, StatementError
from sqlalchemy.types import NullType

from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.transmissions import Attempt, Transmission
from telemetry_service.storage.ledger import LedgerStore, StoredLine, UnreadableLine
from telemetry_service.storage.rows import full_rows
from telemetry_service.storage.tables import EvidenceRow, LedgerHeadRow, LedgerLineRow, TelemetryTransmissionLog
from telemetry_service.storage.tables import LedgerSaltedValue as SaltedRow
from telemetry_service.storage.transmissions import TransmissionStore

BEFORE_ALL = -(2**63)
"""Below every number that a row can have; the ledger's begin at 1."""

_WRONG_TYPE = (RowUnreadableError, ValueError, TypeError, LookupError, AttributeError, OverflowError, DataError)
_NOT_TEXT = "Could not decode to UTF-8"
"""SQLite's driver says so of bytes that are not a text; the error's class is that of any other failure."""

_NO_CHECKPOINT = "unreadable"
"""In place of a checkpoint that cannot be read: no key has signed it."""

Found = TypeVar("Found")


class LedgerSweepStore:
    """Only reads."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection
        self._ledger, self._transmissions = LedgerStore(connection, None), TransmissionStore(connection)

    def checkpoint(self) -> str | None:
        """Return the signed end of what was pruned; None if nothing was."""
        query = select(cast(LedgerHeadRow.checkpoint, Text))
        found = readable(lambda: (self._connection.execute(query).scalar(),))
        checkpoint: object = _NO_CHECKPOINT if found is None else found[0]
        return checkpoint if checkpoint is None or isinstance(checkpoint, str) else _NO_CHECKPOINT

    def lines(self, after: Any, limit: int) -> Sequence[StoredLine | UnreadableLine]:  # noqa: ANN401 - as in a row
        """Return rows with a place above ``after``, oldest first."""
        found = readable(lambda: self._ledger.lines(after, limit))
        if found is not None:
            return found
        seq = type_coerce(LedgerLineRow.seq, NullType)
        places = self._connection.execute(select(seq).where(seq > after).order_by(seq).limit(limit)).scalars().all()
        return [self._line(place) for place in places]

    def sequences(self, after: int | None, limit: int) -> Sequence[int]:
        """Return the numbers of the transmissions above ``after``, oldest first, even those that no row can have."""
        number: Any = type_coerce(TelemetryTransmissionLog.sequence, NullType)
        query = select(number).order_by(number).limit(limit)
        if after is not None:
            query = query.where(number > after)
        return self._connection.execute(query).scalars().all()

    def transmission(self, sequence: int) -> tuple[Transmission, tuple[Attempt, ...]] | None:
        """Return a transmission with its attempts; None if they cannot be read."""
        return readable(lambda: self._complete(self._transmissions.by_sequence(sequence)))

    def transmission_of(self, transmission_id: UUID) -> tuple[Transmission, tuple[Attempt, ...]] | None:
        """Return the same for an ID."""
        return readable(lambda: self._complete(self._transmissions.get(transmission_id)))

    def existing(self, transmission_ids: Collection[UUID]) -> frozenset[UUID]:
        """Return those of ``transmission_ids`` that have a row."""
        row = TelemetryTransmissionLog.transmission_id
        found = self._connection.execute(select(row).where(row.in_(transmission_ids)))
        return frozenset(found[0] for found in full_rows(found))

    def contents(self, digests: Collection[str]) -> dict[str, bytes]:
        """Return what digests name, as far as it is kept: evidence, and salted values."""
        found = self._named(EvidenceRow.sha256, EvidenceRow.content, digests)
        return found | self._named(SaltedRow.sha256, SaltedRow.salted, digests)

    def _line(self, place: Any) -> StoredLine | UnreadableLine:  # noqa: ANN401 - as in a row
        return readable(lambda: self._ledger.line(place)) or UnreadableLine(place)

    def _named(self, digest: Any, content: Any, digests: Collection[str]) -> dict[str, bytes]:  # noqa: ANN401 - columns
        # As bytes, even where someone has put a text: on SQLite, a column may hold anything.
        raw = cast(content, LargeBinary)
        rows = full_rows(self._connection.execute(select(digest, raw).where(digest.in_(digests))))
        return {row[0]: bytes(row[1]) for row in rows}

    def _complete(self, found: Transmission | None) -> tuple[Transmission, tuple[Attempt, ...]] | None:
        return None if found is None else (found, self._transmissions.attempts(found.transmission_id))


def readable(query: Callable[[], Found]) -> Found | None:
    """Return the result of a read; None if it met a value of the wrong type in a row."""
    try:
        return query()
    except _WRONG_TYPE:
        return None
    except StatementError as error:
        if isinstance(error, DBAPIError) and _NOT_TEXT not in str(error.orig):
            raise
        return None
