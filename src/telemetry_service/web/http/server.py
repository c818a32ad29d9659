"""Configures uvicorn: no access log, no Server header, with limits and a clean stop."""

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
from telemetry_service.web.http.strict_connection import HEADER_BYTES

Application: TypeAlias = FastAPI
"""The web application, for code that passes it on without knowing the framework."""

STOP_SECONDS = 35
"""How long a stop waits for open calls: slightly longer than an exchange with the License Server may take, and slightly
less than the 40 seconds that our deployments allow."""

KEEP_ALIVE_SECONDS = 65
"""Longer than the idle timeout of common proxies, so that they close a connection first."""


def server_config(
    app: Application,
    host: str,
    port: int,
    trusted_proxies: Sequence[str] = (),
    limits: ConnectionLimits | None = None,
    connection: type[CallerConnection] = CallerConnection,
) -> uvicorn.Config:
    """Return the configuration; logging is the caller's (see ``log/setup.py``), and stays as it is.

    Only ``trusted_proxies`` (addresses or networks) may report where a caller comes from.
    """
    # A line of an access log contains a person's address and query. ``access_log`` below removes its handlers, which a
    # later logging configuration would restore; this is permanent.
    logging.getLogger("uvicorn.access").disabled = True
    proxies = TrustedProxies(trusted_proxies)
    counter = ConnectionCounter(limits or ConnectionLimits.of_this_process(), proxies)
    # A refusal concerns the caller, not the proxy that forwarded the request.
    turns = Turns(forwarded_requests(absolute_targets(app), proxies, counter))
    protocol: Any = partial(connection, counter=counter, turns=turns)  # Any factory is accepted, not only types.
    return uvicorn.Config(
        turns,
        host=host,
        port=port,
        lifespan="on",
        http=protocol,
        h11_max_incomplete_event_size=HEADER_BYTES,
        # The environment must not decide: uvicorn would read WEB_CONCURRENCY.
        workers=1,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # forwarded.py does this.
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
