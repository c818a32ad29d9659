"""Who did what, as sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from telemetry_service.domain.actor import ActorKind
from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.queries.activity import Activity, page_activity
from telemetry_service.pipeline.snapshot import Snapshot

ON_A_PAGE = 50
_DIGITS = 18
Member = TypeVar("Member", bound=StrEnum)

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
    "waiting": "not accepted",
    "extension_codes": "extension codes",
    "salted_values": "values",
    "token_id": "token",
    "scopes": "scopes",
    "token_expires": "expires",
    "times": "times",
    "of": "of",
    "action": "action",
    "change": "change",
    "customer_id": "customer",
    "tier": "tier",
    "license_status": "license status",
    "expires_at": "license expiry",
    "reason": "reason",
    "open_period": "current period",
    "approves": "changed in the database",
    "notes": "not used of the response",
}
_WORDS = {"true": "on", "false": "off", "prepared": "payload created", "disabled": "telemetry is off"}
_SPACES = str.maketrans({"_": " "})


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """A filter, and the page of its results, as in the address."""

    kind: Kind | None = None
    actor: ActorKind | None = None
    before: int | None = None
    after: int | None = None

    def __str__(self) -> str:
        """Return the query of the address; empty for the newest page of the whole list."""
        values = {"kind": self.kind, "actor": self.actor, "before": self.before, "after": self.after}
        return urlencode({name: value for name, value in values.items() if value is not None})

    def at(self, *, before: int | None = None, after: int | None = None) -> Self:
        """Return the same filter for another page; without a number, the newest one."""
        return replace(self, before=before, after=after)

    @property
    def filtered(self) -> bool:
        """Whether the filter excludes anything."""
        return self.kind is not None or self.actor is not None


def activity_query_of(parameters: Mapping[str, str]) -> ActivityQuery:
    """Return the query in the parameters; what is not valid is left out."""
    return ActivityQuery(
        kind=_member(Kind, parameters.get("kind")),
        actor=_member(ActorKind, parameters.get("actor")),
        before=_number(parameters.get("before")),
        after=_number(parameters.get("after")),
    )


def activity_view(snapshot: Snapshot, query: ActivityQuery) -> dict[str, Any]:
    """Return one page of the whole list."""
    page = page_activity(
        snapshot, ON_A_PAGE, before=query.before, after=query.after, kind=query.kind, actor=query.actor
    )
    return {"page": page, "activity_query": query}


def details(entry: Activity) -> str:
    """Return the details of an entry: ``frequency: weekly → daily``."""
    changes = entry.details.get("changes")
    said = {**entry.details, **(changes if isinstance(changes, dict) else {})}
    shown = ((name, value) for name, value in said.items() if name in _NAMES and value is not None)
    return ", ".join(f"{_NAMES[name]}: {_words(_text(value).lower())}" for name, value in shown)


def _text(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def _words(value: str) -> str:
    before, arrow, after = value.partition(" -> ")
    if not arrow:
        return _word(value)
    return f"{_word(before)} → {_word(after)}"


def _word(value: str) -> str:
    return _WORDS.get(value, value.translate(_SPACES))


def _member(of: type[Member], text: str | None) -> Member | None:
    try:
        return of(text or "")
    except ValueError:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
