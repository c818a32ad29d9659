"""The names of a SQLite database's files. Commands that only write a file read this, so it loads no database."""

from pathlib import Path

_OF_THE_SERVICE = (".ledger-head", ".in-use")
BESIDE = ("", "-wal", "-shm", "-journal", *_OF_THE_SERVICE)
"""What the names of a database's files end with."""


def belongs_to_a_database(file: Path) -> bool:
    """Whether this is a SQLite database that the service has used, or a file beside one.

    The settings do not decide: they may be wrong, or those of another installation.
    """
    if any(file.with_name(f"{file.name}{suffix}").exists() for suffix in _OF_THE_SERVICE):
        return True
    database = next((file.name.removesuffix(suffix) for suffix in BESIDE[1:] if file.name.endswith(suffix)), "")
    return bool(database) and file.with_name(database).exists()
