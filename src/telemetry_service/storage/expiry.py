"""Finds what is older than the retention by index, and deletes a limited number of rows at a time.

The cost of a step depends only on the rows that it deletes, not on how many others there are or were. So each statement
is limited to one table and a range of one of its keys, and each kind of row continues where it stopped: PostgreSQL
scans deleted index entries until they are vacuumed. Children are deleted with or before their parents, so that a crash
between two steps leaves no orphans.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    union_all,
)

from telemetry_service.domain.clock import EARLIEST
from telemetry_service.domain.facts import Environment
from telemetry_service.domain.transmissions import FINAL_STATES, State
from telemetry_service.storage.declaration import Mapped
from telemetry_service.storage.tables import (
    EvidenceRow,
    ReportingPeriod,
    TelemetryTick,
    TelemetryTransmissionAttempt,
    TelemetryTransmissionLog,
    UsageCounter,
    UsageReportId,
)

WAITING = tuple(state for state in State if state not in FINAL_STATES)
"""Every other transmission is accepted or withdrawn. If the query asked for those, SQLite would use the index on the
state, which nearly all transmissions share, instead of the one on their age."""

_PERIODS = 100
"""Periods that a step examines at a time: usually fewer are old."""

_Conditions = tuple[ColumnElement[bool], ...]
_Time: TypeAlias = datetime | BindParameter[Any]
_Day: TypeAlias = int | BindParameter[Any]
"""A value, or the place of one in a statement that is built once."""

_THE_BEGINNING = datetime.min.replace(tzinfo=UTC)

_DELETE_IDS = {
    "sqlite": text(
        "DELETE FROM usage_report_ids WHERE report_id IN (SELECT report_id FROM usage_report_ids"
        " WHERE received_on >= :since AND received_on < :until ORDER BY received_on LIMIT :rows)"
    ),
    # By row ID: looking each ID up again costs ten times as much.
    "postgresql": text(
        "DELETE FROM usage_report_ids WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_report_ids"
        " WHERE received_on >= :since AND received_on < :until ORDER BY received_on LIMIT :rows))"
    ),
}


def _old_report_ids(since: _Day, until: _Day) -> _Conditions:
    day = UsageReportId.received_on
    return day >= since, day < until


_ENDS = (TelemetryTransmissionLog.accepted_at, TelemetryTransmissionLog.withdrawn_at)
"""When a transmission ended; each has one of them."""


def _old_transmissions(ended: Mapped[datetime | None], since: _Time, cutoff: _Time) -> _Conditions:
    return ended >= since, ended < cutoff, TelemetryTransmissionLog.state.not_in(WAITING)


def _old_periods(since: _Time, cutoff: _Time) -> _Conditions:
    row = ReportingPeriod
    return row.is_open.is_(false()), row.closed_at >= since, row.closed_at < cutoff


def _old_ticks(since: _Time, cutoff: _Time) -> _Conditions:
    return TelemetryTick.ran_at >= since, TelemetryTick.ran_at < cutoff


def count_expired(connection: Connection, cutoff: datetime, most: int) -> int:
    """Return how many rows a ``Sweep`` would delete; counting ends at ``most``.

    Rows dated by a clock that was not set do not count: a purge dates them again first.
    """
    days = {"since_day": EARLIEST.toordinal(), "cutoff_day": cutoff.toordinal()}
    found: int = connection.execute(
        _counted(), {"since": EARLIEST, "cutoff": cutoff, "most": most, **days}
    ).scalar_one()
    return found


@cache
def _counted() -> Select[Any]:
    """Count the rows to delete; building this takes longer than running it."""
    most = bindparam("most", type_=Integer)
    rows = union_all(*(select(literal(1)).select_from(query.limit(most).subquery()) for query in _expired()))
    return select(func.count()).select_from(rows.limit(most).subquery())


def _expired() -> tuple[Select[Any], ...]:
    """Select a row for each one to delete, kind by kind."""
    since: _Time = bindparam("since")
    cutoff: _Time = bindparam("cutoff")
    log, attempt, period, counter = (
        TelemetryTransmissionLog,
        TelemetryTransmissionAttempt,
        ReportingPeriod,
        UsageCounter,
    )
    day = UsageReportId.received_on
    transmissions = [select(log.sequence).where(*_old_transmissions(ended, since, cutoff)) for ended in _ENDS]
    # By the time a sweep gets to the periods, it has deleted the transmissions.
    kept = and_(log.period_id == period.id, or_(log.state.in_(WAITING), *(ended >= cutoff for ended in _ENDS)))
    periods = select(period.id).where(*_old_periods(since, cutoff), ~exists().where(kept))
    return (
        # In the order of the index, so that the index is used.
        select(day).where(*_old_report_ids(bindparam("since_day"), bindparam("cutoff_day"))).order_by(day),
        *transmissions,
        *(each.join(attempt, attempt.transmission_id == log.transmission_id) for each in transmissions),
        periods,
        periods.join(counter, counter.period_id == period.id),
        select(TelemetryTick.ran_at).where(*_old_ticks(since, cutoff)),
    )


class Sweep:
    """One purge of everything older than ``cutoff``, step by step."""

    def __init__(self, cutoff: datetime) -> None:
        """Start at the first kind of row; nothing is read yet."""
        ended = [_Transmissions(column, cutoff) for column in _ENDS]
        self._kinds: list[_Kind] = [_ReportIds(cutoff), *ended, _Periods(cutoff), _Ticks(cutoff)]

    def step(self, connection: Connection, rows: int) -> int:
        """Delete up to ``rows`` rows in the transaction of ``connection``; return how many, 0 when none are left."""
        prefer_indexes(connection)
        while self._kinds:
            if deleted := self._kinds[0].step(connection, rows):
                return deleted
            del self._kinds[0]
        return 0


def prefer_indexes(connection: Connection) -> None:
    """Keep PostgreSQL from scanning whole tables until the transaction ends.

    The planner's statistics are from before the purge, and may suggest a full scan.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")


