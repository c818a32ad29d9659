"""The client of the License Server: transmit one sealed message, or check the connection."""

from collections.abc import Collection, Sequence
from datetime import datetime
from http import HTTPStatus

import httpx

from telemetry_service.domain.connection_check import ConnectionCheck, OnStep, StepName, ignore_step
from telemetry_service.domain.errors import SettingsError
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Outcome
from telemetry_service.license_server.authorities import Authorities
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from telemetry_service.license_server.exchange import Exchange
from telemetry_service.license_server.exchange_error import ExchangeError, outcome_of
from telemetry_service.license_server.library_logs import silence_library_logs
from telemetry_service.license_server.proxy import core_proxy, core_url, proxy_at
from telemetry_service.license_server.response import Response, clock_ahead, failure_of_ping, outcome_of_transmission
from telemetry_service.license_server.steps import Steps

TRANSMISSION_PATH = "/v1/telemetry"
PING_PATH = "/v1/telemetry/ping"

_DEFAULT_LIMITS = ExchangeLimits()
_KEY_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""The License Server responds, but refuses the API key."""


class LicenseServerClient:
    """One License Server. Threads may share it; each exchange has its own connection."""

    def __init__(self, endpoint: Endpoint, limits: ExchangeLimits = _DEFAULT_LIMITS) -> None:
        """Read the trusted CAs, and silence the libraries' logs, which would name the License Server.

        Raises:
            SettingsError: the CA file cannot be read, or a URL of the endpoint is invalid.
        """
        silence_library_logs()
        self._user_agent = endpoint.user_agent
        self._limits = limits
        self._authorities = Authorities(endpoint.ca_file)
        self._base_url = readable_base_url(endpoint)
        self._host = host_header(self._base_url)
        self._proxy = proxy_at(endpoint.proxy_url, "TELEMETRY_PROXY_URL")

    def transmit(self, message: SealedMessage, known_bodies: Collection[str], now: datetime) -> Outcome:
        """Send a message and return the outcome before the deadline. Never raises.

        ``known_bodies`` are hex SHA-256 digests of the bodies sent under this ID before; a ``Retry-After`` date is
        relative to ``now``. A receipt is returned unverified.
        """
        try:
            response = self._post(TRANSMISSION_PATH, message, self._steps())
        except ExchangeError as error:
            return outcome_of(error)
        return outcome_of_transmission(response, message, known_bodies, now)

    def check_connection(self, ping: SealedMessage, on_step: OnStep = ignore_step) -> ConnectionCheck:
        """Check the connection step by step: name, TCP, TLS, certificate, response, API key. Never raises.

        With a proxy, the first two steps are the proxy's: they end when it reports that it has connected.
        """
        steps = self._steps(on_step)
        try:
            response = self._post(PING_PATH, ping, steps)
        except ExchangeError as error:
            return ConnectionCheck(steps.report(ok=False), error.cause, error.response_code)
        failure = failure_of_ping(response, ping)
        if failure is None or response.status in _KEY_STATUSES:
            steps.reach(StepName.API_KEY)
        cause = None if failure is None else failure.cause
        return ConnectionCheck(steps.report(ok=cause is None), cause, response.status, clock_ahead(response, ping))

    def authorities_digest(self) -> bytes:
        """Return the digest of the deployment's own CAs as they are trusted now."""
        return self._authorities.digest()

    def _steps(self, on_step: OnStep = ignore_step) -> Steps:
        return Steps(on_step, proxied=self._proxy is not None)

    def _post(self, path: str, message: SealedMessage, steps: Steps) -> Response:
        context = self._authorities.context()
        exchange = Exchange(context, core_proxy(self._proxy, context), self._limits, steps)
        return exchange.post(core_url(httpx.URL(self._base_url + path)), self._headers(message), message.body)

    def _headers(self, message: SealedMessage) -> Sequence[tuple[str, str]]:
        """Return only the protocol's headers: nothing else identifies the sender."""
        return (
            ("Host", self._host),
            *message.headers().items(),
            ("User-Agent", self._user_agent),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        )


def readable_base_url(endpoint: Endpoint) -> str:
    """Return the base URL, which httpx must be able to read."""
    try:
        httpx.URL(endpoint.base_url)
    except httpx.InvalidURL:
        raise SettingsError(("TELEMETRY_LICENSE_SERVER_URL is not a URL.",)) from None
    return endpoint.base_url.rstrip("/")


def host_header(base_url: str) -> str:
    """Return the host as in certificates and virtual hosts: a final dot is only for the resolver."""
    host, colon, port = httpx.URL(base_url).netloc.decode("ascii").partition(":")
    if host.startswith("["):
        return f"{host}{colon}{port}"
    return f"{host.removesuffix('.')}{colon}{port}"
