"""How far the source was read, and what came from it. The source itself is never opened here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, func, or_, select, text, true, update

from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.source import (
    RESTORED,
    Anchor,
    Begun,
    CatchUp,
    Cursor,
    Era,
    Marker,
    Obstacle,
    Snapshot,
    SourceState,
    Span,
    Start,
)
from telemetry_service.domain.source_errors import SourceStateUnreadableError
from telemetry_service.storage.rows import filled
from telemetry_service.storage.tables import SourceCatchUp, SourceCursor, SourceUsage, UsageCounter
from telemetry_service.storage.upsert import insert

_CURSOR = SourceCursor.__table__
_CATCH_UP = SourceCatchUp.__table__
_TEXT = 1024

_ADD_USAGE = text(
    "INSERT INTO source_usage AS u (period_id, bouncer_id, events) VALUES (:period_id, :bouncer_id, :events)"
    " ON CONFLICT (period_id, bouncer_id) DO UPDATE SET events = u.events + excluded.events"
)


class SourceStore:
    """Each write that moves a cursor names the version it has read: another replica may have read the same rows."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def state(self) -> SourceState | None:
        """Return how far the source was read; None before the first try.

        Raises:
            SourceStateUnreadableError: the row holds what this service never writes.
        """
        with _readable():
            row = self._connection.execute(select(_CURSOR)).mappings().first()
            return None if row is None else _state(row)

    def begin(self, start: Start, now: datetime) -> bool:
        """Begin to read at ``start``; False if another replica has begun."""
        self._create(now)
        begun = {
            "version": SourceCursor.version + 1,
            **_at(start),
            "floor": start.floor,
            "began_at": now,
            **_seen(now, now, None),
        }
        return self._update(begun, _CURSOR.c.position.is_(None))

    def move(self, state: SourceState, cursor: Cursor, rows: int, anchor: Anchor | None) -> bool:
        """Move the cursor, before the rows are counted in the same transaction.

        False, with nothing changed, if another replica has moved it since ``state`` was read.
        """
        moved = {
            "version": state.version + 1,
            "position": cursor.position,
            "row_key": cursor.row_key,
            "rows": SourceCursor.rows + rows,
            **_anchored(anchor),
        }
        return self._update(moved, _CURSOR.c.version == state.version)

    def reset(self, version: int, start: Start, floor: int, now: datetime) -> bool:
        """Continue to read at ``start``; False, with nothing changed, if it was moved since ``version`` was read."""
        here = {**_at(start), "floor": floor}
        return self._update({"version": version + 1, **here, **_seen(now, now, None)}, _CURSOR.c.version == version)

    def looked(self, state: SourceState) -> None:
        """Note a look that met no obstacle, unless another replica has moved the cursor since ``state`` was read."""
        # A source that went back stays so until a person decides; another replica may have noticed it meanwhile.
        here = and_(_CURSOR.c.obstacle.is_distinct_from(RESTORED), _CURSOR.c.version == state.version)
        seen = _seen(state.looked_at, state.complete_until, state.marker)
        self._update({**seen, **_anchored(state.begun.anchor if state.begun else None)}, here)

    def met(self, obstacle: Obstacle) -> bool:
        """Note why reading stopped; False if that was known already, or something worse is."""
        self._create(obstacle.since)
        sentence = obstacle.text[:_TEXT]
        values = {"obstacle": obstacle.code, "obstacle_text": sentence, "obstacle_since": obstacle.since}
        new = or_(
            _CURSOR.c.obstacle.is_distinct_from(obstacle.code), _CURSOR.c.obstacle_text.is_distinct_from(sentence)
        )
        return self._update(values, and_(_CURSOR.c.obstacle.is_distinct_from(RESTORED), new))

    def _create(self, now: datetime) -> None:
        new = insert(self._connection, SourceCursor).values(
            id=1, version=1, rows=0, complete_until=now, looked_at=now, shared=0
        )
        self._connection.execute(new.on_conflict_do_nothing())

    def _update(self, values: Mapping[str, object], where: ColumnElement[bool]) -> bool:
        return self._connection.execute(update(_CURSOR).where(where).values(values)).rowcount == 1

    def add_usage(self, period_id: int, events: Mapping[str, int]) -> None:
        """Note what each bouncer has from the source, in a fixed order; forget earlier periods."""
        self._connection.execute(delete(SourceUsage).where(SourceUsage.period_id != period_id))
        rows = [{"period_id": period_id, "bouncer_id": name, "events": events[name]} for name in sorted(events)]
        if rows:
            self._connection.execute(_ADD_USAGE, rows)

    def note_shared(self, period_id: int) -> None:
        """Note which bouncers of the open period both the source and reports have counted."""
        counter, usage = UsageCounter, SourceUsage
        both = and_(counter.period_id == usage.period_id, counter.bouncer_id == usage.bouncer_id)
        more = (
            select(usage.bouncer_id)
            .join_from(SourceUsage.__table__, UsageCounter.__table__, both)
            .where(usage.period_id == period_id)
            .group_by(usage.bouncer_id, usage.events)
            .having(func.sum(counter.audit_events) > usage.events)
            .subquery()
        )
        number, example = self._connection.execute(
            select(func.count(), func.min(more.c.bouncer_id)).select_from(more)
        ).one()
        values = {"shared": number, "shared_example": example}
        row = _CURSOR.c
        self._update(values, or_(row.shared.is_distinct_from(number), row.shared_example.is_distinct_from(example)))

    def catch_up(self) -> CatchUp | None:
        """Return how far older rows were caught up on; None if no one has asked for it."""
        with _readable():
            row = self._connection.execute(select(_CATCH_UP)).mappings().first()
            return None if row is None else _catch_up(row)

    def begin_catch_up(self, span: Span, total: int) -> None:
        """Begin to catch up on a span, in place of one that is finished."""
        values = {
            "id": 1,
            "version": 1,
            "before": span.before,
            "since": span.since,
            "until": span.until,
            "there": _text_of(span.there),
            "position": 0,  # Before every row.
            "row_key": None,
            "total": total,
            "looked_at": 0,
            "counted": 0,
            "finished": False,
        }
        self._connection.execute(delete(_CATCH_UP))
        self._connection.execute(insert(self._connection, SourceCatchUp).values(values))

    def move_catch_up(self, catch_up: CatchUp, cursor: Cursor, looked_at: int, counted: int, *, finished: bool) -> bool:
        """Move on; False, with nothing changed, if another process has since ``catch_up`` was read."""
        values = {
            "version": catch_up.version + 1,
            "position": cursor.position,
            "row_key": cursor.row_key,
            "looked_at": catch_up.looked_at + looked_at,
            "counted": catch_up.counted + counted,
            "finished": finished,
        }
        here = and_(_CATCH_UP.c.version == catch_up.version, _CATCH_UP.c.since == catch_up.span.since)
        moved = self._connection.execute(update(_CATCH_UP).where(here).values(values)).rowcount == 1
        if moved:
            self._update({"rows": SourceCursor.rows + counted}, true())
        return moved

    def end_catch_up(self) -> bool:
        """End a catch-up that is not finished; False if there is none."""
        unfinished = update(_CATCH_UP).where(_CATCH_UP.c.finished.is_(False))
        values = {"finished": True, "version": SourceCatchUp.version + 1}
        return self._connection.execute(unfinished.values(values)).rowcount == 1


