"""The only error of this package, and its outcome."""

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.outcome import Failure, Held, Rejected, Retrying

_HELD = frozenset(
    {
        Cause.TLS_VERSION,
        Cause.CERTIFICATE_EXPIRED,
        Cause.CERTIFICATE_WRONG_HOST,
        Cause.CERTIFICATE_UNTRUSTED,
    }
)
_REJECTED = frozenset({Cause.RESPONSE_MALFORMED, Cause.RESPONSE_TOO_LARGE})


class ExchangeError(TelemetryError):
    """An exchange ended without a usable response. Never leaves this package, and carries no text of a library."""

    code = "exchange-failed"
    sentence = "The License Server could not be reached."

    def __init__(self, cause: Cause, response_code: int | None = None) -> None:
        """Keep the cause, and the status code if a response had begun."""
        self.cause = cause
        self.response_code = response_code
        super().__init__()


def outcome_of(error: ExchangeError) -> Failure:
    """Return the outcome of an exchange that failed.

    An outdated TLS version or a wrong certificate stays until a person changes the connection, so the transmission is
    held. A response that does not come from a License Server is rejected. Everything else, such as a broken handshake,
    is temporary and is retried.
    """
    if error.cause in _HELD:
        return Held(error.cause, error.response_code)
    if error.cause in _REJECTED:
        return Rejected(error.cause, error.response_code)
    return Retrying(error.cause, error.response_code)