class _Kind(Protocol):
    """One kind of row; it remembers where the last step stopped."""

    def step(self, connection: Connection, rows: int) -> int: ...


class _ReportIds:
    """The idempotency keys."""

    def __init__(self, cutoff: datetime) -> None:
        self._since, self._cutoff = 0, cutoff

    def step(self, connection: Connection, rows: int) -> int:
        day = UsageReportId.received_on
        oldest = select(day).where(*_old_report_ids(self._since, self._cutoff.toordinal())).order_by(day).limit(1)
        until = self._cutoff.toordinal()
        self._since = connection.execute(oldest).scalar() or until
        window = {"since": self._since, "until": until, "rows": rows}
        return connection.execute(_DELETE_IDS[connection.dialect.name], window).rowcount


class _Transmissions:
    """Transmissions that have ended, with their attempts. One with more attempts than a step has rows goes alone."""

    def __init__(self, ended: Mapped[datetime | None], cutoff: datetime) -> None:
        self._ended, self._cutoff, self._since = ended, cutoff, _THE_BEGINNING

    def step(self, connection: Connection, rows: int) -> int:
        log, attempt = TelemetryTransmissionLog, TelemetryTransmissionAttempt
        columns = (log.transmission_id, self._ended.label("ended_at"), log.attempts_made)
        old = _old_transmissions(self._ended, self._since, self._cutoff)
        # Nearly all have at least one attempt, so at most half as many fit into a step.
        query = select(*columns).where(*old).order_by(self._ended).limit(rows // 2 + 1)
        oldest = connection.execute(query).all()
        if not oldest:
            return 0
        self._since = oldest[0].ended_at or self._since
        ids, size = [oldest[0].transmission_id], 1 + oldest[0].attempts_made
        for row in oldest[1:]:
            size += 1 + row.attempts_made
            if size > rows:
                break
            ids.append(row.transmission_id)
        connection.execute(delete(EvidenceRow).where(EvidenceRow.transmission_id.in_(ids)))
        attempts = connection.execute(delete(attempt).where(attempt.transmission_id.in_(ids))).rowcount
        return attempts + connection.execute(delete(log).where(log.transmission_id.in_(ids))).rowcount


class _Periods:
    """Closed periods without a transmission, or whose transmission was deleted; deleted after their counters."""

    def __init__(self, cutoff: datetime) -> None:
        self._cutoff = cutoff
        self._done: tuple[datetime, int] = (_THE_BEGINNING, 0)
        self._counted: _Counted | None = None

    def step(self, connection: Connection, rows: int) -> int:
        counters, emptied = 0, list[int]()
        while not counters + len(emptied) and (oldest := self._oldest(connection)):
            kept = self._kept(connection, [period.id for period in oldest])
            for period in oldest:
                if period.id not in kept:
                    if period.has_counters:
                        counters += self._delete_counters(connection, period.id, rows - counters - len(emptied))
                    if counters + len(emptied) == rows:
                        break
                    emptied.append(period.id)
                self._done = (period.closed_at or self._done[0], period.id)
        connection.execute(delete(ReportingPeriod).where(ReportingPeriod.id.in_(emptied)))
        return counters + len(emptied)

    def _oldest(self, connection: Connection) -> Sequence[Row[int, datetime | None, int | None]]:
        row = ReportingPeriod
        left = (*_old_periods(self._done[0], self._cutoff), tuple_(row.closed_at, row.id) > self._done)
        # One period at a time: PostgreSQL would turn an EXISTS into a scan of all counters.
        has_counters = select(literal(1)).where(UsageCounter.period_id == row.id).limit(1).scalar_subquery()
        query = select(row.id, row.closed_at, has_counters.label("has_counters")).where(*left)
        return connection.execute(query.order_by(row.closed_at, row.id).limit(_PERIODS)).all()

    def _kept(self, connection: Connection, ids: list[int]) -> frozenset[int]:
        log = TelemetryTransmissionLog
        return frozenset(connection.execute(select(log.period_id).where(log.period_id.in_(ids))).scalars())

    def _delete_counters(self, connection: Connection, period_id: int, rows: int) -> int:
        """Delete the first ``rows`` counters of a period, or all that are left of them."""
        row = UsageCounter
        key = (row.day, row.bouncer_id, row.environment)
        left = [row.period_id == period_id]
        if self._counted and self._counted.period_id == period_id:
            left.append(tuple_(*key) > self._counted.key)
        last = connection.execute(select(*key).where(*left).order_by(*key).offset(rows - 1).limit(1)).first()
        if last is not None:
            self._counted = _Counted(period_id, last)
            left.append(tuple_(*key) <= last)
        return connection.execute(delete(row).where(*left)).rowcount


class _Counted(NamedTuple):
    """The last counter deleted from a period that has more."""

    period_id: int
    key: Row[date, str, Environment]


class _Ticks:
    """At most one a day, so they need no index on their age."""

    def __init__(self, cutoff: datetime) -> None:
        self._cutoff = cutoff

    def step(self, connection: Connection, rows: int) -> int:
        row = TelemetryTick
        old = select(row.tick_key).where(*_old_ticks(_THE_BEGINNING, self._cutoff)).limit(rows)
        return connection.execute(delete(row).where(row.tick_key.in_(old))).rowcount
