"""Who did what, as sentences."""

from typing import Any

from telemetry_service.domain.activity import Activity
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.snapshot import Snapshot

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


def activity_section(snapshot: Snapshot, *, whole: bool = False) -> dict[str, Any]:
    """Return the latest entries, and whether there are more of them."""
    entries = list_activity(snapshot, LONGER)
    shown = entries if whole else entries[:SHOWN]
    return {"activity": shown, "more_activity": len(shown) < len(entries)}


def details(entry: Activity) -> str:
    """Return the details of an entry: ``frequency: weekly → daily``."""
    said = ((name, value) for name, value in entry.details.items() if name != _TRANSMISSION)
    return ", ".join(f"{_NAMES.get(name, name)}: {_words(value)}" for name, value in said)


def _words(value: str) -> str:
    before, arrow, after = value.partition(" -> ")
    if not arrow:
        return _word(value)
    return f"{_word(before)} → {_word(after)}"


def _word(value: str) -> str:
    return _WORDS.get(value, value.translate(_SPACES))
