"""Who did what, as sentences."""

from typing import Any

from telemetry_service.pipeline.queries.activity import Activity, list_activity
from telemetry_service.pipeline.snapshot import Snapshot

SHOWN = 8
LONGER = 50

_NAMES = {
    "enabled": "telemetry",
    "frequency": "frequency",
    "encrypt_payload": "encryption",
    "anonymize_pii": "anonymization",
    "retention_days": "retention in days",
    "transmissions": "transmissions",
    "sessions_ended": "sessions ended",
    "failed_logins": "failed logins in a row",
    "result": "result",
    "key": "key",
    "trigger": "trigger",
    "state": "state",
    "cause": "cause",
    "rows": "rows",
    "waiting": "not sent",
    "extension_codes": "extension codes",
    "salted_values": "values",
    "token_id": "token",
    "scopes": "scopes",
    "times": "times",
    "of": "of",
    "action": "action",
    "change": "change",
    "customer_id": "customer",
    "tier": "tier",
    "license_status": "license status",
    "expires_at": "license expiry",
    "reason": "reason",
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
    said = {**entry.details, **(entry.details.get("changes") or {})}
    shown = ((name, value) for name, value in said.items() if name in _NAMES and value is not None)
    return ", ".join(f"{_NAMES[name]}: {_words(str(value).lower())}" for name, value in shown)


def _words(value: str) -> str:
    before, arrow, after = value.partition(" -> ")
    if not arrow:
        return _word(value)
    return f"{_word(before)} → {_word(after)}"


def _word(value: str) -> str:
    return _WORDS.get(value, value.translate(_SPACES))
