"""The ledger: the signed, append-only list of what was done and by whom, and of all that was sent.

A line contains digests and settings, never content, so the retention of telemetry never deletes one. Anything that
identifies a person stands in it as a salted digest (``Salted``); the value itself is kept apart, and can be erased.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.base64url import from_base64url
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.timestamps import parse_moment

FIRST_PREV = "0" * 64
"""What the first line has in place of the digest of the line before it."""

ANCHOR_PATTERN = "^([0-9]{1,18}:)?[0-9a-f]{64}$"
"""An anchor: the digest of a line that must be there, alone or behind its number (``SEQ:HASH``)."""

_SALT_BYTES = 32


class Kind(StrEnum):
    """The kinds of entries."""

    PREPARED = "prepared"
    ATTEMPT = "attempt"
    ANSWERED = "answered"
    AWAITING_RELEASE = "awaiting_release"
    """A payload has to be released from now on, although it did not before."""
    RELEASED = "released"
    WITHDRAWN = "withdrawn"
    APPROVED = "approved"
    """A payload was released, and with it what its schema adds."""
    ACCEPTED_WITHOUT_RECEIPT = "accepted_without_receipt"
    RETRIED = "retried"
    TICK = "tick"
    SETTINGS = "settings"
    KEY_SET = "key_set"
    KEY_REMOVED = "key_removed"
    KEY_OVERLAP_ENDED = "key_overlap_ended"
    KEY_REVEALED = "key_revealed"
    REVEAL_REFUSED = "reveal_refused"
    CONNECTION_TESTED = "connection_tested"
    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGIN_BLOCKED = "login_blocked"
    LOGOUT = "logout"
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of a kind
    PASSWORD_REFUSED = "password_refused"  # noqa: S105 - the name of a kind
    SESSIONS_ENDED = "sessions_ended"
    TOKEN_CREATED = "token_created"  # noqa: S105 - the name of a kind
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - the name of a kind
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - the name of a kind
    FACTS = "facts"
    DEPLOYMENT = "deployment"
    EXPORTED = "exported"
    PROVED = "proved"
    IMPORTED = "imported"
    RESTORED = "restored"
    BEGUN = "begun"
    MIGRATED = "migrated"
    DATABASE_MOVED = "database_moved"
    PURGED = "purged"
    ERASED = "erased"
    INSTANCE_ID_RESET = "instance_id_reset"
    VERIFY_FAILED = "verify_failed"
    CLOCK_MOVED = "clock_moved"
    LEDGER_KEY = "ledger_key"
    SOURCE = "source"
    """The Control Plane's own database: reading began, was reset, or caught up on older rows."""
    SEALED_AGAIN = "sealed_again"
    """Stored secrets were sealed again: under a newer key, or bound to their place."""


OF_SETTINGS = (Kind.BEGUN, Kind.SETTINGS, Kind.KEY_SET, Kind.KEY_REMOVED)
"""The kinds of entries that a write of the settings' row has."""


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Which entries are shown; None does not filter. Days are UTC and inclusive."""

    kind: Kind | None = None
    actor: str | None = None
    """A kind of actors, or one of them by its ID: ``token`` or ``token tkn_7``."""
    from_day: date | None = None
    to_day: date | None = None
    person: int | None = None
    """The number of an entry: only what the person who made it did. No index has persons, so no name is a filter."""


class Nobody(StrEnum):
    """Why the number of an entry leads to no person."""

    NO_ENTRY = "no_entry"
    UNREADABLE = "unreadable"
    NO_PERSON = "no_person"
    ERASED = "erased"
    CHANGED = "changed"


class KeyReason(StrEnum):
    """Why a ledger key signs from an entry on."""

    FIRST = "first"
    ROTATED = "rotated"
    LOST = "lost"
    CONFIRMED = "confirmed"
    """By the new key itself, right after it was announced: its line covers everything before it."""


@dataclass(frozen=True, slots=True)
class Salted:
    """A value that identifies a person, a customer or a code: a line has only its salted digest."""

    text: str


Value = str | int | bool | None | Salted | Sequence["Value"] | Mapping[str, "Value"]
"""What an entry may contain."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one line says, before it has its place in the ledger."""

    at: datetime
    actor: Actor
    kind: Kind
    transmission_id: UUID | None = None
    details: Mapping[str, Value] = field(default_factory=dict)


