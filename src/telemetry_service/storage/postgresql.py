"""PostgreSQL: connections that keep to a deadline, detect a pooler, and are not reused after a failure."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import RV, AdaptContext, Buffer, PQGen
from psycopg.adapt import Loader
from psycopg.pq import Format
from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry_service.domain.errors import StorageOptionsError
from telemetry_service.storage.deadline import Patience, ends_at, seconds_until
from telemetry_service.storage.postgresql_errors import judge

PING_SECONDS = 5
"""How long a pooled connection has to show that it is alive before another one is opened."""

_DRIVERS_OWN = ("autocommit", "row_factory", "cursor_factory", "server_cursor_factory", "context")
"""Arguments of the driver that are not connection options; as text, each would mean something else."""

_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "fallback_application_name": "control-core-telemetry",
    # Text is UTF-8 even if the database declares no encoding (SQL_ASCII).
    "client_encoding": "utf8",
    # A middlebox drops connections silently: send keepalives, and do not wait for unacknowledged data.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""Defaults that the URL may override."""

_TAKEN = "telemetry_taken"
"""The connection in this slot of the pool that was used before."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed at its deadline instead of being waited for."""

    ends_at: float
    pooled = False
    """Whether there is a pooler in between, which gives the session to other clients after each transaction."""
    born_read_only = False
    """Whether it was read-only when it was opened. It may stay so after the database no longer is."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for the server as the driver does, but no longer than the deadline."""
        left = seconds_until(self.ends_at)
        try:
            return super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except errors.OperationalError:
            if time.monotonic() >= self.ends_at:
                self.close()  # It is in an unknown state and must not be reused.
            raise


class TimesLoader(Loader):
    """Reads times. One that Python does not have, such as infinity, becomes one that the column's type refuses.

    The driver's own reader would fail the whole query for it.
    """

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        """Use the driver's reader."""
        super().__init__(oid, context)
        reader = psycopg.adapters.get_loader(oid, Format.TEXT)
        assert reader is not None  # noqa: S101 - the driver has one for its own types
        self._reader = reader(oid, context)

    def load(self, data: Buffer) -> Any:  # noqa: ANN401 - as the driver's
        """Return a time."""
        try:
            return self._reader.load(data)
        except errors.DataError:
            return datetime.max.replace(tzinfo=UTC)


def postgresql_engine(url: URL, patience: Patience) -> Engine:
    """Return an engine for PostgreSQL; nothing is connected yet."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg", query=_libpq_options(url)),
        # Reads after waiting for a lock must see the latest data, regardless of the database's default. Otherwise a
        # report would be added to a period that was closed while it waited, and be lost.
        isolation_level="READ COMMITTED",
        pool_size=10,
        max_overflow=10,
        pool_timeout=10,
        hide_parameters=True,
        # This would query the server for an extension that is not used here.
        use_native_hstore=False,
        connect_args={name: value for name, value in _DEFAULTS.items() if name not in url.query} | _threshold(url),
    )
    event.listen(engine, "do_connect", partial(_connect, patience))
    event.listen(engine, "connect", partial(_prepare, patience))
    event.listen(engine, "checkout", partial(_take, patience, engine.dialect))
    event.listen(engine, "begin", partial(_begin, patience))
    event.listen(engine, "handle_error", judge)
    return engine


def _libpq_options(url: URL) -> dict[str, str | tuple[str, ...]]:
    """Return the URL's options for libpq; refuse those that only a program can pass."""
    query = {name: value for name, value in url.query.items() if name != "prepare_threshold"}
    several = [name for name, value in query.items() if not isinstance(value, str) and name in _DEFAULTS]
    if refused := [name for name in _DRIVERS_OWN if name in query] + several:
        raise StorageOptionsError(refused)
    if isinstance(given := query.get("options", ""), tuple):
        query["options"] = " ".join(given)
    return query


def _threshold(url: URL) -> dict[str, int | None]:
    """Return after how many repetitions a statement is prepared, if the URL says so; ``none`` means never."""
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
    """Connect before the deadline. In a separate thread, because no option limits the wait for name resolution."""
    end = ends_at(patience)
    connection = _within(seconds_until(end), lambda: BoundedConnection.connect(*given, **named))
    connection.ends_at = end
    connection.adapters.register_loader("timestamptz", TimesLoader)
    return connection


def _within(seconds: float, connect: Callable[[], BoundedConnection]) -> BoundedConnection:
    coming: Future[BoundedConnection] = Future()
    threading.Thread(target=_fulfil, args=(coming, connect), name="connecting", daemon=True).start()
    try:
        return coming.result(seconds)
    except NotYetError:
        if not coming.cancel():
            return coming.result()  # It was opened at the last moment.
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
        connection.close()  # The caller has given up waiting.


def _prepare(patience: Patience, connection: BoundedConnection, _entry: ConnectionPoolEntry) -> None:
    """Detect a pooler; without one, set up the session.

    A pooler reports an invented process ID, because it has no server session yet. Session settings would leak to its
    other clients, and prepared statements would be lost, so it gets neither.
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
    """Return the statement that applies all settings; ``local`` limits them to this transaction."""
    values = {
        "timezone": "'UTC'",
        "datestyle": "'ISO'",
        "lock_timeout": f"'{patience.lock * 1000:.0f}'",
        "statement_timeout": f"'{patience.statement * 1000:.0f}'",
        # A replica that is stopped in the middle of a transaction must not keep its locks.
        "idle_in_transaction_session_timeout": "'30000'",
        # Wait for the disk at each commit, even if the database's default is not to; keep a stricter default.
        "synchronous_commit": "coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on')",
    }
    made = ", ".join(f"set_config('{name}', {value}, {local})" for name, value in values.items())
    return f"SELECT pg_backend_pid(), current_setting('transaction_read_only'), {made}"


def _take(
    patience: Patience, dialect: Dialect, connection: BoundedConnection, entry: ConnectionPoolEntry, _proxy: object
) -> None:
    """Reuse a pooled connection only if it was not read-only when opened, and quickly shows that it is alive."""
    end = ends_at(patience)
    if entry.info.get(_TAKEN) is connection:
        if connection.born_read_only:
            raise DisconnectionError
        asked_until = time.monotonic() + PING_SECONDS
        connection.ends_at = min(end, asked_until)
        try:
            dialect.do_ping(connection)
        except psycopg.Error:
            # A new connection is not checked. Whatever broke this one has broken the others too, unless it only ran out
            # of time.
            raise (InvalidatePoolError if asked_until <= end else DisconnectionError) from None
    entry.info[_TAKEN] = connection
    connection.ends_at = end


def _begin(patience: Patience, connection: Connection) -> None:
    """Apply the settings for this transaction if a pooler gives the session to others afterwards."""
    driver: Any = connection.connection.driver_connection
    if driver.pooled:
        connection.exec_driver_sql(_settings(patience, "true"))
