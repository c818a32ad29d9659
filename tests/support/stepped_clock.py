"""The wall clock of a running process, set forward and back while it runs (libfaketime with a file that it rereads).

Its monotonic clock is left alone, as the kernel's is when somebody sets the time.
"""

import glob
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.programs import needs

_LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)  # noqa: PTH207 - a pattern of its own
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

needs_faketime = needs(_LIBRARY, "libfaketime, which moves a process in time, is missing")


class SteppedClock:
    """Shows the right time until it is stepped."""

    def __init__(self, folder: Path) -> None:
        """Keep the file that the processes read in ``folder``."""
        self._file = folder / "wall-clock"
        self._offset = timedelta(0)
        self.step(timedelta(0))

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to go by this clock."""
        return {
            "LD_PRELOAD": str(_LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Else it ends each timed wait on the monotonic clock at once, so that a thread that waits for the lock of
            # the interpreter spins: five of every six seconds of processor time.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def now(self) -> datetime:
        """Return what it shows."""
        return datetime.now(UTC) + self._offset  # noqa: TID251 - the clock of the machine itself

    def step(self, offset: timedelta) -> None:
        """Set it to the right time and ``offset``, in one moment and for all who go by it."""
        self._offset = offset
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(f"{int(offset.total_seconds()):+d}\n")
        unfinished.rename(self._file)

    def step_to_the_epoch(self) -> None:
        """Set it to the first minute of 1970, where a machine without a battery begins."""
        self.step(timedelta(seconds=int((_EPOCH - self.now() + self._offset).total_seconds()) + 10))
