"""Makes sure that files are on the disk."""

import os
from contextlib import suppress
from pathlib import Path


def flush(file: Path) -> None:
    """Return when the content of a file is on the disk.

    Raises:
        OSError: it could not be written.
    """
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_names(folder: Path) -> None:
    """Return when the names in a folder are on the disk, where the file system can tell."""
    with suppress(OSError):
        flush(folder)
