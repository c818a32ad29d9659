"""A source on PostgreSQL: positions are transaction IDs, and a row is final once no older transaction runs.

A position is what ``pg_current_xact_id()`` returned at the insert. Rows of transactions that commit late or out of
order have positions at or above ``pg_snapshot_xmin`` until they are visible, so none is missed.
"""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry_service.domain.source import EVENTS, VIEWS, Cursor, Era, Horizon, Snapshot
from telemetry_service.domain.source_errors import SourcePositionsError, SourceReplicaBehindError, SourceSchemaError
from telemetry_service.source.contract import Column, problems_of
from telemetry_service.source.dialect import Dialect, Parameters
from telemetry_service.storage.deadline import Patience
from telemetry_service.storage.postgresql import BoundedConnection, postgresql_engine

_OLDEST = 130_000
"""PostgreSQL 13 is the first with ``xid8``."""

_TEXTS = (frozenset({"text", "character varying"}), "Cast it in the view: ::text.")
_TIMES = (
    frozenset({"timestamp with time zone"}),
    "It must be timestamp with time zone. For times without a zone, write AT TIME ZONE 'UTC' in the view.",
)
_TYPES = {
    "position": (frozenset({"xid8"}), "It must be xid8: the value of pg_current_xact_id() when the row was inserted."),
    "row_key": (frozenset({"smallint", "integer", "bigint", "uuid"}), "It must be an integer or a UUID."),
    "occurred_at": _TIMES,
    "redeemed_at": _TIMES,
    "successful": (frozenset({"boolean"}), "It must be boolean."),
    **dict.fromkeys(("bouncer_id", "environment", "kind", "pair_id", "code_id"), _TEXTS),
}

_HORIZON = text("SELECT pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text FROM pg_current_snapshot() AS s")
_NOT_REACHED = text(
    f"SELECT 1 FROM {EVENTS} WHERE position >= pg_snapshot_xmax(pg_current_snapshot()) LIMIT 1"  # noqa: S608 - our own
)
_THERE = text(
    f"SELECT s::text, pg_is_in_recovery(), (SELECT e.position::text FROM {EVENTS} AS e"  # noqa: S608 - our own
    " WHERE e.position >= pg_snapshot_xmin(s) ORDER BY e.position DESC LIMIT 1)"
    " FROM pg_current_snapshot() AS s"
)
_THERE_ON_REPLICA = text(
    f"SELECT DISTINCT e.position::text FROM {EVENTS} AS e"  # noqa: S608 - our own name
    " WHERE e.position >= pg_snapshot_xmin(pg_current_snapshot())"
)
_MOST_BEHIND = 100_000
"""How many transactions may have begun on a cluster since its oldest one that still runs, to begin on a replica of it:
each of them is remembered."""
_COLUMNS = text(
    "SELECT v.name, a.attname, lower(format_type(a.atttypid, NULL))"
    " FROM unnest(CAST(:views AS text[])) AS v(name)"
    " JOIN pg_class c ON c.oid = to_regclass(v.name) AND c.relkind = 'v'"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY v.name, a.attnum"
)
_DENIED = text(
    "SELECT v.name FROM unnest(CAST(:views AS text[])) AS v(name)"
    " WHERE to_regclass(v.name) IS NOT NULL AND NOT has_table_privilege(to_regclass(v.name), 'SELECT') ORDER BY v.name"
)
_WARNINGS = text(
    "SELECT rolsuper, EXISTS (SELECT 1 FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace <> ALL"
    " (ARRAY['pg_catalog'::regnamespace, 'information_schema'::regnamespace])"
    " AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE')) FROM pg_roles WHERE rolname = current_user"
)
_ERA = text(
    "SELECT extract(epoch FROM pg_postmaster_start_time())::numeric(20, 6)::text,"
    " pg_get_viewdef(CAST(CAST(:view AS text) AS regclass))"
)
_VERSION = text("SELECT current_setting('server_version_num')::int")


def make_postgresql_engine(url: str, patience: Patience) -> Engine:
    """Return an engine that only reads: each transaction is read-only and sees one moment."""
    parts = make_url(url)
    if "application_name" not in parts.query:
        parts = parts.update_query_dict({"application_name": "control-core-telemetry source"})
    engine = postgresql_engine(parts, patience)
    event.listen(engine, "connect", _read_only_is_fine)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _read_only_is_fine(connection: BoundedConnection, _entry: ConnectionPoolEntry) -> None:
    # A replica, or a role that is read-only by default, is what a source should be; see BoundedConnection.
    connection.born_read_only = False


def _after(cursor: Cursor) -> tuple[str, Parameters]:
    if cursor.row_key is None:
        return "position >= CAST(:position AS xid8)", {"position": str(cursor.position)}
    condition = f"(position, row_key) > (CAST(:position AS xid8), CAST(:row_key AS {_kind(cursor.row_key)}))"
    return condition, {"position": str(cursor.position), "row_key": cursor.row_key}


