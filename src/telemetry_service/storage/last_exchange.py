"""The latest exchanges with the License Server, in one row that retention never touches."""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, func, select, update

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.transmissions import DeliveryRecord, LastExchange
from telemetry_service.storage.rows import filled, readable_rows
from telemetry_service.storage.tables import LastExchangeRow as Row
from telemetry_service.storage.tables import TelemetryTick

_TABLE = Row.__table__


class LastExchangeStore:
    """The row that the health depends on."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def next_sequence(self) -> int:
        """Take the number of a new event, one more than that of the latest.

        It locks the row until the transaction ends, so that the order of numbers is the order of commits. Every
        transaction does this last: see ``pipeline/actions/configure.py`` for the order of locks.
        """
        following = update(Row).values(sequence=Row.sequence + 1).returning(Row.sequence)
        sequence = self._connection.execute(following).scalar()
        if sequence is None:
            raise RowUnreadableError(str(_TABLE.c.sequence))
        return sequence

    def attempted(self, at: datetime, *, ok: bool, cause: Cause | None, accepted: bool = True) -> None:
        """Record the end of an attempt as the latest event.

        ``accepted`` is False if it succeeded and the payload does not count as accepted yet.
        """
        sequence = self.next_sequence()
        values = {"attempt_sequence": sequence, "attempt_at": at, "attempt_ok": ok, "attempt_cause": cause}
        if ok and accepted:
            values |= {"accepted_sequence": sequence, "last_accepted_at": at}
        self._connection.execute(update(Row).values(values))

    def tested(self, at: datetime, *, ok: bool, cause: Cause | None) -> None:
        """Record the result of a connection test as the latest event."""
        values = {"test_sequence": self.next_sequence(), "test_at": at, "test_ok": ok, "test_cause": cause}
        self._connection.execute(update(Row).values(values))

    def tested_typed(self, key_id: str, *, ok: bool, cause: Cause | None) -> None:
        """Record the result of a connection test with an unsaved key."""
        values = {"typed_key_id": key_id, "typed_ok": ok, "typed_cause": cause.value if cause else None}
        self._connection.execute(update(Row).values(values))

    def connection_changed(self) -> None:
        """Record that the API key or the connection changed, so that nothing is known about it yet."""
        self._connection.execute(update(Row).values(connection_sequence=Row.sequence))

    def key_saved(self, key_id: str, at: datetime) -> None:
        """Count a test that was made with this key before it was saved."""
        row = self._connection.execute(select(Row.typed_key_id, Row.typed_ok, Row.typed_cause)).first()
        if row is not None and row.typed_key_id == key_id and row.typed_ok is not None:
            self.tested(at, ok=row.typed_ok, cause=_cause(row.typed_cause))
        self._connection.execute(update(Row).values(typed_key_id=None, typed_ok=None, typed_cause=None))

    def accepted_by(self, now: datetime) -> bool:
        """Whether the latest acceptance was before ``now``. If so, the clock that shows ``now`` is not far behind.

        The License Server refuses messages dated minutes off, so the clock was right when it accepted one.
        """
        noted = next(readable_rows(self._connection.execute(select(Row.last_accepted_at))), (None,))[0]
        return noted is not None and noted <= now

    def record(self) -> DeliveryRecord:
        """Return what is known about past deliveries."""
        row = self._connection.execute(select(_TABLE)).mappings().first()
        if row is None:
            raise RowUnreadableError(str(_TABLE))
        ticks = select(func.min(TelemetryTick.ran_at)).where(
            TelemetryTick.sequence > (row[_TABLE.c.accepted_sequence] or 0)
        )
        first = next(readable_rows(self._connection.execute(ticks)), (None,))
        return delivery_in(row, first[0])


def delivery_in(row: RowMapping, first_tick_since: datetime | None) -> DeliveryRecord:
    """Return the content of a row of the table, alone or joined with others.

    ``first_tick_since`` is the earliest time of a tick that followed the last acceptance in the order of events.
    """
    columns = (_TABLE.c.id, _TABLE.c.sequence, _TABLE.c.connection_sequence)
    filled([row[column] for column in columns], columns)
    attempt, test = _exchange_in(row, "attempt"), _exchange_in(row, "test")
    return DeliveryRecord(
        last_attempt=attempt,
        last_test=test,
        last_accepted_at=_last_accepted_at(row, first_tick_since, attempt, test),
        accepted_sequence=row[_TABLE.c.accepted_sequence],
        connection_sequence=row[_TABLE.c.connection_sequence],
    )


def _last_accepted_at(
    row: RowMapping, first_tick_since: datetime | None, *exchanges: LastExchange | None
) -> datetime | None:
    """Return the latest possible time of the last acceptance.

    If a later event has an earlier time, the clock was ahead when the acceptance was recorded, and the acceptance would
    seem recent for too long.
    """
    noted: datetime | None = row[_TABLE.c.last_accepted_at]
    sequence = row[_TABLE.c.accepted_sequence] or 0
    if noted is None:
        return None
    later = [exchange.at for exchange in exchanges if exchange is not None and exchange.sequence > sequence]
    return min([noted, *later, *([] if first_tick_since is None else [first_tick_since])])


def _cause(typed: str | None) -> Cause | None:
    if typed is not None and typed not in set(Cause):
        raise RowUnreadableError(str(_TABLE.c.typed_cause))
    return Cause(typed) if typed else None


def _exchange_in(row: RowMapping, kind: str) -> LastExchange | None:
    sequence, at, ok, cause = (row[_TABLE.c[f"{kind}_{name}"]] for name in ("sequence", "at", "ok", "cause"))
    if sequence is None or at is None or ok is None:
        return None
    return LastExchange(at, ok, cause, sequence)
