"""The words that the tab shows for each member of the domain's closed sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from telemetry_service.domain.actor import ActorKind
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.connection_check import StepName
from telemetry_service.domain.ledger import Kind, Nobody
from telemetry_service.domain.owner import Owner
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmission_texts import DescribedTransmission, RowStatus
from telemetry_service.domain.transmissions import AttemptTrigger, State, Trigger
from telemetry_service.domain.verdict import ConnectionBadge


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with its icon and tone. The tone only repeats what word and icon say."""

    word: str
    icon: str
    tone: str


HEALTH: dict[HealthStatus, Badge] = {
    HealthStatus.HEALTHY: Badge("Healthy", "check", "good"),
    HealthStatus.WARNING: Badge("Warning", "warning", "warn"),
    HealthStatus.UNHEALTHY: Badge("Unhealthy", "cross", "bad"),
    HealthStatus.DISABLED: Badge("Disabled", "pause", "quiet"),
    HealthStatus.NOT_CONFIGURED: Badge("Not Configured", "plug", "quiet"),
}

CONNECTION_BADGE: dict[ConnectionBadge, Badge] = {
    ConnectionBadge.CONNECTED: Badge("connected", "check", "good"),
    ConnectionBadge.NOT_CONNECTED: Badge("not connected", "cross", "bad"),
    ConnectionBadge.NOT_CONTACTED: Badge("not contacted yet", "dash", "quiet"),
    ConnectionBadge.NOT_CONFIGURED: Badge("not configured", "plug", "quiet"),
    ConnectionBadge.IN_BUNDLES: Badge("in bundles only", "dash", "quiet"),
    ConnectionBadge.OFF: Badge("not contacted while off", "pause", "quiet"),
}

STATUS: dict[RowStatus, Badge] = {
    RowStatus.PENDING: Badge("Pending", "clock", "info"),
    RowStatus.WAITING: Badge("Waiting", "pause", "info"),
    RowStatus.SENDING: Badge("Sending", "clock", "info"),
    RowStatus.SUCCESS: Badge("Success", "check", "good"),
    RowStatus.FAILED: Badge("Failed", "cross", "bad"),
    RowStatus.WITHDRAWN: Badge("Withdrawn", "dash", "quiet"),
}
"""The guide has two words, Success and Failed; ``domain/transmission_texts.py`` adds the finer ones."""

ATTEMPT_STATUS: dict[State, Badge] = {
    State.PENDING: STATUS[RowStatus.SENDING],
    State.SUCCESS: STATUS[RowStatus.SUCCESS],
    State.RETRYING: STATUS[RowStatus.FAILED],
    State.HELD: STATUS[RowStatus.FAILED],
    State.REJECTED: STATUS[RowStatus.FAILED],
    State.EXPORTED: Badge("Exported", "clock", "info"),
    State.AWAITING_RELEASE: STATUS[RowStatus.WAITING],
    State.WITHDRAWN: STATUS[RowStatus.WITHDRAWN],
}

FREQUENCY: dict[Frequency, tuple[str, str]] = {
    Frequency.TWICE_MONTHLY: ("Twice monthly", "1st and 15th of each month at 02:00 UTC"),
    Frequency.WEEKLY: ("Weekly", "Every Monday at 02:00 UTC"),
    Frequency.MONTHLY: ("Monthly", "1st of each month at 02:00 UTC"),
    Frequency.DAILY: ("Daily", "Every day at 02:00 UTC"),
}

SETTING: dict[str, str] = {
    "enabled": "Enable Telemetry",
    "frequency": "Transmission Frequency",
    "encrypt_payload": "Data Encryption",
    "anonymize_pii": "PII Anonymization",
    "retention_days": "Local Data Retention",
}
"""The settings of the form, by the guide's words."""

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
    AttemptTrigger.RELEASED: "release",
    AttemptTrigger.CONNECTION_CHANGED: "key or connection changed",
    AttemptTrigger.BUNDLE: "bundle",
}


@dataclass(frozen=True, slots=True)
class StepWords:
    """A step of the connection test."""

    name: str
    tried: str
    """What the step tries; shown with every result but *passed*, so that a failure is never described as working."""
    passed: str


