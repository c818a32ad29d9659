"""How a fault travels inside this room, and the outcome that it leads to."""

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.outcome import Cause, Failure, Held, Rejected, Retrying

_HELD = frozenset(
    {
        Cause.TLS_VERSION,
        Cause.CERTIFICATE_EXPIRED,
        Cause.CERTIFICATE_WRONG_HOST,
        Cause.CERTIFICATE_UNTRUSTED,
    }
)
_REJECTED = frozenset({Cause.ANSWER_MALFORMED, Cause.ANSWER_TOO_LARGE})


class ExchangeError(TelemetryError):
    """An exchange ended without an answer. Never leaves this package, and carries no text of a library."""

    code = "exchange-failed"
    sentence = "The License Server could not be asked."

    def __init__(self, cause: Cause, response_code: int | None = None) -> None:
        """Keep the cause, and the status if an answer had begun."""
        self.cause = cause
        self.response_code = response_code
        super().__init__()


def outcome_of(error: ExchangeError) -> Failure:
    """Classify a fault.

    Who spoke an outdated TLS or showed a wrong certificate will do so again until somebody has
    changed the connection, so that is held. What is not an answer of a License Server is rejected.
    All else on the way (a handshake that broke off, too) passes, and is retried.
    """
    if error.cause in _HELD:
        return Held(error.cause, error.response_code)
    if error.cause in _REJECTED:
        return Rejected(error.cause, error.response_code)
    return Retrying(error.cause, error.response_code)
