"""PostgreSQL: connections that keep to a deadline, know a pooler, and are not used again once they failed."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from functools import partial
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import RV, PQGen
from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry_service.domain.errors import StorageOptionsError
from telemetry_service.storage.deadline import Patience, ends_at, seconds_until

PING_SECONDS = 5
"""How long a connection of the pool has to show that it is alive, before another one is made."""

_DRIVERS_OWN = ("autocommit", "row_factory", "cursor_factory", "server_cursor_factory", "context")
"""Arguments of the driver that are no options of a connection; as text each of them would mean something else."""

_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "fallback_application_name": "control-core-telemetry",
    # Text is UTF-8 also where the database says that it does not know what it holds (SQL_ASCII).
    "client_encoding": "utf8",
    # A middle box forgets connections without a word: ask in silence, and do not wait for what was sent and not taken.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""What a URL may say otherwise."""

_STATEMENT_FAULTS = (errors.IntegrityError, errors.DataError)
"""These say something of a statement and nothing of the session, and are part of the service's work."""

_SESSION_STATES = ("08", "57P", "25006", "0A000", "53300")
"""Broken connections, a server that goes down, sessions left read-only by a failover, plans that do not fit anymore:
all of the pool's connections are likely to have the same."""


_TAKEN = "telemetry_taken"
"""Which connection of this place in the pool has been used before."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed rather than waited for beyond its deadline."""

    ends_at: float
    pooled = False
    """Whether a pooler is between us and the server, which hands the session to others after each transaction."""
    born_read_only = False
    """Whether nothing could be written at its beginning. It may stay so when the database does not."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Do what the driver does wherever it waits for the server, for no longer than is left."""
        left = seconds_until(self.ends_at)
        try:
            return super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except errors.OperationalError:
            if time.monotonic() >= self.ends_at:
                self.close()  # It is in the middle of something; no one may find out what comes next.
            raise


def postgresql_engine(url: URL, patience: Patience) -> Engine:
    """Return an engine for PostgreSQL; nothing is connected yet."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg", query=_libpq_options(url)),
        # What is read after waiting for a lock must be the present, whatever is the database's own default: a report
        # would otherwise be added to a period that was closed while it waited, and be lost.
        isolation_level="READ COMMITTED",
        pool_size=10,
        max_overflow=10,
        pool_timeout=10,
        hide_parameters=True,
        # It would ask the server about an extension that is not used here.
        use_native_hstore=False,
        connect_args={name: value for name, value in _DEFAULTS.items() if name not in url.query} | _threshold(url),
    )
    event.listen(engine, "do_connect", partial(_connect, patience))
    event.listen(engine, "connect", partial(_prepare, patience))
    event.listen(engine, "checkout", partial(_take, patience, engine.dialect))
    event.listen(engine, "begin", partial(_begin, patience))
    event.listen(engine, "handle_error", _judge)
    return engine


def _libpq_options(url: URL) -> dict[str, str | tuple[str, ...]]:
    """Return the options that the URL has for PostgreSQL's library; refuse those that only a program can give."""
    query = {name: value for name, value in url.query.items() if name != "prepare_threshold"}
    several = [name for name, value in query.items() if not isinstance(value, str) and name in _DEFAULTS]
    if refused := [name for name in _DRIVERS_OWN if name in query] + several:
        raise StorageOptionsError(refused)
    if isinstance(given := query.get("options", ""), tuple):
        query["options"] = " ".join(given)
    return query


def _threshold(url: URL) -> dict[str, int | None]:
    """Return how often a statement is repeated before it is prepared, where the URL says; ``none`` is never."""
    given = url.query.get("prepare_threshold")
    if given is None:
        return {}
    if given == "none":
        return {"prepare_threshold": None}
    if not isinstance(given, str) or not given.isdecimal():
        raise StorageOptionsError(["prepare_threshold"])
    return {"prepare_threshold": int(given)}


def _connect(
    patience: Patience, _dialect: Dialect, _entry: ConnectionPoolEntry, given: list[Any], named: dict[str, Any]
) -> BoundedConnection:
    """Connect within what is left. In a thread of its own: no option bounds the wait for the name service."""
    end = ends_at(patience)
    connection = _within(seconds_until(end), lambda: BoundedConnection.connect(*given, **named))
    connection.ends_at = end
    return connection


