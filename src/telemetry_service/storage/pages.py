"""Whether the pages of a database are whole."""

from sqlalchemy import Connection

from telemetry_service.domain.errors import StorageDamagedError


def pages_verified(connection: Connection) -> bool | None:
    """Check every page of a SQLite database. A PostgreSQL server does it itself, if it keeps checksums; else None.

    Raises:
        StorageDamagedError: the pages contradict each other.
    """
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql("SHOW data_checksums").scalar() == "on" or None
    if connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
        raise StorageDamagedError
    return True
