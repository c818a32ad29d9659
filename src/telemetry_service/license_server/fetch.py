"""One bounded exchange with a server that is not the License Server: an issuer of identities.

It has the same guarantees: verified TLS, one deadline over everything, a limit of bytes, no redirects, and nothing from
the environment. It may have another proxy than the License Server, which is outside: an issuer is often inside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx

from telemetry_service.domain.errors import IssuerUnavailableError, SettingsError
from telemetry_service.license_server.authorities import Authorities
from telemetry_service.license_server.endpoint import ExchangeLimits
from telemetry_service.license_server.exchange import Exchange
from telemetry_service.license_server.exchange_error import ExchangeError
from telemetry_service.license_server.library_logs import silence_library_logs
from telemetry_service.license_server.proxy import core_proxy, core_url, proxy_at
from telemetry_service.license_server.steps import Steps

LIMITS = ExchangeLimits(deadline=timedelta(seconds=5), response_bytes=256 * 1024)
"""Someone waits for a page meanwhile. Keys and metadata of a large provider have some tens of kilobytes."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response."""

    status: int
    body: bytes | None = field(repr=False)
    """None unless the status is 200."""


class Fetcher:
    """Fetches from any server. Threads may share it; each exchange has its own connection."""

    def __init__(
        self, ca_file: Path | None, proxy_url: str | None, user_agent: str, limits: ExchangeLimits = LIMITS
    ) -> None:
        """Read the trusted CAs.

        Raises:
            SettingsError: the CA file cannot be read, or the proxy is none.
        """
        silence_library_logs()
        self._user_agent = user_agent
        self._limits = limits
        self._proxy = proxy_at(proxy_url, "TELEMETRY_IDENTITY_PROXY_URL")
        try:
            self._authorities = Authorities(ca_file)
        except SettingsError:
            raise SettingsError(("TELEMETRY_IDENTITY_CA_FILE cannot be read as PEM certificates.",)) from None

    def get(self, url: str, headers: Mapping[str, str]) -> Fetched:
        """Return the response to a GET.

        Raises:
            IssuerUnavailableError: there is none before the deadline, or it is too large.
        """
        return self._exchange("GET", url, headers, b"")

    def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Fetched:
        """Return the response to a form; the same errors."""
        typed = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._exchange("POST", url, typed, urlencode(form).encode())

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        context, steps = self._authorities.context(), Steps(proxied=self._proxy is not None)
        exchange = Exchange(context, core_proxy(self._proxy, context), self._limits, steps, any_name=True)
        try:
            target = httpx.URL(url)
            named = (("Host", target.netloc.decode("ascii")), *headers.items(), *self._usual())
            response = exchange.request(method, core_url(target), named, body)
        except (ExchangeError, httpx.InvalidURL) as error:
            raise IssuerUnavailableError(error.cause.value if isinstance(error, ExchangeError) else None) from None
        return Fetched(response.status, response.body if response.status == httpx.codes.OK else None)

    def _usual(self) -> tuple[tuple[str, str], ...]:
        return (
            ("User-Agent", self._user_agent),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        )
