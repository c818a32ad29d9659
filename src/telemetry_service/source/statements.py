"""The statements that read the views. A text longer than any ID is read as NULL, so no content can come with it."""

from collections.abc import Sequence

from telemetry_service.domain.source import BOUNCERS, CODES, DECISION, EVENTS, ID_BYTES, Cursor, Snapshot, Span
from telemetry_service.source.dialect import Dialect, Parameters

_GROUPED = (
    "WITH step AS MATERIALIZED ({rows}) SELECT {bouncer_id}, {environment}, sum(counts), sum(counts * decision),"
    " sum(counts * success), max(odd), count(*),"
    " (SELECT {position} FROM step ORDER BY {latest} LIMIT 1), (SELECT {row_key} FROM step ORDER BY {latest} LIMIT 1),"
    " (SELECT {repeated} FROM step)"
    " FROM step GROUP BY bouncer_id, environment"
)
_ROWS = (
    "SELECT position, row_key, bouncer_id, environment,"
    " CASE WHEN kind = '{decision}' THEN 1 ELSE 0 END AS decision,"
    " CASE WHEN kind = '{decision}' AND successful THEN 1 ELSE 0 END AS success,"
    " CASE WHEN {counts} THEN 1 ELSE 0 END AS counts, {odd} AS odd"
    " FROM {events} WHERE {conditions} ORDER BY {order} {limit}"
)


def grouped(dialect: Dialect, rows: str) -> str:
    """Return the statement that adds ``rows`` up."""
    # Of the step, and not the texts that are selected: these have the same names, and other orders.
    latest = ", ".join(f"step.{name} DESC" for name in dialect.order)
    return _GROUPED.format(
        rows=rows,
        bouncer_id=_short(dialect, "bouncer_id"),
        environment=_short(dialect, "environment"),
        position=dialect.position,
        row_key=dialect.row_key,
        latest=latest,
        repeated=dialect.repeated,
    )


def each(dialect: Dialect, rows: str) -> str:
    """Return the statement that shows ``rows`` one by one."""
    shown = f"{_short(dialect, 'bouncer_id')}, {_short(dialect, 'environment')}, counts, odd"
    position = f"{dialect.position}, {dialect.row_key}"
    order = ", ".join(f"step.{name}" for name in dialect.order)
    return f"SELECT {shown}, {position} FROM ({rows}) AS step ORDER BY {order}"  # noqa: S608 - our own parts


def rows_behind(
    dialect: Dialect, cursor: Cursor, span: Span | None, apart_from: Snapshot | None = None
) -> tuple[str, Parameters]:
    """Return the statement for ``:rows`` rows behind a cursor, and what else it is given."""
    condition, given = dialect.after(cursor)
    if span is not None:
        conditions, counts, limits = _of_span(dialect, span)
    else:
        conditions, (counts, limits) = [dialect.final], _not_there(dialect, apart_from)
    return _rows(dialect, [condition, *conditions], counts), {**given, **limits}


def _of_span(dialect: Dialect, span: Span) -> tuple[list[str], str, Parameters]:
    counts, limits = within(dialect, span)
    # What was there by a moment stays as it is, although an older transaction still runs.
    conditions = [dialect.before, *([dialect.final] if span.there is None else [])]
    return conditions, counts, {**limits, "before": dialect.position_of(span.before)}


def _not_there(dialect: Dialect, snapshot: Snapshot | None) -> tuple[str, Parameters]:
    return ("1 = 1", {}) if snapshot is None else (f"NOT {dialect.there}", {"there": str(snapshot)})


def _rows(dialect: Dialect, conditions: Sequence[str], counts: str) -> str:
    return _ROWS.format(
        decision=DECISION,
        counts=counts,
        odd=dialect.odd,
        events=EVENTS,
        conditions=" AND ".join(conditions),
        order=", ".join(dialect.order),
        limit=dialect.limit,
    )


