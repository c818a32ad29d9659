"""A source on SQLite: positions are an ``INTEGER PRIMARY KEY AUTOINCREMENT``, and every row that is visible is final.

SQLite has one writer at a time, and a key is given out under its lock, so rows become visible in the order of their
keys. AUTOINCREMENT never gives out a key twice.
"""

import sqlite3
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from telemetry_service.domain.source import EVENTS, VIEWS, Cursor, Era, Horizon
from telemetry_service.domain.source_errors import SourceSchemaError
from telemetry_service.source.contract import Column, problems_of
from telemetry_service.source.dialect import Dialect, Parameters
from telemetry_service.source.sqlite_plan import combined_tables, keyed_tables, searched_tables
from telemetry_service.storage.deadline import Patience, ends_at

_TYPES = {
    "position": (
        frozenset({"integer", ""}),
        "It must be an INTEGER PRIMARY KEY AUTOINCREMENT: a plain rowid is used again.",
    )
}
_NEWEST = text(f"SELECT max(position) FROM {EVENTS}")  # noqa: S608 - our own name
_VIEW = text("SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = :name")
_DEFINITION = text("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = :name")
_COUNTING = text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")
_GIVEN_OUT = text("SELECT name, CAST(seq AS INTEGER) FROM sqlite_sequence")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JULIAN_DAY_OF_EPOCH = 2_440_587.5
_STEPS_BETWEEN_LOOKS = 10_000
"""Of SQLite's virtual machine: about a millisecond."""


def make_sqlite_engine(path: str, patience: Patience) -> Engine:
    """Return an engine that only reads: each transaction sees one moment.

    It opens the file for each look, because the file may have been replaced.
    """
    connect = partial(_connect, path, patience)
    engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "begin", _begin)
    return engine


def _connect(path: str, patience: Patience) -> sqlite3.Connection:
    until = ends_at(patience)
    connection = sqlite3.connect(
        f"file:{quote(str(Path(path).absolute()))}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=patience.lock,
    )
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    # A statement ends at the deadline, whatever the view computes.
    connection.set_progress_handler(lambda: time.monotonic() >= until, _STEPS_BETWEEN_LOOKS)
    connection.text_factory = _text
    return connection


def _text(stored: bytes) -> str | bytes:
    """Return a text; other bytes are refused as a value."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _after(cursor: Cursor) -> tuple[str, Parameters]:
    # A position is one row's alone, so the key says nothing more.
    return "position >= :position", {"position": cursor.position + (cursor.row_key is not None)}


def _up_to(cursor: Cursor) -> tuple[str, Parameters]:
    return "e.position < :position", {"position": cursor.position + (cursor.row_key is not None)}


def _at(position: int, _row_key: str | None) -> tuple[str, Parameters]:
    return "e.position = :position", {"position": position}


def _era(connection: Connection) -> Era:
    defined = connection.execute(_DEFINITION, {"name": EVENTS}).scalar()
    return Era(None, sha256(str(defined).encode()).hexdigest())


def _behind(position: int, _row_key: None) -> Cursor:
    return Cursor(position + 1)


def _moment_of(moment: datetime) -> object:
    """Return what ``julianday`` returns for it."""
    return (moment - _EPOCH) / timedelta(days=1) + _JULIAN_DAY_OF_EPOCH


def _horizon(connection: Connection) -> Horizon:
    newest = connection.execute(_NEWEST).scalar()
    # Without a row, every row that comes is a new one.
    below = newest + 1 if isinstance(newest, int) else 0
    return Horizon(below, below)


def _went_back(connection: Connection, cursor: Cursor, horizon: Horizon) -> bool:
    """Whether keys that were given out are no longer known. Deleting rows does not change that.

    If it is not clear which table gives them out, another one may hide it. Then the newest row must not be one that was
    read before others.
    """
    read = cursor.position if cursor.row_key is not None else cursor.position - 1
    tables = _known_keys(connection)
    return _given_out(connection, tables) < read or (not tables and 0 < horizon.below <= read)


def _given_out(connection: Connection, tables: Collection[str] = ()) -> int:
    """Return the largest key that one of these tables has given out; without any, that any table has."""
    if connection.execute(_COUNTING).first() is None:
        return 0
    rows = connection.execute(_GIVEN_OUT).all()
    return max((key for name, key in rows if isinstance(key, int) and (not tables or name in tables)), default=0)


def _known_keys(connection: Connection) -> set[str]:
    """Return the tables whose key is the position, if SQLite counts the keys of each."""
    found = keyed_tables(connection) or searched_tables(connection)
    return found if found <= {name for name, _ in connection.execute(_GIVEN_OUT).all()} else set()


def _problems(connection: Connection) -> tuple[str, ...]:
    found = {view: columns for view in VIEWS if (columns := _columns(connection, view)) is not None}
    problems = list(problems_of(found, _TYPES))
    if not problems and connection.execute(_COUNTING).first() is None:
        problems.append(f"{EVENTS}.position is no AUTOINCREMENT key: no table of the source has one.")
    if not problems:
        newest, largest = connection.execute(_NEWEST).scalar(), _given_out(connection, keyed_tables(connection))
        if newest is not None and (not isinstance(newest, int) or newest > largest):
            problems.append(f"{EVENTS}.position is not the key that AUTOINCREMENT gives out.")
    if not problems and len(tables := combined_tables(connection)) > 1:
        problems.append(
            f"{EVENTS} combines the keys of several tables ({', '.join(sorted(tables))}). They are in no common order,"
            " so rows would be missed: let it read one table, and join others to it."
        )
    return tuple(problems)


def _columns(connection: Connection, view: str) -> list[Column] | None:
    if connection.execute(_VIEW, {"name": view}).first() is None:
        return None
    try:
        rows = connection.exec_driver_sql(f"PRAGMA table_info({view})").all()
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR:
            raise SourceSchemaError((f"The query of {view} fails.",)) from None
        raise
    return [Column(str(row[1]), str(row[2]).lower()) for row in rows]


def _nothing(_connection: Connection) -> None:
    """Every row that is there is final."""


def _none(_connection: Connection) -> tuple[str, ...]:
    return ()


SQLITE = Dialect(
    final="1",
    order=("position",),
    position="position",
    row_key="NULL",
    bytes_of="length(CAST({} AS BLOB))",
    odd=("CASE WHEN typeof(position) <> 'integer' THEN 'position' WHEN successful NOT IN (0, 1) THEN 'successful' END"),
    # Times without a zone are UTC; anything else is never in a span.
    moment="julianday(occurred_at)",
    rows=10_000,
    after=_after,
    behind=_behind,
    there="1",
    there_now=_nothing,
    before="position < :before",
    position_of=int,
    moment_of=_moment_of,
    redeemed_at="CAST(redeemed_at AS TEXT)",
    patient=None,
    up_to=_up_to,
    at=_at,
    said_at="julianday(occurred_at)",
    limit="LIMIT :rows",
    repeated="count(*) - count(DISTINCT position)",
    era=_era,
    horizon=_horizon,
    went_back=_went_back,
    problems=_problems,
    denied=_none,
    warnings=_none,
)
