"""What a check finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from telemetry_service.cli.exit_codes import ExitCode, exit_code_of
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.log.write import place_of


class Result(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check in a sentence; ``exit_code`` is 0 unless something is wrong."""

    check: str
    result: Result
    sentence: str
    exit_code: ExitCode = ExitCode.DONE


def wrong(check: str, sentence: str, exit_code: ExitCode) -> Finding:
    """Return what has to be fixed."""
    return Finding(check, Result.WRONG, sentence, exit_code)


def failed(check: str, error: TelemetryError) -> Finding:
    """Return that a check could not be made, and why."""
    return wrong(check, f"{error.text} ({error.code})", exit_code_of(error))


def broken(check: str, error: Exception) -> Finding:
    """Return that a check met what it was not written for: the kind of the error and its place, without its text."""
    sentence = f"This check failed unexpectedly ({type(error).__name__} at {place_of(error)}). Report this as a defect."
    return wrong(check, sentence, ExitCode.FAILED)


_WORST_FIRST = (
    ExitCode.SETTINGS,
    ExitCode.NOT_VERIFIED,
    ExitCode.STORAGE,
    ExitCode.NOT_SET_UP,
    ExitCode.FAILED,
    ExitCode.NOT_DELIVERED,
)
"""Wrong settings first, because another key makes everything else look wrong; then what was tampered with or lost, and
what keeps the service from working. Nothing is lost while payloads are not delivered."""


def worst(findings: Sequence[Finding]) -> ExitCode:
    """Return the exit code of the worst finding; 0 if nothing is wrong."""
    present = {finding.exit_code for finding in findings}
    return next((code for code in _WORST_FIRST if code in present), ExitCode.DONE)
