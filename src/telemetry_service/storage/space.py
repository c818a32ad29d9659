"""How much disk space the database takes, and how much is left."""

import os
from pathlib import Path

from sqlalchemy import Connection, text

from telemetry_service.domain.errors import StorageFullError

LEAST_BYTES = 1024 * 1024
"""Roughly what the largest call takes, including SQLite's journal."""

_LARGEST = 2**63 - 1


class SpaceStore:
    """How much space the database takes."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def used_bytes(self) -> int:
        """Return the bytes of the whole database, with its indexes and what is free within its files."""
        if self._connection.dialect.name == "sqlite":
            pages, size = (self._connection.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
            return int(pages * size)
        return int(self._connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def free_bytes(file: Path) -> int | None:
    """Return how much may be written to the disk of ``file``; None if it does not report its size."""
    try:
        disk = os.statvfs(file)
    except OSError:
        return None
    # root may use the space reserved for root.
    blocks = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    return blocks * disk.f_frsize if disk.f_blocks else None


def numbers_used_up(connection: Connection) -> bool:
    """Whether a row of SQLite has the largest number, so that no other can follow it."""
    return bool(connection.scalar(text("SELECT max(seq) FROM sqlite_sequence")) == _LARGEST)


def check_space(file: Path) -> None:
    """Check that the disk of ``file`` has room. A heartbeat alone would not show it, because its row already exists.

    If the disk does not report its size, writing will show whether there is room.

    Raises:
        StorageFullError: the disk is almost full.
    """
    free = free_bytes(file)
    if free is not None and free < LEAST_BYTES:
        raise StorageFullError
