"""Speaks to the License Server: transmit one sealed message, or test the connection."""

from collections.abc import Collection
from datetime import datetime
from http import HTTPStatus

import httpx

from telemetry_service.domain.connection_check import ConnectionCheck, OnStep, StepName, ignore_step
from telemetry_service.domain.errors import SettingsError
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Cause, Outcome
from telemetry_service.license_server.authorities import Authorities
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from telemetry_service.license_server.exchange import Exchange
from telemetry_service.license_server.exchange_error import ExchangeError, outcome_of
from telemetry_service.license_server.library_logs import silence_library_logs
from telemetry_service.license_server.response import READ_STATUSES, Response, failure_of_ping, outcome_of_transmission
from telemetry_service.license_server.transport import Transport

TRANSMISSION_PATH = "/v1/telemetry"
PING_PATH = "/v1/telemetry/ping"

_DEFAULT_LIMITS = ExchangeLimits()
_KEY_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""A License Server has answered, and it is the API key that it says no to."""
_ANSWER_CAUSES = frozenset({Cause.ANSWER_MALFORMED, Cause.ANSWER_TOO_LARGE})


class LicenseServerClient:
    """One License Server. May be shared by threads; each exchange has a connection of its own."""

    def __init__(self, endpoint: Endpoint, limits: ExchangeLimits = _DEFAULT_LIMITS) -> None:
        """Read the authorities, and silence the libraries' logs, which would name the License Server.

        Raises:
            SettingsError: the file of authorities cannot be read, or a URL of the endpoint is none.

        """
        silence_library_logs()
        self._user_agent = endpoint.user_agent
        self._limits = limits
        self._authorities = Authorities(endpoint.ca_file)
        self._base_url = _base_url(endpoint)
        self._host = _host_header(self._base_url)
        self._proxy = _proxy(endpoint)

    def transmit(self, message: SealedMessage, known_bodies: Collection[str], now: datetime) -> Outcome:
        """Send a message and return what came of it, at the latest when the deadline ends. Never raises.

        ``known_bodies`` are hex SHA-256 digests of what was sent under this id before; ``now`` is
        what a ``Retry-After`` date is measured from. A receipt is passed on unverified.
        """
        try:
            answer = self._post(TRANSMISSION_PATH, message, self._begin())
        except ExchangeError as error:
            return outcome_of(error)
        return outcome_of_transmission(answer, message, known_bodies, now)

    def check_connection(self, ping: SealedMessage, on_step: OnStep = ignore_step) -> ConnectionCheck:
        """Try the connection step by step: name, TCP, TLS, certificate, answer, API key. Never raises.

        Through a proxy, the first two are the proxy's, up to its word that it is connected.
        """
        exchange = self._begin(on_step)
        try:
            answer = self._post(PING_PATH, ping, exchange)
        except ExchangeError as error:
            return ConnectionCheck(exchange.steps(ok=False), error.cause, error.response_code)
        failure = failure_of_ping(answer, ping)
        if failure is None or answer.status in _KEY_STATUSES:
            exchange.reach(StepName.API_KEY)
        cause = None if failure is None else failure.cause
        return ConnectionCheck(exchange.steps(ok=cause is None), cause, answer.status)

    def authorities_digest(self) -> bytes:
        """Return the digest of the deployment's own authorities as they are trusted at this moment."""
        return self._authorities.digest()

    def _begin(self, on_step: OnStep = ignore_step) -> Exchange:
        return Exchange(self._limits, proxied=self._proxy is not None, on_step=on_step)

    def _post(self, path: str, message: SealedMessage, exchange: Exchange) -> Response:
        transport = Transport(exchange, self._authorities.context(), self._proxy)
        with httpx.Client(transport=transport, trust_env=False, follow_redirects=False, timeout=None) as client:  # noqa: S113 - the exchange's own deadline bounds everything
            response = client.send(self._request(path, message), stream=True)
            try:
                return _read(response)
            finally:
                response.close()

    def _request(self, path: str, message: SealedMessage) -> httpx.Request:
        """Return the request with the protocol's headers and no others: nothing else identifies the sender."""
        return httpx.Request(
            "POST",
            self._base_url + path,
            headers={
                "Host": self._host,
                "Content-Type": message.content_type,
                "X-Telemetry-Id": str(message.transmission_id),
                "X-Telemetry-Timestamp": str(message.timestamp),
                "X-Telemetry-Signature": message.signature,
                "X-Telemetry-Key-Id": message.key_id,
                "User-Agent": self._user_agent,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
            content=message.body,
        )


def _read(response: httpx.Response) -> Response:
    """Read an answer's body where it matters, raw: a compressed one could explode, so it counts as none."""
    body = None
    if (
        response.status_code in READ_STATUSES
        and response.headers.get("Content-Encoding", "identity").lower() == "identity"
    ):
        body = _read_raw(response)
    headers = response.headers
    return Response(response.status_code, headers.get("Date"), headers.get("Retry-After"), body)


def _read_raw(response: httpx.Response) -> bytes:
    """Return the body as it came. A fault of the answer itself keeps the status that it began with."""
    try:
        return b"".join(response.iter_raw())
    except ExchangeError as error:
        raise ExchangeError(error.cause, response.status_code if error.cause in _ANSWER_CAUSES else None) from None


def _base_url(endpoint: Endpoint) -> str:
    """Return the base URL, after httpx has shown that it can read it."""
    try:
        httpx.URL(endpoint.base_url)
    except httpx.InvalidURL:
        raise SettingsError(("TELEMETRY_LICENSE_SERVER_URL is not a URL.",)) from None
    return endpoint.base_url.rstrip("/")


def _host_header(base_url: str) -> str:
    """Return the host as certificates and virtual hosts have it: the final dot of a name is for the resolver alone."""
    host, colon, port = httpx.URL(base_url).netloc.decode("ascii").partition(":")
    if host.startswith("["):
        return f"{host}{colon}{port}"
    return f"{host.removesuffix('.')}{colon}{port}"


def _proxy(endpoint: Endpoint) -> httpx.Proxy | None:
    try:
        return None if endpoint.proxy_url is None else httpx.Proxy(endpoint.proxy_url)
    except (httpx.InvalidURL, ValueError):
        raise SettingsError(("TELEMETRY_PROXY_URL is not the URL of a proxy.",)) from None
