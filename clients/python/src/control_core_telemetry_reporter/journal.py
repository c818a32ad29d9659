"""A file of records, one on each line with its checksum. One process at a time holds it.

What was synced is never lost. A record that a crash tore is the last one that counts, and the next append replaces it.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

Record = dict[str, Any]

FORMAT = 1
_HEADER: Record = {"format": FORMAT}
SUFFIX = ".spool"
_NEW_SUFFIX = ".new"
_SYNCED = ("fixed", "sent")
_MODE = 0o600
_CHECKSUM_LENGTH = 8


class DamagedError(Exception):
    """Records in the middle of the file are unreadable, so no one knows what has been sent."""


class NewerFormatError(Exception):
    """A later version wrote the file."""


class Journal(Protocol):
    """Where a spool keeps its records."""

    def append(self, record: Record, *, sync: bool) -> None:
        """Add a record. Raises OSError; then nothing was added."""

    def replace(self, records: Iterable[Record]) -> None:
        """Keep these records instead of all others. Raises OSError; then nothing has changed."""

    @property
    def size(self) -> int:
        """The bytes that it takes."""

    def close(self) -> None:
        """Give it up; another process may have it."""

    def remove(self) -> None:
        """Delete it and give it up."""


class NoJournal:
    """Keeps nothing, for as long as the disk takes nothing."""

    size = 0

    def append(self, record: Record, *, sync: bool) -> None:
        """Keep nothing."""

    def replace(self, records: Iterable[Record]) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Do nothing."""

    def remove(self) -> None:
        """Do nothing."""


class FileJournal:
    """A journal in a file that this process has locked."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        """Take over a locked file whose first ``size`` bytes are good; use ``open_journal``."""
        self._path = path
        self._descriptor = descriptor
        self._size = size
        self._torn = False

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return self._size

    def append(self, record: Record, *, sync: bool) -> None:
        """Add a record."""
        line = _line(record)
        self._mend()
        try:
            _write(self._descriptor, line)
            if sync:
                os.fsync(self._descriptor)
        except OSError:
            self._torn = True
            self._mend()
            raise
        self._size += len(line)

    def replace(self, records: Iterable[Record]) -> None:
        """Keep these records instead of all others."""
        content = b"".join(map(_line, [_HEADER, *records]))
        new = self._path.with_suffix(SUFFIX + _NEW_SUFFIX)
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(descriptor, content)
            os.fsync(descriptor)
            new.replace(self._path)
        except OSError:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        os.close(self._descriptor)
        self._descriptor, self._size, self._torn = descriptor, len(content), False
        sync_folder(self._path.parent)

    def close(self) -> None:
        """Give it up; another process may have it. Later appends fail, and hit no other file."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def remove(self) -> None:
        """Delete it and give it up."""
        self._path.with_suffix(SUFFIX + _NEW_SUFFIX).unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)
        self.close()

    def _mend(self) -> None:
        """Cut off what a failed append left, because everything after it would be unreadable."""
        if self._torn:
            os.ftruncate(self._descriptor, self._size)
            self._torn = False


def open_journal(path: Path, *, create: bool = False) -> tuple[FileJournal, list[Record]] | None:
    """Lock a file and read it; None if another process has it, or it is gone.

    Raises:
        OSError: it cannot be opened, read or written.
        DamagedError: it is unreadable; ``set_damaged_aside`` renamed it.
        NewerFormatError: a later version wrote it.
    """
    descriptor = _locked(path, create=create)
    if descriptor is None:
        return None
    try:
        records, good = read(_content(descriptor))
        os.ftruncate(descriptor, good)
        journal = FileJournal(path, descriptor, good)
        if not good:
            journal.append(_HEADER, sync=True)
            sync_folder(path.parent)
    except DamagedError:
        path.replace(path.with_suffix(".damaged"))
        os.close(descriptor)
        raise
    except (OSError, NewerFormatError):
        os.close(descriptor)
        raise
    return journal, records


def read(content: bytes) -> tuple[list[Record], int]:
    """Return the records of a file up to a torn one, and how many bytes are good.

    What follows a torn record was never synced. But a record is synced before reports are sent: if such a record, or
    anything after a torn header, can be read, the file is damaged.

    Raises:
        DamagedError: it is unreadable.
        NewerFormatError: a later version wrote it.
    """
    lines = content.splitlines(keepends=True)
    records = [_record(line) for line in lines]
    torn = next((index for index, record in enumerate(records) if record is None), len(records))
    if any(record and (torn == 0 or not record.keys().isdisjoint(_SYNCED)) for record in records[torn:]):
        raise DamagedError
    whole = [record for record in records[:torn] if record is not None]
    if whole and whole[0] != _HEADER:
        raise NewerFormatError
    return whole[1:], sum(map(len, lines[:torn]))


def sync_folder(folder: Path) -> None:
    """Make the names of a folder's files durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked(path: Path, *, create: bool) -> int | None:
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path, flags, _MODE)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder may have replaced or deleted it in the meantime.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _content(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    parts = []
    position = 0
    while position < size and (part := os.pread(descriptor, size - position, position)):
        parts.append(part)
        position += len(part)
    return b"".join(parts)


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _line(record: Record) -> bytes:
    text = json.dumps(record, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _record(line: bytes) -> Record | None:
    """Return the record of a line; None if the line is torn."""
    checksum, text = line[:_CHECKSUM_LENGTH], line[_CHECKSUM_LENGTH + 1 : -1]
    if line[-1:] != b"\n" or checksum != b"%08x" % zlib.crc32(text):
        return None
    record = json.loads(text)
    return record if isinstance(record, dict) else None


def as_rows(record: Record, name: str) -> Sequence[Any]:
    """Return a record's list.

    Raises:
        ValueError: it has none.
    """
    rows = record[name]
    if not isinstance(rows, list):
        raise ValueError("not a list")  # noqa: TRY004 - one error for whatever is wrong with a file
    return rows
