"""Writes into a folder that the user chose."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry_service.domain.errors import TelemetryError


class FolderRefusedError(TelemetryError):
    """The path is not a folder, is not writable, or is not empty."""

    code = "folder-refused"
    sentence = "This folder cannot be used; choose another one with --folder."


@contextmanager
def written_into(folder: Path, *, empty: bool = False) -> Iterator[None]:
    """Create ``folder``, readable only by this user, and let the block write into it.

    Raises:
        FolderRefusedError: it cannot be created or written, or is not ``empty`` as required.
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


def write_private(file: Path, content: bytes) -> None:
    """Create a file that only this user can read, even if others can read the folder."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as created:
        created.write(content)
