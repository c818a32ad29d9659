"""This machine's clock against the database and the License Server."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result, wrong
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.domain.connection_check import ConnectionCheck
from telemetry_service.domain.phrases import counted

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject

_RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
"""A correct clock cannot show a time before the first release of this service."""

_TOLERATED = timedelta(minutes=5)
"""By the License Server; it refuses what is further off."""

_UNUSUAL = timedelta(minutes=1)
"""Machines that are synchronized differ by less, and a response takes less."""


def clock(subject: "Subject") -> Finding:
    """Return whether the clock can be right, and how far it is from the License Server's, as its response says."""
    if subject.now < _RELEASED:
        sentence = "This machine's clock is set to a time before the first release of this service."
        return wrong("clock", sentence, ExitCode.FAILED)
    with subject.service.runtime.database.read() as tx:
        opened_at = tx.periods.open().opened_at
    if opened_at > subject.now + _TOLERATED:
        return wrong("clock", "This machine's clock is earlier than the start of the current period.", ExitCode.FAILED)
    tested = subject.exchange
    if not isinstance(tested, ConnectionCheck) or tested.clock_ahead is None:
        return Finding("clock", Result.OK, "This machine's clock agrees with the database.")
    return _compared(tested.clock_ahead)


def _compared(ahead: timedelta) -> Finding:
    seconds = counted(round(abs(ahead).total_seconds()), "second")
    if abs(ahead) <= _UNUSUAL:
        return Finding("clock", Result.OK, "This machine's clock agrees with the database and the License Server.")
    direction = "ahead of" if ahead > timedelta() else "behind"
    sentence = f"This machine's clock is {seconds} {direction} the License Server's. Synchronize it (NTP)."
    if abs(ahead) > _TOLERATED:
        return wrong("clock", f"{sentence} Messages that are more than 5 minutes off are refused.", ExitCode.FAILED)
    return Finding("clock", Result.WARNING, sentence)
