"""The words that the tab shows for the closed sets of the domain, each set complete."""

from dataclasses import dataclass

from telemetry_service.domain.activity import Action
from telemetry_service.domain.connection import StepName
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmissions import AttemptTrigger, State, Trigger


@dataclass(frozen=True, slots=True)
class Sign:
    """A word with its icon and tone; the tone repeats what word and icon say and never says it alone."""

    word: str
    icon: str
    tone: str


HEALTH: dict[HealthStatus, Sign] = {
    HealthStatus.HEALTHY: Sign("Healthy", "check", "good"),
    HealthStatus.WARNING: Sign("Warning", "warning", "warn"),
    HealthStatus.UNHEALTHY: Sign("Unhealthy", "cross", "bad"),
    HealthStatus.DISABLED: Sign("Disabled", "pause", "quiet"),
    HealthStatus.NOT_CONFIGURED: Sign("Not Configured", "plug", "quiet"),
}

CONNECTED: dict[bool | None, Sign] = {
    True: Sign("connected", "check", "good"),
    False: Sign("not connected", "cross", "bad"),
    None: Sign("not contacted yet", "dash", "quiet"),
}

STATUS: dict[State, Sign] = {
    State.PENDING: Sign("Pending", "clock", "info"),
    State.SUCCESS: Sign("Success", "check", "good"),
    State.RETRYING: Sign("Failed", "cross", "bad"),
    State.HELD: Sign("Failed", "cross", "bad"),
    State.REJECTED: Sign("Failed", "cross", "bad"),
}
"""The guide knows two words, Success and Failed; ``FINER`` says more where there is more to say."""

FINER: dict[State, str] = {
    State.PENDING: "waiting for its first attempt",
    State.SUCCESS: "",
    State.RETRYING: "retried by itself",
    State.HELD: "held until the key or the connection changes",
    State.REJECTED: "rejected, tried again at the next run",
}

AGAIN: dict[State, str] = {
    State.HELD: "held until key or connection change",
    State.REJECTED: "again at the next run",
    State.RETRYING: "again at the next run",
}
"""The same in the few words that a row has room for."""

WITHOUT_MOMENT: dict[State, str] = {
    State.HELD: "As soon as the API key or the connection changes, and at the next run",
    State.REJECTED: "At the next run, or when you press Retry",
    State.RETRYING: "At the next run, or when you press Retry",
}
"""When a transmission without a planned attempt is tried again."""

FREQUENCY: dict[Frequency, tuple[str, str]] = {
    Frequency.TWICE_MONTHLY: ("Twice monthly", "1st and 15th of each month at 02:00 UTC"),
    Frequency.WEEKLY: ("Weekly", "Every Monday at 02:00 UTC"),
    Frequency.MONTHLY: ("Monthly", "1st of each month at 02:00 UTC"),
    Frequency.DAILY: ("Daily", "Every day at 02:00 UTC"),
}

RETENTION: dict[int, str] = {
    7: "Minimum retention",
    30: "Recommended for troubleshooting",
    90: "Extended retention for compliance",
    365: "Maximum retention",
}

TRIGGER: dict[Trigger, str] = {
    Trigger.SCHEDULED: "Scheduled",
    Trigger.MANUAL: "Send Now",
}

ATTEMPT_TRIGGER: dict[AttemptTrigger, str] = {
    AttemptTrigger.TICK: "scheduled run",
    AttemptTrigger.BACK_OFF: "automatic retry",
    AttemptTrigger.RETRY: "Retry",
    AttemptTrigger.SEND_NOW: "Send Now",
    AttemptTrigger.CONNECTION_CHANGED: "the key or the connection changed",
}

STEP: dict[StepName, tuple[str, str]] = {
    StepName.NAME: ("Name", "The License Server’s name resolves"),
    StepName.TCP: ("TCP", "A network connection can be made"),
    StepName.TLS: ("TLS", "A secure connection is agreed, TLS 1.2 or newer"),
    StepName.CERTIFICATE: ("Certificate", "The certificate is valid and trusted"),
    StepName.ANSWER: ("Answer", "The License Server answers as it should"),
    StepName.API_KEY: ("API key", "The License Server accepts the API key"),
}

ACTION: dict[Action, str] = {
    Action.CONFIGURATION_SAVED: "saved the settings",
    Action.API_KEY_SET: "set a new API key",
    Action.API_KEY_REMOVED: "removed the API key",
    Action.API_KEY_REVEALED: "revealed the API key",
    Action.CONNECTION_TESTED: "tested the connection",
    Action.SENT_NOW: "pressed Send Now",
    Action.RETRIED: "retried a transmission",
    Action.EXPORTED: "exported the history",
    Action.TICK: "ran as scheduled",
    Action.PURGED: "purged data older than the retention",
    Action.LOGGED_IN: "logged in",
    Action.LOGIN_FAILED: "failed to log in",
    Action.LOGGED_OUT: "logged out",
    Action.PASSWORD_SET: "set the administrator’s password",
    Action.TOKEN_CREATED: "created a service token",
    Action.TOKEN_REVOKED: "revoked a service token",
}

_NOBODY = "nobody: "


def turn(whose: str) -> str:
    """Return whose turn it is, as it stands beside a next step: what happens by itself needs no word for nobody."""
    return whose.removeprefix(_NOBODY)


ON_OFF = {True: "on", False: "off"}
