"""What the running service does on signals other than those that stop it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType

_IGNORED = (signal.SIGUSR1, signal.SIGUSR2)
"""By default they end a process at once; nothing here uses them."""


def ignore_signals() -> None:
    """Let no signal that means something to other programs end this one. A reload needs a service to begin with."""
    for number in (*_IGNORED, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def reloaded_on_sighup(reload: Callable[[], None]) -> Iterator[None]:
    """Call ``reload`` on SIGHUP, in its own thread: the one that gets the signal serves requests."""

    def start(_number: int, _frame: FrameType | None) -> None:
        Thread(target=reload, name="reload", daemon=True).start()

    signal.signal(signal.SIGHUP, start)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
