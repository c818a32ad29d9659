"""The outbound proxy of a deployment, for the License Server or for the issuers of identities."""

import ssl

import httpcore
import httpx

from telemetry_service.domain.errors import SettingsError


def proxy_at(url: str | None, setting: str) -> httpx.Proxy | None:
    """Return the proxy at a URL, which may hold its credentials.

    Raises:
        SettingsError: it is not the URL of one; with the name of the ``setting`` alone.
    """
    try:
        return None if url is None else httpx.Proxy(url)
    except (httpx.InvalidURL, ValueError):
        raise SettingsError((f"{setting} is not the URL of a proxy.",)) from None


def core_proxy(proxy: httpx.Proxy | None, context: ssl.SSLContext) -> httpcore.Proxy | None:
    """Return the same for httpcore."""
    if proxy is None:
        return None
    speaks_tls = proxy.url.scheme == "https"
    return httpcore.Proxy(core_url(proxy.url), auth=proxy.raw_auth, ssl_context=context if speaks_tls else None)


def core_url(url: httpx.URL) -> httpcore.URL:
    """Return a URL for httpcore, which writes the host unchanged into a proxy's CONNECT: IPv6 needs its brackets."""
    host = b"[%b]" % url.raw_host if b":" in url.raw_host else url.raw_host
    return httpcore.URL(scheme=url.raw_scheme, host=host, port=url.port, target=url.raw_path)
