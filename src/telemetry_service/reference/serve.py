"""Runs the reference License Server in this process until it is stopped."""

import socket
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

from telemetry_service.reference.app import create_app
from telemetry_service.reference.fault_injection import CuttableProtocol
from telemetry_service.reference.options import ReferenceOptions
from telemetry_service.reference.receipts import load_signer
from telemetry_service.reference.store import Store

_BACKLOG = 128
_GRACE_SECONDS = 1
"""How long a stop waits for open responses; a *hang* fault would never end."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the License Server listens, and how its receipts are verified."""

    url: str
    public_key: str
    """Its Ed25519 public key in URL-safe base64: what ``TELEMETRY_LICENSE_SERVER_PUBLIC_KEY`` takes."""


def serve(options: ReferenceOptions, announce: Callable[[Listening], None] | None = None) -> None:
    """Serve until SIGINT, then return; or until SIGTERM, which ends the process once open responses are sent.

    ``announce`` is called as soon as connections are accepted and signals are handled.

    Raises:
        OSError: a file or the address cannot be used.
        ValueError: the signing key file does not contain an Ed25519 key, or a file in the folder of schemas is not
            the schema that its name says.
    """
    signer = load_signer(options.signing_key_file)
    with closing(Store(options.store)) as store:
        config = _configuration(options, create_app(options, store, signer))
        # uvicorn stops cleanly at SIGINT, and then raises it again.
        with closing(_listen(options)) as listener, suppress(KeyboardInterrupt):
            server = _AnnouncingServer(config, Listening(_url(options, listener), signer.public_key), announce)
            server.run(sockets=[listener])


class _AnnouncingServer(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, listening: Listening, announce: Callable[[Listening], None] | None
    ) -> None:
        super().__init__(config)
        self._listening = listening
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._announce is not None:
            self._announce(self._listening)


def _configuration(options: ReferenceOptions, app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        ssl_certfile=options.certificate_file,
        ssl_keyfile=options.key_file,
        ssl_context_factory=_at_least_tls_1_2,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # The application sends its clock's date, which a demo may have set back.
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _at_least_tls_1_2(_config: uvicorn.Config, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = make()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _listen(options: ReferenceOptions) -> socket.socket:
    """Bind the address ourselves, so that the port is known even if the system chose it."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    return socket.create_server((options.host, options.port), family=family, backlog=_BACKLOG)


def _url(options: ReferenceOptions, listener: socket.socket) -> str:
    wildcard = options.host in {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to
    host = "localhost" if wildcard else options.host
    return f"https://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
