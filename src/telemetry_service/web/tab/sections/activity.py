"""Who did what, as sentences."""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.activity import Activity
from telemetry_service.web.tab.filters import Moment, moment
from telemetry_service.web.tab.labels import ACTION

SHOWN = 8
LONGER = 50
_TRANSMISSION = "transmission_id"

_NAMES = {
    "enabled": "telemetry",
    "frequency": "frequency",
    "encrypt_payload": "encryption",
    "anonymize_pii": "anonymization",
    "retention_days": "retention in days",
    "transmissions": "transmissions",
    "failed_logins": "failed logins in a row",
}
_WORDS = {"true": "on", "false": "off", "prepared": "payload created", "disabled": "telemetry is off"}
_SPACES = str.maketrans({"_": " "})


@dataclass(frozen=True, slots=True)
class ActivityView:
    """One line of the list."""

    at: Moment
    actor: str
    sentence: str
    details: str
    transmission_id: str | None


def activity_view(entry: Activity, now: datetime) -> ActivityView:
    """Return one line."""
    told = {name: value for name, value in entry.details.items() if name != _TRANSMISSION}
    details = ", ".join(f"{_NAMES.get(name, name)}: {_words(value)}" for name, value in told.items())
    return ActivityView(
        moment(entry.at, now), entry.actor, ACTION[entry.action], details, entry.details.get(_TRANSMISSION)
    )


def _words(value: str) -> str:
    before, arrow, after = value.partition(" -> ")
    if not arrow:
        return _word(value)
    return f"{_word(before)} → {_word(after)}"


def _word(value: str) -> str:
    return _WORDS.get(value, value.translate(_SPACES))