def _up_to(cursor: Cursor) -> tuple[str, Parameters]:
    if cursor.row_key is None:
        return "e.position < CAST(:position AS xid8)", {"position": str(cursor.position)}
    condition = f"(e.position, e.row_key) <= (CAST(:position AS xid8), CAST(:row_key AS {_kind(cursor.row_key)}))"
    return condition, {"position": str(cursor.position), "row_key": cursor.row_key}


def _at(position: int, row_key: str | None) -> tuple[str, Parameters]:
    if row_key is None:
        return "e.position = CAST(:position AS xid8) AND e.row_key IS NULL", {"position": str(position)}
    condition = f"e.position = CAST(:position AS xid8) AND e.row_key = CAST(:row_key AS {_kind(row_key)})"
    return condition, {"position": str(position), "row_key": row_key}


def _kind(row_key: str) -> str:
    """Return the type of the key's column: the comparison of two rows must not depend on a cast of the column."""
    return "bigint" if row_key.lstrip("-").isdecimal() else "uuid"


def _era(connection: Connection) -> Era:
    server, view = connection.execute(_ERA, {"view": EVENTS}).one()
    return Era(str(server), sha256(str(view).encode()).hexdigest())


def _behind(position: str, row_key: str) -> Cursor:
    return Cursor(int(position), row_key)


def _moment_of(moment: datetime) -> object:
    return moment


def _horizon(connection: Connection) -> Horizon:
    below, newest = connection.execute(_HORIZON).one()
    # They would become final, and count again, once this cluster reaches them.
    if connection.execute(_NOT_REACHED).first() is not None:
        raise SourcePositionsError
    return Horizon(int(below), int(newest))


def _there_now(connection: Connection) -> Snapshot | None:
    said, on_replica, newest = connection.execute(_THERE).one()
    if newest is None:
        return None
    snapshot = Snapshot.parse(said)
    if not on_replica:
        return snapshot.up_to(int(newest))
    # There, a snapshot does not say which transactions were running. Those whose rows are there had ended.
    if int(newest) - snapshot.oldest > _MOST_BEHIND:
        raise SourceReplicaBehindError
    ended = {int(position) for position in connection.execute(_THERE_ON_REPLICA).scalars()}
    running = tuple(it for it in range(snapshot.oldest, int(newest)) if it not in ended)
    return Snapshot(snapshot.oldest, int(newest) + 1, running).up_to(int(newest))


def _went_back(_connection: Connection, cursor: Cursor, horizon: Horizon) -> bool:
    """Whether transactions that were final no longer are. A row was read only below the horizon."""
    return horizon.below < cursor.position + (cursor.row_key is not None)


def _problems(connection: Connection) -> tuple[str, ...]:
    if connection.execute(_VERSION).scalar_one() < _OLDEST:
        raise SourceSchemaError(("The source must be PostgreSQL 13 or newer, which has xid8.",))
    found: dict[str, list[Column]] = {}
    for view, name, kind in connection.execute(_COLUMNS, {"views": list(VIEWS)}):
        found.setdefault(view, []).append(Column(name, kind))
    return problems_of(found, _TYPES)


def _denied(connection: Connection) -> tuple[str, ...]:
    return tuple(connection.execute(_DENIED, {"views": list(VIEWS)}).scalars())


def _warnings(connection: Connection) -> tuple[str, ...]:
    superuser, writes = connection.execute(_WARNINGS).one()
    if superuser:
        return ("The role of the source is a superuser. Use a role that may only read the views.",)
    return ("The role of the source may write to a table. Use a role that may only read the views.",) if writes else ()


POSTGRESQL = Dialect(
    final="position < pg_snapshot_xmin(pg_current_snapshot())",
    order=("position", "row_key"),
    position="position::text",
    row_key="row_key::text",
    bytes_of="octet_length({})",
    odd="CASE WHEN row_key IS NULL THEN 'row_key' END",
    moment="occurred_at",
    rows=50_000,
    after=_after,
    behind=_behind,
    there="pg_visible_in_snapshot(position, CAST(:there AS pg_snapshot))",
    there_now=_there_now,
    before="position < CAST(:before AS xid8)",
    position_of=str,
    moment_of=_moment_of,
    redeemed_at="redeemed_at",
    patient="SELECT set_config('statement_timeout', :milliseconds, true)",
    up_to=_up_to,
    at=_at,
    said_at="to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    # Rows that are final have all come: if a key does not tell some apart, they are read together.
    limit="FETCH FIRST (:rows) ROWS WITH TIES",
    repeated="min(0)",
    era=_era,
    horizon=_horizon,
    went_back=_went_back,
    problems=_problems,
    denied=_denied,
    warnings=_warnings,
)
