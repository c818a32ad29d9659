"""A clock that stands still until a test moves it, the same in every process that opens its file."""

import mmap
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

_MICROSECONDS = struct.Struct("<q")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

START = datetime(2026, 11, 3, 10, 0, tzinfo=UTC)
"""Where a test begins: an ordinary Tuesday, twelve days before a tick of the default schedule."""


class SharedClock:
    """Eight bytes of shared memory that hold the present moment."""

    def __init__(self, path: Path, start: datetime = START) -> None:
        """Open the clock at ``path``, or make one that shows ``start``."""
        if not path.exists():
            path.write_bytes(_MICROSECONDS.pack((start - _EPOCH) // _MICROSECOND))
        descriptor = os.open(path, os.O_RDWR)
        self._memory: mmap.mmap | bytearray = mmap.mmap(descriptor, _MICROSECONDS.size)
        os.close(descriptor)

    def close(self) -> None:
        """Let go of the file, which the memory keeps open. The clock stands still from now on."""
        shared, self._memory = self._memory, bytearray(self._memory[:])
        if isinstance(shared, mmap.mmap):
            shared.close()

    def now(self) -> datetime:
        """Return the moment that the clock shows."""
        return _EPOCH + timedelta(microseconds=_MICROSECONDS.unpack_from(self._memory)[0])

    def set(self, moment: datetime) -> None:
        """Set the clock, forward or back."""
        _MICROSECONDS.pack_into(self._memory, 0, (moment - _EPOCH) // _MICROSECOND)

    def advance(self, **units: float) -> datetime:
        """Move the clock by a ``timedelta`` of these units and return what it shows then."""
        self.set(self.now() + timedelta(**units))
        return self.now()
