"""The SQLite library: a current one where there is a wheel of it, else Python's own, which may be old.

A distribution's old release must not keep a write-ahead log. With one, a commit waits for the disk
once instead of three times, and those who read never wait for those who write.

Whatever opens a file of the service's database must use this library: two of them in one process do not see each
other's locks.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:
        import sqlite3

_WAL_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""The first releases, newest first, in which a checkpoint reset with two connections no longer corrupts the file."""


def _wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this release of SQLite has the fix that the write-ahead log requires."""
    newest = _WAL_FIXED[0]
    return version >= newest or any(version[:2] == fixed[:2] and version >= fixed for fixed in _WAL_FIXED)


KEEPS_LOG = _wal_is_safe(sqlite3.sqlite_version_info)
"""Whether databases get a write-ahead log."""

__all__ = ["KEEPS_LOG", "sqlite3"]
