"""Asks issuers of identities: the only network use of the service beside transmissions, and only where configured."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr

from telemetry_service import __version__
from telemetry_service.domain.errors import IssuerUnavailableError
from telemetry_service.license_server.fetch import Fetched, Fetcher

_FILE_BYTES = 256 * 1024
_NO_HEADERS: Mapping[str, str] = {}


class IssuerClient:
    """One bounded exchange with an issuer at a time. Threads may share it."""

    def __init__(self, ca_file: Path | None, proxy_url: SecretStr | None) -> None:
        """Read the trusted CAs.

        Raises:
            SettingsError: the CA file cannot be read, or the proxy is none.
        """
        proxy = None if proxy_url is None else proxy_url.get_secret_value()
        self._fetcher = Fetcher(ca_file, proxy, f"control-core-telemetry/{__version__}")

    def get(self, url: str, headers: Mapping[str, str] = _NO_HEADERS) -> bytes:
        """Return a document.

        Raises:
            IssuerUnavailableError: there is none, or its address is not one of verified TLS.
        """
        _require_tls(url)
        return _body(self._fetcher.get(url, headers))

    def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Fetched:
        """Return the response to a form; the same errors, but any status."""
        _require_tls(url)
        return self._fetcher.post_form(url, form, headers)


def reader_of(jwks: str, client: Callable[[], IssuerClient]) -> Callable[[], bytes]:
    """Return what reads a JWK set from a file or from a URL."""
    if jwks.startswith("https://"):
        return lambda: client().get(jwks)
    return lambda: _content(Path(jwks))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES)
    except OSError:
        raise IssuerUnavailableError("file_unreadable") from None


def _require_tls(url: str) -> None:
    if not url.startswith("https://"):
        raise IssuerUnavailableError("not_https")


def _body(fetched: Fetched) -> bytes:
    if fetched.body is None:
        raise IssuerUnavailableError("unexpected_status")
    return fetched.body
