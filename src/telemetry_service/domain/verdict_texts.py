"""The short texts of the verdict: notes next to a figure, a switch, a preview."""

from datetime import datetime

from telemetry_service.domain.obstacles import (
    KEY_UNUSABLE,
    LOCKED_OFF,
    NO_API_KEY,
    NO_CUSTOMER_ID,
    NO_LICENSE_SERVER,
    OFF,
    RESTORED,
    SETTINGS_CHANGED,
    Obstacle,
)
from telemetry_service.domain.phrases import to_come, to_the_minute
from telemetry_service.domain.situation import Run, Waiting

NONE_WHILE_OFF = "None while telemetry is off"
OF_WAITING = "Sends the waiting payloads"
OF_RUN = "Sent after the run, within a few minutes"
ONCE_RELEASED = "Sent once it is released"
OF_MISSED_RUN = "Makes up for the missed run"
NOTHING_WAITS = "Nothing waiting"
NEVER_SENT = "Counted locally only. Anything counted while telemetry is off is never sent."
SENT_NOW = "This would be sent now."
RELEASED_FIRST = "This would be prepared now and sent once it is released."
CANNOT_BE_SENT = "Its counts are inconsistent, so it cannot be sent."

_REASONS = {
    NO_LICENSE_SERVER.code: "no License Server was configured",
    NO_CUSTOMER_ID.code: "the customer ID was unknown",
    NO_API_KEY.code: "no API key was configured",
    RESTORED.code: "the database had been restored from a backup",
    "row_unreadable": "a row of the database could not be read",
    SETTINGS_CHANGED.code: "someone had changed the database",
    KEY_UNUSABLE.code: "the stored API key could not be decrypted",
    "key-unusable": "the stored API key could not be decrypted",
}
_NOT_CONFIGURED = "the connection was not configured"
"""What version 0.1.0 recorded, regardless of what was missing."""


def makes_no_payload(gap: Obstacle) -> str:
    """Say what a run cannot do while something is missing."""
    return f"Creates a payload only {gap.until}"


def nothing_sent(bar: Obstacle) -> str:
    """Return what the next send waits for."""
    return f"Sending starts {bar.until}"


def kept(bar: Obstacle) -> str:
    """Say what happens to waiting payloads while they cannot be sent."""
    return f"Kept and sent {bar.until}"


def waits(waiting: Waiting, again: datetime | None, now: datetime) -> str:
    """Say which payloads wait for what."""
    parts = []
    if waiting.planned:
        parts.append(f"next attempt {to_come(again, now)}" if again else f"{waiting.planned} being sent")
    if waiting.rejected:
        parts.append(f"{waiting.rejected} rejected")
    if waiting.held:
        parts.append(f"{waiting.held} on hold")
    if waiting.exported:
        parts.append(f"{waiting.exported} exported")
    if waiting.receipt_missing:
        parts.append(f"{waiting.receipt_missing} without a receipt")
    if waiting.awaiting_release:
        parts.append(f"{waiting.awaiting_release} waiting for release")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def awaits_release(waiting: Waiting) -> str:
    """Say that everything that waits does so for its release."""
    return f"{waiting.awaiting_release} waiting for release"


def contradicted(run: Run) -> str:
    """Say what a run left undone because its period's numbers contradict each other."""
    return (
        f"The run scheduled for {to_the_minute(run.due_at)} created no payload because the period's counts are"
        " inconsistent. The period stays open; contact support."
    )


def missed(run: Run, bar: Obstacle | None) -> str:
    """Say what a run left undone because something was missing, and when it is made up for."""
    reason = _REASONS.get(run.result, _NOT_CONFIGURED)
    then = f"It runs again {bar.until}" if bar else "It runs again now"
    return (
        f"The run scheduled for {to_the_minute(run.due_at)} created no payload because {reason}. The period stays"
        f" open, and nothing is lost. {then}."
    )


def switch(bar: Obstacle | None, *, released: bool) -> str:
    """Say what the present position of the switch does; ``released`` if a person releases each payload."""
    if bar is LOCKED_OFF:
        return (
            f"{LOCKED_OFF.sentence} Nothing is transmitted, and anything counted while telemetry is off is never sent."
        )
    if bar is OFF:
        return "Telemetry is off. Nothing is transmitted, and anything counted while it is off is never sent."
    stopping = (
        "Turning it off is not recommended for production; it prevents the License Server connection and disables"
        " feature gating."
    )
    if bar is not None:
        return f"Telemetry data is collected, and transmitted {bar.until}. {stopping}"
    if released:
        return f"Telemetry data is collected, and transmitted once you release it. {stopping}"
    return f"Telemetry data is collected and transmitted. {stopping}"


def sent_later(bar: Obstacle) -> str:
    """Say what happens to the open period while it cannot be sent."""
    return f"This would be sent {bar.until}."
