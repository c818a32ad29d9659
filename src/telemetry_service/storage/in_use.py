"""Whether the service uses a SQLite database: a file beside it, which the running service keeps locked.

A lock ends with its process, however that ends, so nothing is left behind after a crash. It is not on the database
itself: closing any other descriptor of that file would release SQLite's own locks.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import finalize

from sqlalchemy import make_url

from telemetry_service.domain.errors import ServiceRunningError, StorageBusyError, StorageNotOpenedError
from telemetry_service.storage.ownership import belonging_to_the_folder

IN_USE = ".in-use"
"""What the name of the file ends with."""


def file_of(database_url: str) -> Path | None:
    """Return the file of a SQLite database, where symbolic links end; None for a database on a server."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    return Path(os.path.realpath(url.database))


class InUse:
    """Shows that this process runs the service on a database, as long as this object lives. Several processes may."""

    def __init__(self, database_url: str) -> None:
        """Show it from now on. Without write access to the folder, nothing can be shown.

        Raises:
            StorageBusyError: the database is being replaced now.
        """
        self.end: Callable[[], object] = _nothing
        """Shows it no longer."""
        file = file_of(database_url)
        if file is None:
            return
        try:
            descriptor = _opened(file)
        except OSError:
            return
        self.end = finalize(self, os.close, descriptor)
        if not _locked(descriptor, fcntl.LOCK_SH):
            raise StorageBusyError


def _nothing() -> None:
    """There is nothing to end."""


@contextmanager
def kept_from_the_service(file: Path) -> Iterator[None]:
    """Let no service use a SQLite database within the block. Its folder is created if it does not exist.

    Raises:
        ServiceRunningError: one does.
        StorageNotOpenedError: the folder cannot be created or written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _opened(file)
    except OSError:
        raise StorageNotOpenedError from None
    try:
        if not _locked(descriptor, fcntl.LOCK_EX):
            raise ServiceRunningError
        yield
    finally:
        os.close(descriptor)


def _opened(file: Path) -> int:
    beside = file.with_name(file.name + IN_USE)
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    belonging_to_the_folder(beside)
    return descriptor


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # A file system without such locks: nothing can be known.
        return True
    return True
