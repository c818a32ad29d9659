"""A file that appears under its name only when it is complete and on the disk."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from telemetry_service.cli.new_file import FileRefusedError
from telemetry_service.storage.database_files import belongs_to_a_database
from telemetry_service.storage.durable import flush, flush_names


class FileExistsAlreadyError(FileRefusedError):
    """It exists, and it was not said that it may be replaced."""

    code = "file-exists"
    sentence = "This file exists already; choose another name, or replace it with --overwrite."


@contextmanager
def whole_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give the path of a new file that only this user can read; at the end it has the name ``target``.

    Whatever interrupts the block, there is no part of it under that name.

    Raises:
        FileExistsAlreadyError: ``target`` exists, and is not to be overwritten.
        FileRefusedError: the file cannot be created there, or would replace one of a database.
    """
    if not overwrite and os.path.lexists(target):
        raise _exists(target)
    if belongs_to_a_database(target):
        message = f"{target} belongs to a database of the service; choose another name."
        raise FileRefusedError(message)
    unfinished = _created_beside(target)
    try:
        with interrupted_by_sigterm():
            yield unfinished
            _publish(unfinished, target, overwrite=overwrite)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C within the block, so that it can clean up."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _created_beside(target: Path) -> Path:
    try:
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".unfinished", dir=target.parent)
    except OSError:
        message = f"{target} cannot be created; choose another name."
        raise FileRefusedError(message) from None
    os.close(number)
    return Path(name)


def _publish(unfinished: Path, target: Path, *, overwrite: bool) -> None:
    try:
        flush(unfinished)
    except OSError:
        raise cannot_be_written(target) from None
    if overwrite:
        unfinished.replace(target)
    else:
        try:
            os.link(unfinished, target)  # Unlike a rename, this never replaces a file that has appeared meanwhile.
        except FileExistsError:
            raise _exists(target) from None
        except OSError:  # A file system without hard links.
            unfinished.rename(target)
    flush_names(target.parent)


def cannot_be_written(target: Path) -> FileRefusedError:
    """Return the error of a disk that is full, or that fails."""
    return FileRefusedError(f"{target} cannot be written; choose another disk, or free some space.")


def _exists(target: Path) -> FileExistsAlreadyError:
    return FileExistsAlreadyError(f"{target} exists already; choose another name, or replace it with --overwrite.")