def _at(start: Start) -> dict[str, object]:
    cursor = start.cursor
    here = {"position": cursor.position, "row_key": cursor.row_key, "there": _text_of(start.there)}
    return {**here, **_anchored(start.anchor)}


def _anchored(anchor: Anchor | None) -> dict[str, object]:
    return {
        "anchor_position": anchor.position if anchor else None,
        "anchor_key": anchor.row_key if anchor else None,
        "anchor_digest": anchor.digest if anchor else None,
        "anchor_server": anchor.era.server if anchor else None,
        "anchor_view": anchor.era.view if anchor else None,
    }


def _text_of(snapshot: Snapshot | None) -> str | None:
    return None if snapshot is None else str(snapshot)


def _seen(looked_at: datetime, complete_until: datetime, marker: Marker | None) -> dict[str, object]:
    return {
        "looked_at": looked_at,
        "complete_until": complete_until,
        "marker_position": None if marker is None else marker.position,
        "marker_at": None if marker is None else marker.at,
        "obstacle": None,
        "obstacle_text": None,
        "obstacle_since": None,
    }


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except RowUnreadableError as error:
        raise SourceStateUnreadableError(error.column) from None


def _state(row: RowMapping) -> SourceState:
    filled([row[column] for column in _CURSOR.columns], tuple(_CURSOR.columns))
    return SourceState(
        version=row["version"],
        begun=_begun(row),
        rows=row["rows"],
        complete_until=row["complete_until"],
        marker=Marker(*marker) if (marker := _all(row, "marker_position", "marker_at")) else None,
        looked_at=row["looked_at"],
        obstacle=Obstacle(*met) if (met := _all(row, "obstacle", "obstacle_text", "obstacle_since")) else None,
        shared=row["shared"],
        shared_example=row["shared_example"],
    )


def _begun(row: RowMapping) -> Begun | None:
    found = _all(row, "position", "floor", "began_at")
    if found is None:
        return None
    position, floor, at = found
    return Begun(Cursor(position, row["row_key"]), floor, at, _there(row, _CURSOR.c.there), _anchor(row))


def _anchor(row: RowMapping) -> Anchor | None:
    found = _all(row, "anchor_position", "anchor_digest", "anchor_view")
    if found is None:
        return None
    position, digest, view = found
    return Anchor(position, row["anchor_key"], digest, Era(row["anchor_server"], view))


def _there(row: RowMapping, column: ColumnElement[str | None]) -> Snapshot | None:
    try:
        return None if row["there"] is None else Snapshot.parse(row["there"])
    except ValueError:
        raise RowUnreadableError(str(column)) from None


def _all(row: RowMapping, *names: str) -> list[Any] | None:
    """Return the values of columns that have a value together, or None if they have none together."""
    values = [row[name] for name in names]
    if all(value is None for value in values):
        return None
    for name, value in zip(names, values, strict=True):
        if value is None:
            raise RowUnreadableError(str(_CURSOR.c[name]))
    return values


def _catch_up(row: RowMapping) -> CatchUp:
    filled([row[column] for column in _CATCH_UP.columns], tuple(_CATCH_UP.columns))
    return CatchUp(
        span=Span(row["before"], row["since"], row["until"], _there(row, _CATCH_UP.c.there)),
        cursor=Cursor(row["position"], row["row_key"]),
        version=row["version"],
        total=row["total"],
        looked_at=row["looked_at"],
        counted=row["counted"],
        finished=row["finished"],
    )
