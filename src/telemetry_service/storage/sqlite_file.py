"""The file under a SQLite connection: still the same one, and one that may be written."""

import os
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from telemetry_service.domain.errors import StorageNotOpenedError

_FILE = "telemetry_file"
"""The file that a pooled connection was opened on."""

_FROZEN = "telemetry_frozen"
"""Whether a connection was opened on a file that it believes not to change."""


def require_same_file(engine: Engine, file: Path) -> None:
    """Never use a connection to a file that was moved or deleted, and do not create a new file in its place.

    If someone deletes or replaces the file while the service runs, it would otherwise keep writing to a file that no
    one can open again, and everything it acknowledges would be lost when the process ends.
    """

    def connect(*_: object) -> None:
        _identity(file)

    def connected(_connection: object, entry: ConnectionPoolEntry) -> None:
        entry.info[_FILE] = _identity(file)

    def checkout(_connection: object, entry: ConnectionPoolEntry, _proxy: object) -> None:
        if entry.info[_FILE] != _identity(file):
            raise DisconnectionError

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", checkout)


def _identity(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        raise StorageNotOpenedError from None
    return found.st_dev, found.st_ino


def open_where_nothing_may_be_written(engine: Engine, file: Path) -> None:
    """Read a database with a write-ahead log in a folder that may not be written: a copy, or a disk that failed.

    To read a log, SQLite creates a file beside the database. Where it cannot, and no process has left a log, the
    database alone is all there is, and is opened as a file that does not change. Such a connection is used once: a
    later one sees whether the folder may be written again.
    """

    def connect(_dialect: object, entry: ConnectionPoolEntry, arguments: list[str], options: dict[str, object]) -> None:
        entry.info[_FROZEN] = not os.access(file.parent, os.W_OK) and not _beside(file, "-wal").exists()
        if entry.info[_FROZEN]:
            arguments[:] = [f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1"]
            options["uri"] = True

    def given_back(_connection: object, entry: ConnectionPoolEntry) -> None:
        if entry.info.get(_FROZEN):
            entry.invalidate()

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "checkin", given_back)


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
