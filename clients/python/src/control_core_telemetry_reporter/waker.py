"""Waits for a while or until it is woken. No wall clock takes part, whatever the C library does with its locks."""

import os
import select
from contextlib import suppress


class Waker:
    """A pipe with at most one byte in it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def wait(self, seconds: float) -> None:
        """Return when it is woken, or after this time."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if poll.poll(max(0.0, seconds) * 1000):
            os.read(self._reader, 1024)

    def wake(self) -> None:
        """End the wait, or the next one."""
        with suppress(BlockingIOError):  # It is full: woken often enough.
            os.write(self._writer, b".")

    def close(self) -> None:
        """Close both ends."""
        os.close(self._reader)
        os.close(self._writer)
