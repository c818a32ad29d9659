"""How uvicorn serves the application: without an access log, without naming itself, bounded, and ending in order."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import uvicorn
from fastapi import FastAPI

from telemetry_service.web.http.addresses import TrustedProxies
from telemetry_service.web.http.caller_connection import CallerConnection
from telemetry_service.web.http.connection_limits import ConnectionCounter, ConnectionLimits
from telemetry_service.web.http.forwarded import forwarded_requests
from telemetry_service.web.http.probes import Turns
from telemetry_service.web.http.request_target import absolute_targets

Application: TypeAlias = FastAPI
"""The web application, for those who hand it on without knowing the framework."""

STOP_SECONDS = 35
"""How long a stop waits for calls under way: a little longer than an exchange with the License Server may take, and
a little shorter than the 40 seconds that our deployments give it."""

KEEP_ALIVE_SECONDS = 65
"""Longer than the idle timeout of the usual proxies, so that it is they who close a connection."""

_HEADER_BYTES = 28 * 1024
"""More than any browser or service sends before the body. What is no longer always passes; what is longer than 32 KiB
never does, because ``caller_connection.py`` looks at every 4 KiB. Of the parsers only h11 keeps such a bound."""


def server_config(
    app: Application,
    host: str,
    port: int,
    trusted_proxies: Sequence[str] = (),
    limits: ConnectionLimits | None = None,
    connection: type[CallerConnection] = CallerConnection,
) -> uvicorn.Config:
    """Return the configuration; logging is the caller's (see ``logs.py``), and stays as it is.

    Only ``trusted_proxies`` (addresses or networks) are believed in what they forward of a caller's origin.
    """
    # A line of an access log holds the address of a person and the query that was asked. ``access_log`` below takes
    # away its handlers, which whoever configures logging later gives back; this holds.
    logging.getLogger("uvicorn.access").disabled = True
    proxies = TrustedProxies(trusted_proxies)
    counter = ConnectionCounter(limits or ConnectionLimits.of_this_process(), proxies)
    # Whatever is refused is refused to the caller, not to the proxy that handed it on.
    turns = Turns(forwarded_requests(absolute_targets(app), proxies, counter))
    protocol: Any = partial(connection, counter=counter, turns=turns)  # Any factory is taken, not types alone.
    return uvicorn.Config(
        turns,
        host=host,
        port=port,
        lifespan="on",
        http=protocol,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        # Nothing of the environment decides: WEB_CONCURRENCY would be read here.
        workers=1,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # Read by forwarded.py.
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