def within(dialect: Dialect, span: Span) -> tuple[str, Parameters]:
    """Return the condition that a row occurred in a span. It is not known of a row without a time."""
    condition, given = f"{dialect.moment} >= :since", {"since": dialect.moment_of(span.since)}
    if span.until is not None:
        condition, given = (
            f"{condition} AND {dialect.moment} < :until",
            {**given, "until": dialect.moment_of(span.until)},
        )
    if span.there is not None:
        condition, given = f"{condition} AND {dialect.there}", {**given, "there": str(span.there)}
    return condition, given


def numbers_of(dialect: Dialect, span: Span) -> tuple[str, Parameters]:
    """Return the statement that counts the rows of a span: all to look at, those that count, and those undated."""
    condition, given = within(dialect, span)
    undated = f"{dialect.moment} IS NULL" + (f" AND {dialect.there}" if span.there is not None else "")
    statement = (
        f"SELECT count(*), count(*) FILTER (WHERE {condition}), count(*) FILTER (WHERE {undated})"  # noqa: S608
        f" FROM {EVENTS} WHERE {dialect.before}"
    )
    return statement, {**given, "before": dialect.position_of(span.before)}


def number_behind(dialect: Dialect, cursor: Cursor) -> tuple[str, Parameters]:
    """Return the statement that counts the final rows behind a cursor."""
    condition, given = dialect.after(cursor)
    return f"SELECT count(*) FROM {EVENTS} WHERE {condition} AND {dialect.final}", given  # noqa: S608 - our own parts


def newest(dialect: Dialect, cursor: Cursor) -> tuple[str, Parameters]:
    """Return the statement for the newest row that is not behind a cursor."""
    condition, given = dialect.up_to(cursor)
    order = ", ".join(f"e.{name} DESC" for name in dialect.order)  # Of the view, and not the texts that are selected.
    return f"{_said(dialect)} WHERE {condition} ORDER BY {order} LIMIT 1", given


def at(dialect: Dialect, position: int, row_key: str | None) -> tuple[str, Parameters]:
    """Return the statement for the rows at one place: several, if their key does not tell them apart."""
    condition, given = dialect.at(position, row_key)
    return f"{_said(dialect)} WHERE {condition} LIMIT {COMPARED + 1}", given


def _said(dialect: Dialect) -> str:
    shown = f"{dialect.position}, {dialect.row_key}, {_short(dialect, 'bouncer_id')}, {dialect.said_at}"
    return f"SELECT {shown} FROM {EVENTS} AS e"  # noqa: S608 - our own parts


def repeated(dialect: Dialect) -> str:
    """Return the statement for a place that several of the newest rows have."""
    columns = ", ".join(dialect.order)
    latest = ", ".join(f"{name} DESC" for name in dialect.order)
    return (
        f"SELECT {dialect.position}, {dialect.row_key} FROM"  # noqa: S608 - our own parts
        f" (SELECT {columns} FROM {EVENTS} ORDER BY {latest} LIMIT {PROBED}) AS e"
        f" GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"
    )


COMPARED = 1_000
"""How many rows of one place are compared with the row that was read last, so that each look reads few."""

PROBED = 100_000
"""How many of the newest rows a check compares: enough to show a key that is not unique, without reading all."""


def without_position() -> str:
    """Return the statement that finds a row that is never read. It may take a scan, so only the check asks."""
    return f"SELECT 1 FROM {EVENTS} WHERE position IS NULL LIMIT 1"  # noqa: S608 - our own name


def bouncers(dialect: Dialect) -> str:
    """Return the statement for the registered bouncers, ``:most`` of them."""
    columns = ", ".join(_short(dialect, name) for name in ("bouncer_id", "environment", "pair_id"))
    return f"SELECT {columns} FROM {BOUNCERS} LIMIT :most"  # noqa: S608 - our own names


def codes(dialect: Dialect) -> str:
    """Return the statement for the redeemed codes, the latest ``:most`` of them."""
    columns = f"{_short(dialect, 'code_id')}, {dialect.redeemed_at}"
    return f"SELECT {columns} FROM {CODES} ORDER BY redeemed_at DESC LIMIT :most"  # noqa: S608 - our own names


def _short(dialect: Dialect, column: str) -> str:
    return f"CASE WHEN {dialect.bytes_of.format(column)} <= {ID_BYTES} THEN {column} END"
