"""The short texts of the verdict: notes beside a figure, a switch, a preview."""

from datetime import datetime

from telemetry_service.domain.obstacles import (
    KEY_UNUSABLE,
    LOCKED_OFF,
    NO_API_KEY,
    NO_CUSTOMER_ID,
    NO_LICENSE_SERVER,
    OFF,
    Obstacle,
)
from telemetry_service.domain.phrases import to_come, to_the_minute
from telemetry_service.domain.situation import Run, Waiting

NONE_WHILE_OFF = "None while telemetry is off"
OF_WAITING = "Sends what is waiting"
OF_RUN = "Sent after the run, within a few minutes"
OF_MISSED_RUN = "Makes up for the missed run"
NOTHING_WAITS = "Nothing waiting"
NEVER_SENT = "Counted locally only. Anything counted while telemetry is off is never sent."
SENT_NOW = "This is what Send Now would send."
CANNOT_BE_SENT = "Its numbers contradict each other, so it cannot be sent."

_REASONS = {
    NO_LICENSE_SERVER.code: "the deployment named no License Server",
    NO_CUSTOMER_ID.code: "the customer id was not known",
    NO_API_KEY.code: "no API key was configured",
    KEY_UNUSABLE.code: "the stored API key could not be opened",
    "key-unusable": "the stored API key could not be opened",
}
_NOT_CONFIGURED = "the connection was not configured"
"""What version 0.1.0 wrote down, whatever was missing."""


def makes_no_payload(gap: Obstacle) -> str:
    """Return what a run cannot do while something is missing."""
    return f"Makes a payload only {gap.until}"


def nothing_sent(bar: Obstacle) -> str:
    """Return what the next send waits for."""
    return f"Only {bar.until}"


def kept(bar: Obstacle) -> str:
    """Return what becomes of what waits while it cannot be sent."""
    return f"Kept, and sent {bar.until}"


def waits(waiting: Waiting, again: datetime | None, now: datetime) -> str:
    """Return what waits for what."""
    parts = []
    if waiting.planned:
        parts.append(f"next attempt {to_come(again, now)}" if again else f"{waiting.planned} being sent")
    if waiting.rejected:
        parts.append(f"{waiting.rejected} rejected")
    if waiting.held:
        parts.append(f"{waiting.held} on hold")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def contradicted(run: Run) -> str:
    """Return what a run left undone whose period's numbers contradict each other."""
    return (
        f"The run of {to_the_minute(run.due_at)} made no payload, because the numbers of the period contradict each"
        " other. The period stays open; contact support."
    )


def missed(run: Run, bar: Obstacle | None) -> str:
    """Return what a run left undone for lack of something, and when it is made up for."""
    reason = _REASONS.get(run.result, _NOT_CONFIGURED)
    then = f"The run is repeated {bar.until}" if bar else "The run is repeated now"
    return (
        f"The run of {to_the_minute(run.due_at)} made no payload, because {reason}. The period stays open, and nothing"
        f" is lost. {then}."
    )


def switch(bar: Obstacle | None) -> str:
    """Return what the switch does as it stands."""
    if bar is LOCKED_OFF:
        return f"{LOCKED_OFF.sentence} Nothing is transmitted, and what is counted meanwhile never is."
    if bar is OFF:
        return "Telemetry is off: nothing is transmitted, and what is counted meanwhile never is."
    stopping = (
        "Switching it off is not recommended for production: it prevents the License Server connection and disables"
        " feature gating."
    )
    if bar is not None:
        return f"Telemetry data is collected, and transmitted {bar.until}. {stopping}"
    return f"Telemetry data is collected and transmitted. {stopping}"


def sent_later(bar: Obstacle) -> str:
    """Return what becomes of the open period while it cannot be sent."""
    return f"This would be sent {bar.until}."
