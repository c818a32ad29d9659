"""What every interface says of the Control Plane's own database."""

from datetime import datetime

from telemetry_service.domain.phrases import counted, grouped, to_the_minute
from telemetry_service.domain.source import CatchUp, SourceState

NOT_READ = "The source database has not been read yet."


def source_note(state: SourceState | None, catch_up: CatchUp | None, now: datetime) -> str:
    """Return how far the source was read, what stopped it, and how far a catch-up is."""
    parts = [_progress(state, now), _obstacle(state), _catching_up(catch_up)]
    return " ".join(part for part in parts if part)


def _progress(state: SourceState | None, now: datetime) -> str:
    if state is None or state.begun is None:
        return NOT_READ
    rows = f"{counted(state.rows, 'row')} counted from the source database"
    return f"{rows}, up to {to_the_minute(min(state.complete_until, now))}."


def _obstacle(state: SourceState | None) -> str:
    met = state.obstacle if state else None
    return "" if met is None else f"Reading stopped on {to_the_minute(met.since)}: {met.text}"


def _catching_up(catch_up: CatchUp | None) -> str:
    if catch_up is None or catch_up.finished:
        return ""
    share = min(100 * catch_up.looked_at // max(catch_up.total, 1), 100)
    return f"Catching up on older rows: {grouped(catch_up.looked_at)} of {counted(catch_up.total, 'row')} ({share}%)."