class Salter:
    """Replaces salted values by their digests, and keeps what belongs to each digest."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.kept: dict[str, bytes] = {}
        """The salt and the value in UTF-8, by the hex SHA-256 digest of both."""

    def written(self, value: Value) -> object:
        """Return ``value`` as it stands in a line."""
        if isinstance(value, Salted):
            return {"salted": self._digest(value.text)}
        if isinstance(value, Mapping):
            return {name: self.written(member) for name, member in value.items()}
        if isinstance(value, list | tuple):
            return [self.written(member) for member in value]
        return value

    def _digest(self, text: str) -> str:
        salted = secrets.token_bytes(_SALT_BYTES) + text.encode()
        digest = hashlib.sha256(salted).hexdigest()
        self.kept[digest] = salted
        return digest


def claims_of(entry: Entry, seq: int, prev: str, salter: Salter) -> dict[str, object]:
    """Return what the line of ``entry`` at place ``seq`` says; ``prev`` is the digest of the line before it."""
    about = {} if entry.transmission_id is None else {"transmission_id": str(entry.transmission_id)}
    address = entry.actor.address
    said: dict[str, Value] = {
        **entry.details,
        **about,
        "seq": seq,
        "prev": prev,
        "at": rfc3339(entry.at),
        "kind": entry.kind.value,
        "actor": _actor(entry.actor),
        "source": None if address is None else Salted(address),
    }
    return {name: salter.written(value) for name, value in said.items()}


def _actor(actor: Actor) -> dict[str, Value]:
    named = {name: value for name, value in (("id", actor.id), ("name", actor.name)) if value is not None}
    who = {name: Salted(value) if actor.personal else value for name, value in named.items()}
    return {"type": actor.kind.value, **who}


def salted_digests(value: object) -> set[str]:
    """Return the salted digests anywhere in what a line says."""
    if isinstance(value, list):
        return {digest for member in value for digest in salted_digests(member)}
    if not isinstance(value, dict):
        return set()
    if set(value) == {"salted"}:
        return {str(value["salted"])}
    return {digest for member in value.values() for digest in salted_digests(member)}


def resolved(
    value: Any,  # noqa: ANN401 - any JSON
    kept: Mapping[str, bytes],
    erased: object = None,
    changed: object = None,
) -> Any:  # noqa: ANN401 - any JSON
    """Return what a line says with values in place of their salted digests.

    A digest whose value was erased, or that someone has changed, stays as it is, unless there is something to say
    instead.
    """
    if isinstance(value, list):
        return [resolved(member, kept, erased, changed) for member in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"salted"}:
        digest = str(value["salted"])
        found = kept.get(digest)
        if found is None:
            return erased or value
        return text_of(found) if hashlib.sha256(found).hexdigest() == digest else changed or value
    return {name: resolved(member, kept, erased, changed) for name, member in value.items()}


def text_of(salted: bytes) -> str:
    """Return the value that was salted."""
    return salted[_SALT_BYTES:].decode(errors="replace")


def digest_of(line: str) -> str:
    """Return the hex SHA-256 digest of a line, which the next line repeats."""
    return hashlib.sha256(line.encode("ascii")).hexdigest()


def written_at(line: object, sha256: str) -> datetime | None:
    """Return when the line with a digest says that it was written; None if this is another one, or none."""
    try:
        if not isinstance(line, str) or digest_of(line) != sha256:
            return None
        return parse_moment(json.loads(from_base64url(line.split(".")[1]))["at"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
