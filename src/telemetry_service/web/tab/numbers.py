"""Numbers as people read them: grouped, and never without their unit."""

from telemetry_service.domain.phrases import counted, grouped

__all__ = ["counted", "counted_up_to", "duration", "grouped", "size"]

_SECOND_MS = 1_000
_MINUTE_MS = 60_000
_KIBIBYTE = 1_024


def counted_up_to(most: int, number: int, one: str) -> str:
    """Return a number with its unit where counting ended beyond ``most``: ``more than 1,204 rows``."""
    return f"more than {counted(most, one)}" if number > most else counted(number, one)


def duration(milliseconds: int | None) -> str:
    """Return a duration in ms below a second, in s below a minute, else in min; a dash where there is none."""
    if milliseconds is None:
        return "—"
    if milliseconds == 0:
        return "under 1 ms"
    if milliseconds < _SECOND_MS:
        return f"{milliseconds} ms"
    if milliseconds < _MINUTE_MS:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    return f"{milliseconds / _MINUTE_MS:.1f} min"


def size(octets: int) -> str:
    """Return a size in bytes below 10 KiB, else in KiB."""
    if octets < 10 * _KIBIBYTE:
        return counted(octets, "byte")
    return f"{octets / _KIBIBYTE:,.1f} KiB"
