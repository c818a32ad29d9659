"""Runs a web application until it is told to stop, and stops within a bound."""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from types import FrameType
from typing import Any

import uvicorn

STOP_SECONDS = 35
"""How long a stop waits for requests under way: a little more than an exchange with the License Server may take."""

_LAST_RESORT_SECONDS = STOP_SECONDS + 3
"""After this the process ends whatever it is doing: below the 40 seconds that our deployments give it. A claim that
it held is given back by its lease."""

_HEADER_BYTES = 32 * 1024
"""More than any browser or service sends before the body."""

_CONNECTIONS = 1_000
"""Beyond this callers are answered 503 rather than served ever more slowly."""


def server_for(app: Any, announce: Callable[[], None], trusted_proxies: Sequence[str] = ()) -> "Server":  # noqa: ANN401 - an ASGI application
    """Return a server for ``app`` that calls ``announce`` once it answers.

    Without ``trusted_proxies`` no caller is believed in what it says of its origin.
    """
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        h11_max_incomplete_event_size=_HEADER_BYTES,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=STOP_SECONDS,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
    )
    return Server(config, announce)


class Server(uvicorn.Server):
    """Announces itself, and never outlasts its last resort."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        """Prepare; :meth:`run` makes it run."""
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        if self.started:
            self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        if not self.should_exit:
            last_resort = Timer(_LAST_RESORT_SECONDS, os._exit, (1,))
            last_resort.daemon = True
            last_resort.start()
        super().handle_exit(sig, frame)


_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def until_told_to_stop() -> Iterator[None]:
    """Let both Ctrl-C and SIGTERM end the block in an orderly way; it then counts as well ended.

    SIGINT is set too, for a shell starts what runs in its background with SIGINT ignored.
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
    # A second Ctrl-C must not interrupt the tidying up after the first.
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
