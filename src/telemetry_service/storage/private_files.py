"""A SQLite database's files, which only the service's user may read: the password hash is in them."""

import stat
from contextlib import suppress
from pathlib import Path

from sqlalchemy import make_url

_OF_THE_SERVICE = (".ledger-head", ".in-use")
_BESIDE = ("", "-wal", "-shm", "-journal", *_OF_THE_SERVICE)
"""What the names of a database's files end with."""

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
    for beside in _BESIDE:
        with suppress(OSError):
            file = database.with_name(database.name + beside)
            if file.stat().st_mode & ~_OWNER_ALONE & 0o777:
                found.append(file)
    return found


def belongs_to_a_database(file: Path) -> bool:
    """Whether this is a SQLite database that the service has used, or a file beside one.

    The settings do not decide: they may be wrong, or those of another installation.
    """
    if any(file.with_name(f"{file.name}{suffix}").exists() for suffix in _OF_THE_SERVICE):
        return True
    database = next((file.name.removesuffix(suffix) for suffix in _BESIDE[1:] if file.name.endswith(suffix)), "")
    return bool(database) and file.with_name(database).exists()
