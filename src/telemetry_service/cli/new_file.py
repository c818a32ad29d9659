"""Creates a file that the user named."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from telemetry_service.domain.errors import TelemetryError


class FileRefusedError(TelemetryError):
    """The file exists already, or cannot be written."""

    code = "file-refused"
    sentence = "This file cannot be created; choose another name."


@contextmanager
def created(target: Path) -> Iterator[BinaryIO]:
    """Create a file that only this user can read; it is removed again if it does not become complete.

    Raises:
        FileRefusedError: it exists already, or cannot be created.
    """
    try:
        number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        message = f"{target} exists already, or cannot be created; choose another name."
        raise FileRefusedError(message) from None
    try:
        with os.fdopen(number, "wb") as file:
            yield file
    except BaseException:
        target.unlink(missing_ok=True)
        raise
