"""Where browsers reach the service: its origin, and the path that it shares the origin below."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_USUAL_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """The address of the service as its users know it, such as ``https://console.example/telemetry``."""

    scheme: str
    host: str
    """In lower case, with its port unless that is the usual one of the scheme."""
    path: str = ""
    """The path below which everything is served, without a slash at its end; empty for the whole origin."""

    def __str__(self) -> str:
        """Return the address."""
        return self.origin + self.path

    @property
    def origin(self) -> str:
        """The origin, as browsers write it."""
        return f"{self.scheme}://{self.host}"

    @property
    def name(self) -> str:
        """The host without its port."""
        return host_name(self.host)

    @property
    def secure(self) -> bool:
        """Whether browsers use TLS."""
        return self.scheme == "https"


def public_url_of(url: str) -> PublicUrl:
    """Return the parts of a valid ``http`` or ``https`` URL."""
    parts = urlsplit(url)
    host = parts.netloc.lower().removesuffix(_USUAL_PORTS[parts.scheme])
    return PublicUrl(parts.scheme, host, parts.path.rstrip("/"))


def host_name(host: str) -> str:
    """Return the name or address in a ``Host`` header, in lower case, without port, brackets and final dot."""
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")
