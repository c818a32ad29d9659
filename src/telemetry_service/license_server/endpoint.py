"""Where the License Server is, and the limits of an exchange with it."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from telemetry_service.domain.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The License Server as the deployment names it. Its representation shows nothing of that."""

    base_url: str = field(repr=False)
    """``https://host[:port][/path]``, without user, query or fragment."""
    ca_file: Path | None = field(default=None, repr=False)
    """PEM file of authorities that are trusted beside the system's own."""
    proxy_url: str | None = field(default=None, repr=False)
    """``http[s]://[user:password@]host:port``; the environment's proxies are never used."""
    user_agent: str = field(default="control-core-telemetry", repr=False)

    def __post_init__(self) -> None:
        """Refuse a server without TLS; settings have checked the rest with better words.

        Raises:
            SettingsError: the License Server would be reached without TLS.

        """
        if not self.base_url.startswith("https://"):
            raise SettingsError(("TELEMETRY_LICENSE_SERVER_URL must begin with https://.",))


@dataclass(frozen=True, slots=True)
class ExchangeLimits:
    """What one exchange may cost. Each bound has its reason beside it."""

    deadline: timedelta = timedelta(seconds=30)
    """Everything together, from the name to the last byte: enough for a slow link through a proxy, and a quarter of
    the lease on a claim, so that no other replica can take the transmission while it is being sent."""
    response_bytes: int = 64 * 1024
    """A whole response, head and body: a real one has about one kilobyte, so there is room for any proxy's headers."""
