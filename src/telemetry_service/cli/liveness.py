"""The container's health check: does a process on this machine answer? It loads nothing of the house."""

import urllib.error
from http import HTTPStatus
from urllib.request import ProxyHandler, build_opener

_TIMEOUT_SECONDS = 3


def is_alive(port: int) -> bool:
    """Whether the service that listens on a local port answers."""
    # No proxy of the environment has anything to do with this machine's own port.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/healthz", timeout=_TIMEOUT_SECONDS) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False
