"""What the start warns of: something about the deployment that works, and is probably not meant."""

from enum import StrEnum

from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event


class StartWarning(StrEnum):
    """The warnings."""

    EPHEMERAL_KEYS = "ephemeral_keys"
    NO_ADMINISTRATOR = "no_administrator"
    COOKIES_NOT_SECURE = "cookies_not_secure"
    PASSWORD_IGNORED = "password_ignored"  # noqa: S105 - the name of a warning


SENTENCES: dict[StartWarning, str] = {
    StartWarning.EPHEMERAL_KEYS: (
        "DEMO_MODE=true: the keys are thrown away at the end, and what was sealed with them cannot be opened."
    ),
    StartWarning.NO_ADMINISTRATOR: ("Nobody can log in yet. Set a password with: telemetry-service admin set-password"),
    StartWarning.COOKIES_NOT_SECURE: (
        "No reverse proxy is trusted, so session cookies go out without Secure, to whoever reaches this address. Name"
        " the proxy that ends TLS in TELEMETRY_TRUSTED_PROXIES, or with --trusted-proxy."
    ),
    StartWarning.PASSWORD_IGNORED: (
        "TELEMETRY_ADMIN_PASSWORD was not used: the administrator has another password already. Change it with:"
        " telemetry-service admin set-password"
    ),
}


def warn_of(warning: StartWarning) -> None:
    """Write the warning with its sentence."""
    log_event(Event.DEPLOYMENT_WARNING, warning=warning, sentence=SENTENCES[warning])
