"""What signals do to a process that runs until it is stopped, from its first moment to its last.

A handler interrupts the main thread anywhere, also while it holds a lock of the standard library, such as that of all
threads. So a handler takes no lock and starts no thread: it passes work on in a ``SimpleQueue``, which allows that.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_IGNORED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""By default they end a process at once. The service uses only SIGHUP, once there is something to reload."""

_RUN_UNTIL_STOPPED = frozenset({"serve", "demo"})


def expect_signals(arguments: Sequence[str]) -> None:
    """Be ready for signals before a command is loaded that runs until it is stopped; its name is the first argument.

    Until it has begun, SIGINT and SIGTERM end it at once: it has promised nothing yet, and each start repairs what an
    interrupted one left. The first process of a container would not even get a signal that it does not handle.
    """
    command = arguments[0] if arguments else ""
    if command in _RUN_UNTIL_STOPPED:
        for number in STOP_SIGNALS:
            signal.signal(number, _end)
    if command == "serve":
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)


def ignore_stop_signals() -> None:
    """Let no further signal disturb the end of the process, not even while Python clears up."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def reloaded_on_sighup(reload: Callable[[], None]) -> Iterator[None]:
    """Call ``reload`` on SIGHUP, in its own thread: the one that gets the signal serves requests."""
    told: SimpleQueue[int | None] = SimpleQueue()

    def reload_when_told() -> None:
        while told.get() is not None:
            reload()

    Thread(target=reload_when_told, name="reload", daemon=True).start()
    signal.signal(signal.SIGHUP, lambda number, _frame: told.put(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        told.put(None)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)
