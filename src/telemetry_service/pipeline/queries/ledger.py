"""The ledger as programs read it, and the keys that sign it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.ledger import Kind, LedgerFilter, resolved, salted_digests
from telemetry_service.pipeline.queries.who import find_lines
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.sealing.ledger_key import fingerprint, unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head, StoredLine, UnreadableLine

_ALL, _KEYS = LedgerFilter(), LedgerFilter(Kind.LEDGER_KEY)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A line and what it says. Reading it does not verify it."""

    seq: int
    line: str
    claims: Mapping[str, Any]
    """With values in place of their salted digests where they were asked for, unless they were erased."""
    unreadable: str | None = None
    """The column that cannot be read, with its table; None if the whole row can be."""


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Entries, oldest first, and the head when they were read."""

    entries: tuple[LedgerEntry, ...]
    head: Head
    next_after: int | None
    """What the next page begins behind; None if this is the last one."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signs lines, or has signed some."""

    key_id: str
    public_key: str
    """In URL-safe base64."""
    fingerprint: str
    """The hex SHA-256 digest of the raw key."""


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The keys that this installation verifies its ledger with."""

    present: PublicKey | None
    """The one that signs; None if it cannot be opened with ENCRYPTION_KEY."""
    earlier: tuple[PublicKey, ...]
    """The others, the latest first."""


def list_entries(
    snapshot: Snapshot,
    after: int,
    limit: int,
    which: LedgerFilter = _ALL,
    *,
    persons: bool = False,
) -> LedgerPage:
    """Return the entries with a number above ``after``; with ``persons``, with what their salted digests stand for."""
    found = find_lines(snapshot.tx, limit + 1, which, after=after)
    entries = read_lines(snapshot.tx, found.lines[:limit], persons=persons)
    further = entries[-1].seq if len(found.lines) > limit else found.looked_to
    return LedgerPage(entries, snapshot.tx.ledger.head(), further)


def read_lines(
    tx: Transaction, lines: Sequence[StoredLine | UnreadableLine], *, persons: bool
) -> tuple[LedgerEntry, ...]:
    """Return what lines say; with ``persons``, with what their salted digests stand for."""
    said = [unverified(line.line or "") for line in lines]
    kept = tx.ledger.salted(salted_digests(said)) if persons else {}
    return tuple(_entry(line, resolved(claims, kept)) for line, claims in zip(lines, said, strict=True))


def _entry(line: StoredLine | UnreadableLine, claims: Mapping[str, Any]) -> LedgerEntry:
    column = line.column if isinstance(line, UnreadableLine) else None
    return LedgerEntry(line.seq, line.line or "", claims, column)


def read_ledger_keys(snapshot: Snapshot) -> LedgerKeys:
    """Return the public keys of the ledger."""
    stored = snapshot.tx.ledger.keys()
    opened = snapshot.runtime.signer.public_keys(stored)
    lines = snapshot.tx.ledger.page(1000, which=_KEYS)
    announced = [str(unverified(line.line or "").get("fingerprint", "")) for line in lines]
    order = {said[:16]: place for place, said in reversed([*enumerate(announced)])}
    keys = {key_id: _public(key_id, raw) for key_id, raw in opened.items()}
    present = keys.pop(stored.signs, None) if stored.signs else None
    return LedgerKeys(present, tuple(sorted(keys.values(), key=lambda key: order.get(key.key_id, len(order)))))


def _public(key_id: str, raw: bytes) -> PublicKey:
    return PublicKey(key_id, to_base64url(raw).decode(), fingerprint(raw))
