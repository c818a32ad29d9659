"""Folders that a command writes into, where the user chose one that cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry_service.domain.errors import TelemetryError


class FolderRefusedError(TelemetryError):
    """What was named is no folder, may not be written, or holds something already."""

    code = "folder-refused"
    sentence = "This folder cannot be used; choose another one with --folder."


@contextmanager
def written_into(folder: Path, *, empty: bool = False) -> Iterator[None]:
    """Make ``folder`` and let the block write into it, for this user alone.

    Raises:
        FolderRefusedError: it cannot be made or written, or holds something although it is to be ``empty``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if empty and any(folder.iterdir()):
            message = f"{folder} is not empty; choose another folder with --folder."
            raise FolderRefusedError(message)
        yield
    except OSError:
        message = f"{folder} is not a writable folder; choose another one with --folder."
        raise FolderRefusedError(message) from None
