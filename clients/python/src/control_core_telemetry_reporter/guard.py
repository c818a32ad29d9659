"""A lock that knows when its own thread has it already: in a signal handler, or in a finalizer."""

from threading import RLock
from types import TracebackType
from typing import Self


class Guard:
    """Use it as a context manager."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._depth = 0

    @property
    def is_nested(self) -> bool:
        """Whether the thread that has it interrupted itself: what it was about to change may be half changed."""
        return self._depth > 1

    def acquire(self, seconds: float) -> bool:
        """Take it without a context; whether that was possible in this time."""
        if self._lock.acquire(timeout=seconds):
            self._depth += 1
            return True
        return False

    def release(self) -> None:
        """Give it back."""
        self._depth -= 1
        self._lock.release()

    def __enter__(self) -> Self:
        self._lock.acquire()
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
