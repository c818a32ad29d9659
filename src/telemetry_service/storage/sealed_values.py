"""All columns that hold sealed values, so that they can be sealed again in small steps."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    bindparam,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from telemetry_service.domain.sealed_kind import SealedKind
from telemetry_service.domain.transmissions import State
from telemetry_service.storage.rows import full_rows
from telemetry_service.storage.tables import (
    ApiKeyOverlap,
    Base,
    LedgerKeyRow,
    LedgerVerification,
    TelemetryConfiguration,
    TelemetryTransmissionAttempt,
    TelemetryTransmissionLog,
)
from telemetry_service.storage.upsert import insert


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column that holds sealed values, and the key of its rows."""

    table: type[Base]
    key: str
    sealed: str

    @property
    def key_column(self) -> ColumnElement[Any]:
        """The key of its rows."""
        column: ColumnElement[Any] = self.table.__table__.c[self.key]
        return column

    @property
    def sealed_column(self) -> ColumnElement[bytes]:
        """The column itself."""
        # As bytes, even where someone has put a text: on SQLite, a column may hold anything.
        return cast(self.table.__table__.c[self.sealed], LargeBinary)


COLUMNS = {
    SealedKind.API_KEY: SealedColumn(TelemetryConfiguration, "id", "api_key_sealed"),
    SealedKind.OLD_API_KEY: SealedColumn(ApiKeyOverlap, "id", "sealed"),
    SealedKind.CUSTOMER: SealedColumn(TelemetryTransmissionLog, "transmission_id", "customer_sealed"),
    SealedKind.LEDGER_KEY: SealedColumn(LedgerKeyRow, "key_id", "sealed"),
    SealedKind.VERDICT: SealedColumn(LedgerVerification, "id", "sealed"),
}


def _begins(column: SealedColumn) -> ColumnElement[bool]:
    first = func.substr(column.sealed_column, 1, bindparam("size", type_=Integer))
    return exists().where(first == bindparam("beginning", type_=LargeBinary))


_ANY_BEGINS = select(or_(*map(_begins, COLUMNS.values())))


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A sealed value and the key of its row."""

    key: Any
    sealed: bytes


class SealedValueStore:
    """Finds and replaces sealed values; it can open none."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def any_begins(self, beginning: bytes) -> bool:
        """Whether any value of any kind begins so."""
        return bool(self._connection.execute(_ANY_BEGINS, {"beginning": beginning, "size": len(beginning)}).scalar())

    def some(
        self,
        kind: SealedKind,
        after: Any,  # noqa: ANN401 - the key of any table
        limit: int,
        but: bytes = b"",
        beginning: bytes = b"",
    ) -> tuple[SealedValue, ...]:
        """Return values in rows with a key above ``after``, in the order of keys.

        Only those that do not begin with ``but``, or only those ``beginning`` so.
        """
        column = COLUMNS[kind]
        query = select(column.key_column, column.sealed_column).where(column.sealed_column.is_not(None))
        if but:
            query = query.where(func.substr(column.sealed_column, 1, len(but)) != but)
        if beginning:
            query = query.where(func.substr(column.sealed_column, 1, len(beginning)) == beginning)
        if after is not None:
            query = query.where(column.key_column > after)
        rows = full_rows(self._connection.execute(query.order_by(column.key_column).limit(limit)))
        return tuple(SealedValue(row[0], bytes(row[1])) for row in rows)

    def replace(self, kind: SealedKind, before: SealedValue, sealed: bytes) -> bool:
        """Replace a value; False if someone else has replaced it meanwhile."""
        column = COLUMNS[kind]
        same = (column.key_column == before.key, column.sealed_column == before.sealed)
        return self._connection.execute(update(column.table).where(*same).values({column.sealed: sealed})).rowcount == 1

    def overlap(self) -> bytes | None:
        """Return the sealed API key before the present one."""
        query = select(cast(ApiKeyOverlap.sealed, LargeBinary)).where(ApiKeyOverlap.id == 1)
        return self._connection.execute(query).scalar()

    def keep_overlap(self, sealed: bytes) -> None:
        """Store it."""
        written = insert(self._connection, ApiKeyOverlap).values(id=1, sealed=sealed)
        changed = written.on_conflict_do_update(index_elements=[ApiKeyOverlap.id], set_={"sealed": sealed})
        self._connection.execute(changed)

    def destroy_overlap(self) -> bool:
        """Delete it; False if there is none."""
        return self._connection.execute(delete(ApiKeyOverlap)).rowcount == 1

    def rekey_connection(self, present: bytes, earlier: Iterable[bytes]) -> None:
        """Replace the digests of the present connection under earlier keys, where they are compared with it."""
        attempt, log = TelemetryTransmissionAttempt, TelemetryTransmissionLog
        held = select(log.transmission_id).where(log.state == State.HELD)
        digests = list(earlier)
        stale = (attempt.connection.in_(digests), attempt.transmission_id.in_(held))
        self._connection.execute(update(attempt).where(*stale).values(connection=present))
