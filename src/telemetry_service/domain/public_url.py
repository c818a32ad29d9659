"""Where browsers reach the service: its origin, and the path that it shares the origin below."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

PATH_MAXIMUM = 200
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*/?")
_OWN_PATHS = ("/settings/general/telemetry", "/api/v1", "/static", "/embedded", "/login", "/logout", "/metrics")
"""The service's own. With one of these, or a part of one, it is unclear whether a proxy has removed it."""
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


def public_path_error(path: str) -> str | None:
    """Return what is wrong with a path to serve everything below; None if it can be used."""
    if len(path) > PATH_MAXIMUM or not _PATH.fullmatch(path):
        return "may have a path of letters, digits, and the characters - . _ ~ only."
    below = path.rstrip("/") + "/"
    if below != "/" and any(below.startswith(f"{own}/") or f"{own}/".startswith(below) for own in _OWN_PATHS):
        return "has a path that the service itself uses. Choose another one, such as /telemetry."
    return None


def host_name(host: str) -> str:
    """Return the name or address in a ``Host`` header, in lower case, without port, brackets and final dot."""
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")
