"""Where the License Server is, and the limits of an exchange with it."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from telemetry_service.domain.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The License Server as the deployment names it. Its ``repr`` does not show that."""

    base_url: str = field(repr=False)
    """``https://host[:port][/path]``, without user, query or fragment."""
    ca_file: Path | None = field(default=None, repr=False)
    """PEM file of CAs that are trusted in addition to the system's."""
    proxy_url: str | None = field(default=None, repr=False)
    """``http[s]://[user:password@]host:port``; the environment's proxies are never used."""
    user_agent: str = field(default="control-core-telemetry", repr=False)

    def __post_init__(self) -> None:
        """Refuse a server without TLS; the settings have checked the rest with better messages.

        Raises:
            SettingsError: the License Server would be reached without TLS.
        """
        if not self.base_url.startswith("https://"):
            raise SettingsError(("TELEMETRY_LICENSE_SERVER_URL must begin with https://.",))


@dataclass(frozen=True, slots=True)
class ExchangeLimits:
    """The limits of one exchange. Each has its reason next to it."""

    deadline: timedelta = timedelta(seconds=30)
    """The whole exchange, from the name lookup to the last byte: enough for a slow link through a proxy, and a quarter
    of the lease, so that no other replica can take the transmission while it is being sent."""
    response_bytes: int = 64 * 1024
    """A whole response, headers and body. A real one has about a kilobyte, so there is room for any proxy's headers."""
