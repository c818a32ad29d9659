"""What the retention deletes: counting it, deleting it, and freeing the space."""

from datetime import datetime

from sqlalchemy import Connection

from telemetry_service.storage.expiry import Sweep, count_expired
from telemetry_service.storage.redating import Redating

_INCREMENTAL = 2
"""The value of SQLite's auto_vacuum under which freed pages can be returned."""


class RetentionStore:
    """Each step is meant to be a separate transaction."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def step(self, sweep: Sweep, rows: int) -> int:
        """Delete the next rows of ``sweep``, at most ``rows``; return how many, 0 when none are left."""
        return sweep.step(self._connection, rows)

    def redate(self, redating: Redating, rows: int) -> int:
        """Date the next rows of ``redating`` again, at most ``rows``; return how many, 0 when none are left."""
        return redating.step(self._connection, rows)

    def count(self, cutoff: datetime, most: int) -> int:
        """Return how many rows a purge with this ``cutoff`` would delete; counting ends at ``most``.

        A count reads every row that it counts, and on SQLite it blocks commits meanwhile.
        """
        return count_expired(self._connection, cutoff, most)

    def free_space(self, pages: int) -> int:
        """Let SQLite return up to ``pages`` freed pages to the file system; return how many, 0 when none are left.

        PostgreSQL does this itself with autovacuum.
        """
        if self._connection.dialect.name != "sqlite" or self._pragma("auto_vacuum") != _INCREMENTAL:
            return 0
        free = self._pragma("freelist_count")
        for _ in range(min(pages, free)):
            # One at a time: the driver considers a statement without columns finished after its first page.
            self._connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
        return free - self._pragma("freelist_count")

    def _pragma(self, name: str) -> int:
        return int(self._connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