STEP: dict[StepName, StepWords] = {
    StepName.NAME: StepWords("Name", "Resolve the License Server’s name", "The License Server’s name resolves"),
    StepName.TCP: StepWords("TCP", "Open a network connection", "The network connection works"),
    StepName.TLS: StepWords("TLS", "Open a secure connection (TLS 1.2+)", "Secure connection (TLS 1.2+)"),
    StepName.CERTIFICATE: StepWords(
        "Certificate", "Check the License Server’s certificate", "The certificate is valid and trusted"
    ),
    StepName.RESPONSE: StepWords("Response", "Get a response", "The License Server responds as expected"),
    StepName.API_KEY: StepWords("API key", "Check the API key", "The License Server accepts the API key"),
}

ENTRY: dict[Kind, str] = {
    Kind.PREPARED: "Prepared a payload",
    Kind.ATTEMPT: "Sent a payload",
    Kind.ANSWERED: "Attempt ended",
    Kind.AWAITING_RELEASE: "Held a payload until its release",
    Kind.RELEASED: "Released a payload",
    Kind.APPROVED: "Released a payload with a new field",
    Kind.WITHDRAWN: "Withdrew a payload",
    Kind.ACCEPTED_WITHOUT_RECEIPT: "Accepted a transmission without a receipt",
    Kind.RETRIED: "Retried a transmission",
    Kind.TICK: "Ran as scheduled",
    Kind.SETTINGS: "Saved the settings",
    Kind.KEY_SET: "Set a new API key",
    Kind.KEY_REMOVED: "Removed the API key",
    Kind.KEY_OVERLAP_ENDED: "Destroyed the old API key",
    Kind.KEY_REVEALED: "Showed the API key",
    Kind.REVEAL_REFUSED: "Was refused the API key",
    Kind.CONNECTION_TESTED: "Tested the connection",
    Kind.LOGIN: "Logged in",
    Kind.LOGIN_FAILED: "Login failed",
    Kind.LOGIN_BLOCKED: "Login blocked",
    Kind.LOGOUT: "Logged out",
    Kind.PASSWORD_SET: "Set the administrator’s password",
    Kind.PASSWORD_REFUSED: "Did not change the password",
    Kind.SESSIONS_ENDED: "Ended browser sessions",
    Kind.TOKEN_CREATED: "Created a service token",
    Kind.TOKEN_REVOKED: "Revoked a service token",
    Kind.TOKEN_REFUSED: "Sent a token that is not valid",
    Kind.FACTS: "Reported facts",
    Kind.DEPLOYMENT: "Started with other deployment settings",
    Kind.EXPORTED: "Exported data",
    Kind.PROVED: "Exported a proof",
    Kind.IMPORTED: "Imported receipts",
    Kind.RESTORED: "Restored from a backup",
    Kind.BEGUN: "Began the ledger",
    Kind.MIGRATED: "Took over an entry of an earlier version",
    Kind.DATABASE_MOVED: "Moved to another database",
    Kind.PURGED: "Purged data older than the retention period",
    Kind.ERASED: "Erased stored data",
    Kind.INSTANCE_ID_RESET: "Gave the installation a new ID",
    Kind.VERIFY_FAILED: "Verification failed",
    Kind.CLOCK_MOVED: "The clock was set back",
    Kind.LEDGER_KEY: "Took a new ledger key",
    Kind.SOURCE: "Read the source database differently",
    Kind.SEALED_AGAIN: "Sealed stored secrets again",
}

