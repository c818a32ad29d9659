"""Sends messages of any kind to a foreign License Server, right or wrong, and returns all that comes back.

Only ``conformance`` uses it. The connection is that of a transmission: verified TLS, one deadline, a limit of bytes, no
redirects, and nothing from the environment.
"""

from collections.abc import Sequence

import httpx

from telemetry_service.domain.causes import Cause
from telemetry_service.license_server.authorities import Authorities
from telemetry_service.license_server.client import host_header, readable_base_url
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from telemetry_service.license_server.exchange import Exchange, WholeResponse
from telemetry_service.license_server.exchange_error import ExchangeError
from telemetry_service.license_server.library_logs import silence_library_logs
from telemetry_service.license_server.proxy import core_url
from telemetry_service.license_server.steps import Steps


class Probe:
    """One License Server. Each message has its own connection."""

    def __init__(self, endpoint: Endpoint, limits: ExchangeLimits) -> None:
        """Read the trusted CAs.

        Raises:
            SettingsError: the CA file cannot be read, or the URL is invalid.
        """
        silence_library_logs()
        self._base_url = readable_base_url(endpoint)
        self._user_agent = endpoint.user_agent
        self._authorities = Authorities(endpoint.ca_file)
        self._limits = limits

    def post(self, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> WholeResponse | Cause:
        """Return the response to a message, or why there is none. Never raises."""
        exchange = Exchange(self._authorities.context(), None, self._limits, Steps(proxied=False))
        usual = (
            ("User-Agent", self._user_agent),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        )
        named = (("Host", host_header(self._base_url)), *headers, *usual)
        try:
            return exchange.post_for_all(core_url(httpx.URL(self._base_url + path)), named, body)
        except ExchangeError as error:
            return error.cause
