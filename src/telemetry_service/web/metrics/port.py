"""A separate port for the metrics: it needs no token, so anyone who can reach it may read them.

By default, only this machine can. It has its own threads, so it responds even if the service is overloaded.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

PATH = "/metrics"

SCRAPES = 8
"""Scrapes at once; beyond that, connections are closed. A deployment has one Prometheus, or two."""

_SILENCE_SECONDS = 10
"""How long a connection may say nothing."""


@contextmanager
def metrics_port(listener: socket.socket, registry: CollectorRegistry) -> Iterator[None]:
    """Serve the metrics of ``registry`` on ``listener`` until the block ends; the socket stays the caller's."""
    with _Server(listener) as server:
        server.set_app(_only_metrics(make_wsgi_app(registry)))
        thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Request(WSGIRequestHandler):
    timeout = _SILENCE_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the library's signature
        """Log nothing: it would be an access log."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self.address_family = listener.family
        super().__init__((host, port), _Request, bind_and_activate=False)
        self.socket.close()
        self.socket = listener.dup()
        self.server_name, self.server_port = host, port
        self.setup_environ()
        self._free = BoundedSemaphore(SCRAPES)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the library's signature
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        """Say nothing: a caller that disconnects is not an error, and the text could show an address."""


def _only_metrics(metrics: WSGIApplication) -> WSGIApplication:
    """Return an application that has one page; the library's own responds to any path."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH:
            return metrics(environ, start_response)
        status = HTTPStatus.NOT_FOUND
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"Only /metrics is served here.\n"]

    return serve
