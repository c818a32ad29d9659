"""Whether the License Server responds and accepts the API key. Nothing is recorded, so the health stays as it is."""

from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result, wrong
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.domain.errors import TelemetryError

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject


def connection(subject: "Subject") -> Finding:
    """Return the result of one signed message without telemetry."""
    tested = subject.exchange
    if tested is None:
        return Finding("connection", Result.SKIPPED, "Skipped: --offline.")
    if isinstance(tested, TelemetryError):
        return Finding("connection", Result.SKIPPED, f"Skipped. {tested.text}")
    words = tested.cause_texts
    if words is None:
        return Finding("connection", Result.OK, "The License Server responds and accepts the API key.")
    sentence = f"{words.sentence} {words.next_step} ({words.code.value})"
    return wrong("connection", sentence, ExitCode.NOT_DELIVERED)
