"""Runs a web application until it is stopped, and stops within a limit."""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from types import FrameType

import uvicorn

from telemetry_service.cli.systemd import notify_ready, notify_stopping
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.http.server import STOP_SECONDS, Application, server_config

_LAST_RESORT_SECONDS = STOP_SECONDS + 3
"""After this the process ends, whatever it is doing: less than the 40 seconds that our deployments allow. A claim that
it held is released when the lease expires."""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_server(
    app: Application, listener: socket.socket, announce: Callable[[], None], proxies: Sequence[str] = ()
) -> None:
    """Serve until stopped; call ``announce`` once the application accepts requests."""
    server_for(app, listener, announce, proxies).run([listener])


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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and announce it."""
        await super().startup(sockets)
        if self.started:
            self._announce()
            notify_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start stopping."""
        if not self.should_exit:
            last_resort = Timer(_LAST_RESORT_SECONDS, os._exit, (1,))
            last_resort.daemon = True
            last_resort.start()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Log that the service stops, then finish open requests."""
        log_event(Event.SERVICE_STOPPING)
        notify_stopping()
        await super().shutdown(sockets)


@contextmanager
def until_stopped() -> Iterator[None]:
    """End the block cleanly on Ctrl-C or SIGTERM, and treat that as success.

    SIGINT is set too, because shells start background jobs with SIGINT ignored.
    """
    before = {number: signal.signal(number, _stop_once) for number in _STOP_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _stop_once(_number: int, _frame: FrameType | None) -> None:
    # A second Ctrl-C must not interrupt the cleanup after the first.
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
