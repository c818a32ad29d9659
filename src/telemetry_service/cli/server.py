"""Runs a web application until it is stopped, and stops within a limit."""

import os
import select
import signal
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from types import FrameType

import uvicorn

from telemetry_service.cli.signals import STOP_SIGNALS, ignore_stop_signals
from telemetry_service.cli.systemd import notify_ready, notify_stopping
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.http.server import STOP_SECONDS, Application, server_config

_LAST_RESORT_SECONDS = STOP_SECONDS + 3
"""After this the process ends, whatever it is doing: less than the 40 seconds that our deployments allow. A claim that
it held is released when the lease expires."""


def run_server(
    app: Application, listener: socket.socket, announce: Callable[[], None], proxies: Sequence[str] = ()
) -> None:
    """Serve until SIGINT or SIGTERM; call ``announce`` once the application accepts requests.

    The process ends afterwards: from the first signal on, no other one has an effect.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        return  # The signal came where Python swallows exceptions, such as in the callback of a weak reference.
    server = server_for(app, listener, announce, proxies)
    Thread(target=server.end_if_it_hangs, name="last-resort", daemon=True).start()
    for number in STOP_SIGNALS:
        signal.signal(number, server.handle_exit)
    server.run([listener])
    ignore_stop_signals()


def server_for(
    app: Application, listener: socket.socket, announce: Callable[[], None], proxies: Sequence[str] = ()
) -> "Server":
    """Return a server for ``app``, to be run on ``listener``."""
    host, port = listener.getsockname()[:2]
    return Server(server_config(app, host, port, proxies), announce)


class Server(uvicorn.Server):
    """Announces itself, and always ends in time."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        """Prepare; call ``run`` to run it."""
        super().__init__(config)
        self._announce = announce
        self._told_to_stop: SimpleQueue[None] = SimpleQueue()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and announce it."""
        await super().startup(sockets)
        if self.started:
            self._announce()
            notify_ready()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone: uvicorn takes them over within its loop, too late for one in the moment before."""
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Start stopping. A second signal does not keep the service from finishing its work."""
        self.should_exit = True
        self._told_to_stop.put(None)

    def end_if_it_hangs(self) -> None:
        """Wait for a signal to stop, and end the process if the server does not stop in time."""
        self._told_to_stop.get()
        select.select((), (), (), _LAST_RESORT_SECONDS)  # By the monotonic clock, whatever becomes of the other.
        os._exit(1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Log that the service stops, then finish open requests."""
        log_event(Event.SERVICE_STOPPING)
        notify_stopping()
        await super().shutdown(sockets)


@contextmanager
def until_stopped() -> Iterator[None]:
    """End the block cleanly on Ctrl-C or SIGTERM, and treat that as success; the process ends afterwards.

    SIGINT is set too, because shells start background jobs with SIGINT ignored.
    """
    before = {number: signal.signal(number, _stop_once) for number in STOP_SIGNALS}
    try:
        yield
    except _StoppedError:
        pass
    except BaseException:
        for number, previous in before.items():
            signal.signal(number, previous)
        raise
    ignore_stop_signals()


class _StoppedError(SystemExit):
    """Not a KeyboardInterrupt: if one passes through ``exec``, Python ends with SIGINT, even if it is caught."""


def _stop_once(_number: int, _frame: FrameType | None) -> None:
    # A second Ctrl-C must not interrupt the cleanup after the first.
    ignore_stop_signals()
    raise _StoppedError(0)
