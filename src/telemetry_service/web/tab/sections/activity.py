"""Who did what, as sentences."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from telemetry_service.domain.actor import ActorKind
from telemetry_service.domain.causes import EXPLANATIONS
from telemetry_service.domain.ledger import Kind, LedgerFilter
from telemetry_service.domain.phrases import counted, grouped
from telemetry_service.pipeline.queries.activity import Activity, page_activity
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.days import ANY, Days, days_of
from telemetry_service.web.tab.labels import ATTEMPT_TRIGGER, ENTRY, TRIGGER

ON_A_PAGE = 50
_FEW = 3
_TOKEN = re.compile(r"token [A-Za-z0-9_-]{1,64}", re.ASCII)
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
    "number": "attempt",
    "part": "part",
}


@dataclass(frozen=True, slots=True)
class _Counted:
    """A number that belongs into the headline of an entry."""

    name: str
    verb: str
    one: str


_COUNTED = {
    Kind.RETRIED: _Counted("transmissions", "Retried", "failed transmission"),
    Kind.SESSIONS_ENDED: _Counted("sessions_ended", "Ended", "browser session"),
}
_OF = {
    (Kind.EXPORTED, "history"): "Exported the transmission history",
    (Kind.EXPORTED, "activity"): "Exported the activity without persons",
    (Kind.EXPORTED, "activity_with_persons"): "Exported the activity",
    (Kind.EXPORTED, "ledger"): "Exported the ledger without persons",
    (Kind.EXPORTED, "ledger_with_persons"): "Exported the ledger",
    (Kind.EXPORTED, "attempt"): "Downloaded what an attempt sent",
    (Kind.EXPORTED, "bundle"): "Exported a bundle",
    (Kind.FACTS, "bouncers"): "Changed the bouncer registry",
    (Kind.FACTS, "license"): "Reported the license",
    (Kind.FACTS, "extension_code"): "Reported an extension code",
    (Kind.ERASED, "all"): "Erased everything that was stored",
    (Kind.ERASED, "persons"): "Erased what names persons",
}
"""Kinds of which it matters what they were about."""
_VERBATIM = frozenset({"customer_id", "expires_at", "extension_codes", "reason", "token_expires", "token_id"})
"""What someone else has named or written: it stays as it is."""
_CAUSES = {cause.value: explanation.sentence.rstrip(".") for cause, explanation in EXPLANATIONS.items()}
_WORDS = {"true": "on", "false": "off", "prepared": "payload created", "disabled": "telemetry is off"}
_TRIGGERS = {str(one): words for one, words in (*TRIGGER.items(), *ATTEMPT_TRIGGER.items())}
_TRANSLATED = {"trigger": _TRIGGERS, "cause": _CAUSES}
_SPACES = str.maketrans({"_": " "})


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """A filter, and the page of its results, as in the address."""

    kind: Kind | None = None
    actor: str | None = None
    """A kind of actors, or one service token: ``token tkn_7``."""
    person: int | None = None
    """The number of an entry: only what the person who made it did. An address never holds a name."""
    days: Days = ANY
    before: int | None = None
    after: int | None = None

    def __str__(self) -> str:
        """Return the query of the address; empty for the newest page of the whole list."""
        values = {
            "kind": self.kind,
            "actor": self.actor,
            "person": self.person,
            "from": self.days.first,
            "to": self.days.last,
            "before": self.before,
            "after": self.after,
        }
        return urlencode({name: value for name, value in values.items() if value is not None})

    def at(self, *, before: int | None = None, after: int | None = None) -> Self:
        """Return the same filter for another page; without a number, the newest one."""
        return replace(self, before=before, after=after)

    def by(self, entry: Activity) -> Self:
        """Return the same filter for the service token or the person that made an entry."""
        token = entry.token and f"token {entry.token}"
        return replace(self.at(), actor=token, person=None if token else entry.seq)

    def by_everyone(self) -> Self:
        """Return the same filter for everyone."""
        return replace(self.at(), actor=None, person=None)

    @property
    def filter(self) -> LedgerFilter:
        """The filter of the ledger."""
        return LedgerFilter(self.kind, self.actor, self.days.first, self.days.last, self.person)

    @property
    def filtered(self) -> bool:
        """Whether the filter excludes anything."""
        return self.filter != LedgerFilter()


def activity_query_of(parameters: Mapping[str, str]) -> ActivityQuery:
    """Return the query in the parameters; what is not valid is left out, but days are shown again as typed.

    An actor replaces a person, so that the choice in the form is what counts.
    """
    actor = _actor(parameters.get("actor", ""))
    return ActivityQuery(
        kind=_member(Kind, parameters.get("kind")),
        actor=actor,
        person=None if actor else _number(parameters.get("person")),
        days=days_of(parameters),
        before=_number(parameters.get("before")),
        after=_number(parameters.get("after")),
    )


def activity_view(snapshot: Snapshot, query: ActivityQuery) -> dict[str, Any]:
    """Return one page of the whole list."""
    page = page_activity(snapshot, ON_A_PAGE, query.filter, before=query.before, after=query.after)
    return {"page": page, "activity_query": query, "now": snapshot.now}


def headline(entry: Activity) -> str:
    """Return what an entry says was done, with its numbers: ``Retried 3 failed transmissions``."""
    if entry.unreadable:
        return f"This entry cannot be read: someone has written into {entry.unreadable}"
    if entry.kind is None:
        return "Did something this version does not know"
    said, of = entry.details, str(entry.details.get("of"))
    counts = _COUNTED.get(entry.kind)
    if counts and isinstance(said.get(counts.name), int):
        return f"{counts.verb} {counted(said[counts.name], counts.one)}"
    return _OF.get((entry.kind, of)) or ENTRY[entry.kind]


def summary(row: Sequence[Activity]) -> str:
    """Return what several logins that follow one another were: ``Logged in 3 times, login failed once``."""
    times: Counter[Kind | None] = Counter()
    for it in row:
        said = it.details.get("times")
        times[it.kind] += said if isinstance(said, int) else 1
    said = ", ".join(f"{ENTRY[kind].lower()} {_often(times[kind])}" for kind in ENTRY if times[kind])
    return said[0].upper() + said[1:]


def few(values: Iterable[str | None]) -> str:
    """Return the first of several names, each once, and how many more there are."""
    names = list(dict.fromkeys(value for value in values if value))
    more = f" and {counted(len(names) - _FEW, 'other')}" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def first_people(row: Sequence[Activity]) -> tuple[list[Activity], str]:
    """Return the first entries of several that someone else made each, and how many more people there are."""
    made = list({(it.actor, it.token, it.person): it for it in reversed(row)}.values())[::-1]
    more = f" and {counted(len(made) - _FEW, 'other')}" if len(made) > _FEW else ""
    return made[:_FEW], more


def _often(times: int) -> str:
    return "once" if times == 1 else f"{grouped(times)} times"


def details(entry: Activity) -> str:
    """Return the rest of what an entry says: ``frequency: weekly → daily``."""
    changes, counts = entry.details.get("changes"), _COUNTED.get(entry.kind) if entry.kind else None
    said = {**entry.details, **(changes if isinstance(changes, dict) else {})}
    told = {counts.name} if counts else {"of"} if (entry.kind, str(said.get("of"))) in _OF else set()
    shown = ((name, value) for name, value in said.items() if name in _NAMES.keys() - told and value is not None)
    return ", ".join(f"{_NAMES[name]}: {_written(name, _text(value))}" for name, value in shown)


def _written(name: str, value: str) -> str:
    before, arrow, after = value.partition(" -> ") if name != "reason" else (value, "", "")
    return f"{_word(name, before)} → {_word(name, after)}" if arrow else _word(name, value)


def _text(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def _word(name: str, value: str) -> str:
    if name in _VERBATIM:
        return "none" if value == str(None) else value
    names: Mapping[str, str] = _TRANSLATED.get(name, {})
    return names.get(value) or _WORDS.get(value.lower()) or value.lower().translate(_SPACES)


def _member(of: type[Member], text: str | None) -> Member | None:
    try:
        return of(text or "")
    except ValueError:
        return None


def _actor(text: str) -> str | None:
    return text if _TOKEN.fullmatch(text) else _member(ActorKind, text)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