ENTRY_GROUPS: dict[str, tuple[Kind, ...]] = {
    "Sending": (
        Kind.PREPARED,
        Kind.ATTEMPT,
        Kind.ANSWERED,
        Kind.TICK,
        Kind.RETRIED,
        Kind.AWAITING_RELEASE,
        Kind.RELEASED,
        Kind.APPROVED,
        Kind.WITHDRAWN,
        Kind.ACCEPTED_WITHOUT_RECEIPT,
        Kind.CONNECTION_TESTED,
    ),
    "Settings and API key": (
        Kind.SETTINGS,
        Kind.KEY_SET,
        Kind.KEY_REMOVED,
        Kind.KEY_OVERLAP_ENDED,
        Kind.KEY_REVEALED,
        Kind.REVEAL_REFUSED,
        Kind.DEPLOYMENT,
    ),
    "Access": (
        Kind.LOGIN,
        Kind.LOGIN_FAILED,
        Kind.LOGIN_BLOCKED,
        Kind.LOGOUT,
        Kind.PASSWORD_SET,
        Kind.PASSWORD_REFUSED,
        Kind.SESSIONS_ENDED,
        Kind.TOKEN_CREATED,
        Kind.TOKEN_REVOKED,
        Kind.TOKEN_REFUSED,
    ),
    "Data": (Kind.FACTS, Kind.SOURCE, Kind.EXPORTED, Kind.PROVED, Kind.IMPORTED, Kind.PURGED, Kind.ERASED),
    "Ledger and installation": (
        Kind.BEGUN,
        Kind.MIGRATED,
        Kind.RESTORED,
        Kind.DATABASE_MOVED,
        Kind.INSTANCE_ID_RESET,
        Kind.VERIFY_FAILED,
        Kind.CLOCK_MOVED,
        Kind.LEDGER_KEY,
        Kind.SEALED_AGAIN,
    ),
}
"""The kinds of entries as the filter of the activity groups them."""

ACTOR: dict[ActorKind, str] = {
    ActorKind.PERSON: "People",
    ActorKind.TOKEN: "Service tokens",
    ActorKind.COMMAND: "Commands",
    ActorKind.SCHEDULE: "The schedule",
    ActorKind.DEPLOYMENT: "The deployment",
    ActorKind.SERVICE: "The service itself",
    ActorKind.STRANGER: "Not logged in",
}
"""The filter of the activity list."""

NOBODY: dict[Nobody, str] = {
    Nobody.NO_ENTRY: "There is no entry with this number",
    Nobody.UNREADABLE: "This entry cannot be read",
    Nobody.NO_PERSON: "No person made this entry",
    Nobody.ERASED: "The name of the person who made this entry was erased",
    Nobody.CHANGED: "Someone has changed the name of the person who made this entry",
}
"""Why the activity list cannot be filtered by the person who made an entry."""

_BADGES: dict[type[StrEnum], Mapping[Any, Badge]] = {
    HealthStatus: HEALTH,
    ConnectionBadge: CONNECTION_BADGE,
    RowStatus: STATUS,
    State: ATTEMPT_STATUS,
}
_NAMES: dict[type[StrEnum], Mapping[Any, str]] = {
    Trigger: TRIGGER,
    AttemptTrigger: ATTEMPT_TRIGGER,
    Kind: ENTRY,
}


def badge(member: StrEnum) -> Badge:
    """Return the badge of a member of a closed set. Members of two sets may be equal as text, so the set counts."""
    return _BADGES[type(member)][member]


_FATES: dict[State, Badge] = {
    State.RETRYING: Badge("Failed", "retry", "warn"),
    State.HELD: Badge("Failed", "pause", "warn"),
}
"""What failed and is tried again, or waits, looks different from what was rejected; the guide has one word for all."""


def tone_of(it: DescribedTransmission) -> Badge:
    """Return the badge of a row."""
    if it.texts.status is RowStatus.FAILED:
        return _FATES.get(it.transmission.state, STATUS[RowStatus.FAILED])
    return STATUS[it.texts.status]


_NOT_ITS_RESPONSE = "not a License Server’s"
CODE_NOTE: dict[Cause, str] = {
    Cause.RESPONSE_MALFORMED: _NOT_ITS_RESPONSE,
    Cause.RESPONSE_TOO_LARGE: _NOT_ITS_RESPONSE,
    Cause.RECEIPT_MISSING: "without a receipt",
}
"""Why a transmission has failed although its response code says something else."""


def label(member: StrEnum) -> str:
    """Return the word for a member of a closed set."""
    return _NAMES[type(member)][member]


def turn(owner: Owner | None) -> str:
    """Return who can take a next step; empty if no one has to."""
    return "" if owner in {None, Owner.NOBODY} else str(owner)


FILTERS = {"badge": badge, "label": label, "tone_of": tone_of, "turn": turn}