def _within(seconds: float, connect: Callable[[], BoundedConnection]) -> BoundedConnection:
    coming: Future[BoundedConnection] = Future()
    threading.Thread(target=_fulfil, args=(coming, connect), name="connecting", daemon=True).start()
    try:
        return coming.result(seconds)
    except NotYetError:
        if not coming.cancel():
            return coming.result()  # It came in this very moment.
    message = "the deadline is over"
    raise errors.ConnectionTimeout(message)


def _fulfil(coming: "Future[BoundedConnection]", connect: Callable[[], BoundedConnection]) -> None:
    try:
        connection = connect()
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to who waits
        if coming.set_running_or_notify_cancel():
            coming.set_exception(error)
        return
    if coming.set_running_or_notify_cancel():
        coming.set_result(connection)
    else:
        connection.close()  # No one waits for it anymore.


def _prepare(patience: Patience, connection: BoundedConnection, _entry: ConnectionPoolEntry) -> None:
    """Find out who is at the other end, and make the session's settings where the session is ours alone.

    A pooler answers with a process number that it has made up, for it has no server's session at that time. It gets no
    settings for the session, for others would have them; and no prepared statements, for it would lose them.
    """
    pid = connection.info.backend_pid
    query = _settings(patience, f"pg_backend_pid() <> {pid}").encode()
    row = connection.execute(query, prepare=False).fetchone()
    connection.commit()
    if row is not None:
        connection.pooled, connection.born_read_only = row[0] != pid, row[1] == "on"
    if connection.pooled:
        connection.prepare_threshold = None


def _settings(patience: Patience, local: str) -> str:
    """Return the one statement that makes all settings; ``local`` is whether for this transaction alone."""
    values = {
        "timezone": "'UTC'",
        "datestyle": "'ISO'",
        "lock_timeout": f"'{patience.lock * 1000:.0f}'",
        "statement_timeout": f"'{patience.statement * 1000:.0f}'",
        # A replica that is stopped in the middle of a transaction must not hold its locks permanently.
        "idle_in_transaction_session_timeout": "'30000'",
        # Wait for the disk at each commit, also where the database's default is not to; a stricter default stands.
        "synchronous_commit": "coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on')",
    }
    made = ", ".join(f"set_config('{name}', {value}, {local})" for name, value in values.items())
    return f"SELECT pg_backend_pid(), current_setting('transaction_read_only'), {made}"


def _take(
    patience: Patience, dialect: Dialect, connection: BoundedConnection, entry: ConnectionPoolEntry, _proxy: object
) -> None:
    """Use a connection that lay in the pool only if it could write when it began, and shows in time that it lives."""
    end = ends_at(patience)
    if entry.info.get(_TAKEN) is connection:
        if connection.born_read_only:
            raise DisconnectionError
        asked_until = time.monotonic() + PING_SECONDS
        connection.ends_at = min(end, asked_until)
        try:
            dialect.do_ping(connection)
        except psycopg.Error:
            # One that is made now is not asked again. What took this one away has taken the others too, unless it was
            # not given the time to answer.
            raise (InvalidatePoolError if asked_until <= end else DisconnectionError) from None
    entry.info[_TAKEN] = connection
    connection.ends_at = end


def _begin(patience: Patience, connection: Connection) -> None:
    """Make the settings for this transaction, where a pooler gives the session to someone else after it."""
    driver: Any = connection.connection.driver_connection
    if driver.pooled:
        connection.exec_driver_sql(_settings(patience, "true"))


def _judge(context: ExceptionContext) -> None:
    """Give no session back to the pool that failed: the next call has a fresh one.

    Which errors leave a session as good as new is the server's secret, and a new one costs milliseconds.
    """
    error = context.original_exception
    if not isinstance(error, psycopg.Error) or isinstance(error, _STATEMENT_FAULTS):
        return
    context.is_disconnect = True
    context.invalidate_pool_on_disconnect = error.sqlstate is None or error.sqlstate.startswith(_SESSION_STATES)
