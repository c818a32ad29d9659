"""Replaces a SQLite database with a verified copy of a backup, and keeps what was there under a dated name.

A journal that a killed process left beside the old database belongs to its pages alone: SQLite would roll it back into
whatever has the name of the database. So it is rolled back first, where it belongs. Two files cannot be moved in one
moment, and a crash in between would leave a database without its journal, or the journal of another one.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from telemetry_service.domain.errors import StorageDiskError, StorageFullError
from telemetry_service.storage.backup import schema_of
from telemetry_service.storage.durable import flush, flush_names
from telemetry_service.storage.migrate import SchemaState
from telemetry_service.storage.ownership import belonging_to_the_folder
from telemetry_service.storage.sqlite_library import sqlite3

JOURNALS = ("-journal", "-wal", "-shm")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A verified copy of a backup, in the folder of the database that it will replace."""

    file: Path
    schema: SchemaState

    @property
    def url(self) -> str:
        """The copy as a database, to be changed before it has its place."""
        return f"sqlite:///{self.file}"


@contextmanager
def candidate(backup: Path, database: Path) -> Iterator[Candidate]:
    """Copy a backup into the folder of the database and verify it there. What is left of it is removed at the end.

    Raises:
        NotABackupError: the file is no complete database of this service.
        SchemaTooNewError: it was made by a newer version.
        StorageFullError: there is no space for a copy.
        StorageDiskError: the backup cannot be read, or the folder cannot be written.
    """
    try:
        number, name = tempfile.mkstemp(prefix=f".{database.name}.", suffix=".restoring", dir=database.parent)
        os.close(number)
        copy = Path(name)
    except OSError:
        raise StorageDiskError from None
    try:
        _fill(copy, backup)
        yield Candidate(copy, schema_of(copy))
    finally:
        for suffix in ("", *JOURNALS):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def put_in_place(found: Candidate, database: Path, now: datetime) -> Path | None:
    """Make it the database; return the name under which the former one is kept, or None if there was none.

    Raises:
        StorageDiskError: the files cannot be moved.
    """
    try:
        flush(found.file)
        _settle(database)
        kept = _keep(database, now)
        found.file.replace(database)
        flush_names(database.parent)
    except OSError:
        raise StorageDiskError from None
    return kept


def _fill(copy: Path, backup: Path) -> None:
    try:
        shutil.copyfile(backup, copy)
    except OSError as error:
        raise (StorageFullError if error.errno in _FULL else StorageDiskError) from None
    belonging_to_the_folder(copy)


def _settle(database: Path) -> None:
    """Let SQLite finish or undo what a killed process left half done. What it cannot read keeps its journals."""
    if not database.exists():
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _keep(database: Path, now: datetime) -> Path | None:
    """Give the former database a second name, and move there what journals it still has."""
    if not database.exists():
        kept = None
    else:
        kept = _free_name(database, now)
        # A second name, so that there is a database at every moment: a start would otherwise create an empty one.
        os.link(database, kept)
    for suffix in JOURNALS:
        journal = database.with_name(database.name + suffix)
        with suppress(FileNotFoundError):
            if kept is None:
                journal.unlink()
            else:
                journal.replace(kept.with_name(kept.name + suffix))
    return kept


def _free_name(database: Path, now: datetime) -> Path:
    dated = f"{database.name}.replaced-{now:%Y%m%dT%H%M%SZ}"
    names = (database.with_name(dated + (f"-{number}" if number else "")) for number in count())
    return next(name for name in names if not os.path.lexists(name))
