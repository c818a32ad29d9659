"""Warnings at the start: something about the deployment that works, but is probably not intended."""

from enum import StrEnum

from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event


class StartWarning(StrEnum):
    """The warnings."""

    EPHEMERAL_KEYS = "ephemeral_keys"
    NO_ADMINISTRATOR = "no_administrator"
    COOKIES_NOT_SECURE = "cookies_not_secure"
    PUBLIC_URL_MISSING = "public_url_missing"
    PROXIES_NOT_EXACT = "proxies_not_exact"
    PASSWORD_IGNORED = "password_ignored"  # noqa: S105 - the name of a warning


SENTENCES: dict[StartWarning, str] = {
    StartWarning.EPHEMERAL_KEYS: (
        "DEMO_MODE=true: the keys are discarded when the process ends, and data encrypted with them cannot be"
        " decrypted."
    ),
    StartWarning.NO_ADMINISTRATOR: ("No one can log in yet. Set a password with: telemetry-service admin set-password"),
    StartWarning.COOKIES_NOT_SECURE: (
        "No reverse proxy is trusted, so session cookies are sent without Secure to anyone who reaches this address."
        " Add the proxy that terminates TLS to TELEMETRY_TRUSTED_PROXIES or --trusted-proxy."
    ),
    StartWarning.PUBLIC_URL_MISSING: (
        "TELEMETRY_PUBLIC_URL is not set, so pages are served under addresses, private names, and, in browsers that"
        " send Sec-Fetch-Site, any name with TLS. Set it to the address that users open."
    ),
    StartWarning.PROXIES_NOT_EXACT: (
        "Large networks are trusted as proxies. If people are in them, they can choose the address that their wrong"
        " passwords are counted for. Name only the proxies in TELEMETRY_TRUSTED_PROXIES or --trusted-proxy."
    ),
    StartWarning.PASSWORD_IGNORED: (
        "TELEMETRY_ADMIN_PASSWORD was ignored: the administrator already has a different password. Change it with:"
        " telemetry-service admin set-password"
    ),
}


def warn_of(warning: StartWarning) -> None:
    """Log the warning with its sentence."""
    log_event(Event.DEPLOYMENT_WARNING, warning=warning, sentence=SENTENCES[warning])
