"""How uvicorn serves the application: without an access log, without naming itself, and ending in order."""

import uvicorn
from fastapi import FastAPI

STOP_SECONDS = 40
"""How long a stop waits for calls under way: a little longer than an exchange with the License Server may take."""

KEEP_ALIVE_SECONDS = 65
"""Longer than the idle time-out of the usual proxies, so that it is they who close a connection."""


def server_config(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """Return the configuration; logging is the caller's (see ``logs.py``), and stays as it is."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="on",
        ws="none",
        # A line of an access log holds the address of a person and the query that was asked.
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
