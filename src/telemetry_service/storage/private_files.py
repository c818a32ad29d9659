"""A SQLite database's files, which only the service's user may read: the password hash is in them."""

import stat
from contextlib import suppress
from pathlib import Path

from sqlalchemy import make_url

from telemetry_service.storage.database_files import BESIDE

_OWNER_ALONE = 0o700


def make_private_file(database_url: str) -> None:
    """Create SQLite's file and its folder, readable only by this user: it contains the password hash.

    A file that exists already becomes so too, if it is this user's. Only for setting up a database; no other engine
    creates one. If it cannot be created, connecting fails with the reason.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    file = Path(url.database)
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            file.touch(mode=0o600)
    for one in open_to_others(file):
        with suppress(OSError):  # Another user's, or on a file system without modes; doctor says so.
            one.chmod(stat.S_IMODE(one.stat().st_mode) & _OWNER_ALONE)


def open_to_others(database: Path) -> list[Path]:
    """Return the files of a SQLite database that other users may read or write."""
    found = []
    for beside in BESIDE:
        with suppress(OSError):
            file = database.with_name(database.name + beside)
            if file.stat().st_mode & ~_OWNER_ALONE & 0o777:
                found.append(file)
    return found
