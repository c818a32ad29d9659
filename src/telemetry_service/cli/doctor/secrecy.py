"""Keys that last, cookies that are sent over TLS alone, the host of the pages, and proxies that are only proxies."""

from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result
from telemetry_service.domain.addresses import may_hold_people

if TYPE_CHECKING:
    from telemetry_service.settings import Settings


def keys(settings: "Settings") -> Finding:
    """Return whether the keys survive this process."""
    if settings.ephemeral_keys:
        return Finding("keys", Result.WARNING, "DEMO_MODE: the keys are discarded when the process ends.")
    return Finding("keys", Result.OK, "ENCRYPTION_KEY and CREDENTIAL_ENCRYPTION_KEY are set.")


def cookies(settings: "Settings") -> Finding:
    """Return whether session cookies are marked Secure."""
    public = settings.public_url
    if public is not None and public.secure:
        return Finding("cookies", Result.OK, "Session cookies are marked Secure, because the public URL is https.")
    if settings.trusted_proxies:
        return Finding("cookies", Result.OK, "Session cookies are marked Secure when a trusted proxy reports HTTPS.")
    sentence = (
        "TELEMETRY_TRUSTED_PROXIES is not set: unless serve runs with --trusted-proxy, session cookies are sent"
        " without Secure. Set it to the address of the proxy that terminates TLS."
    )
    return Finding("cookies", Result.WARNING, sentence)


def host(settings: "Settings") -> Finding:
    """Return under which hosts pages are served."""
    if settings.public_url is not None:
        return Finding("host", Result.OK, "Pages are served only under the host of TELEMETRY_PUBLIC_URL.")
    sentence = (
        "TELEMETRY_PUBLIC_URL is not set: pages are served under addresses, private names, and, in browsers that send"
        " Sec-Fetch-Site, any name with TLS. Set it to the address that users open."
    )
    return Finding("host", Result.WARNING, sentence)


def proxies(settings: "Settings") -> Finding:
    """Return whether people may be in the networks of the trusted proxies."""
    if not any(may_hold_people(network) for network in settings.trusted_proxies):
        return Finding("proxies", Result.OK, "Only single addresses and small networks are trusted as proxies.")
    sentence = (
        "TELEMETRY_TRUSTED_PROXIES has large networks. If people are in them, they can choose the address that their"
        " wrong passwords are counted for. Name only the proxies."
    )
    return Finding("proxies", Result.WARNING, sentence)
