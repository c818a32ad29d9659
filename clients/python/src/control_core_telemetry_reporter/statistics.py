"""What a reporter has done so far."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers since the reporter was created in this process."""

    accepted: int = 0
    """Reports that the service counted."""
    duplicates: int = 0
    """Reports that it had counted before: repeats after a response was lost."""
    set_aside: int = 0
    """Reports that were written to ``refused.jsonl``."""
    dropped: int = 0
    """Calls of ``count`` that were lost: invalid, beyond the limit of bouncers, or after ``close``."""
    damaged: int = 0
    """Spool files that could not be read and were renamed to ``*.damaged``."""
    waiting: int = 0
    """Reports and open sums that wait in the spools of this process."""
    held: int = 0
    """Reports among these that are sent later: the period has no room, or ``refused.jsonl`` cannot be written."""
    failures: int = 0
    """Attempts in a row without an acceptance."""
    trouble: str | None = None
    """Why the latest attempt failed or reports are held, such as ``timeout``, ``unauthenticated`` or ``status_502``."""
    spooled: bool = True
    """False while the spool cannot be written, so that counts are only in memory."""
    reportable: bool = True
    """False while telemetry is off, as the service said with its latest acceptance."""
