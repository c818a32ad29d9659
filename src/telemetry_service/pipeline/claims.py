"""What the ledger's lines say about one transmission.

The index of a line only finds it. Someone may have changed the index or deleted the line, so what decides whether a
payload leaves is read from the chain itself.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from telemetry_service.domain.ledger import FIRST_PREV, Kind, digest_of
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.verification import read_verification
from telemetry_service.sealing.ledger_key import read_line, unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head, StoredLine
from telemetry_service.storage.ledger_sweep import readable

_FIRST = frozenset({Kind.PREPARED.value, Kind.MIGRATED.value})
"""The kinds of the first line about a transmission."""

_MOST = 10_000
"""Lines of which a process remembers whether they are ours."""
_NONE = Head(0, FIRST_PREV)

Claims = dict[str, Any]


def signed_claims(runtime: Runtime, tx: Transaction, transmission_id: UUID) -> list[Claims]:
    """Return what the indexed lines about a transmission say, oldest first; nothing if one of them is not ours.

    It may lack what someone has hidden. Where that matters, ``all_claims`` does not.
    """
    lines, keys = tx.ledger.of_transmission(transmission_id), runtime.ledger_keys(tx)
    return _complete(line_about(line, keys, transmission_id) for line in lines)


@dataclass(frozen=True, slots=True)
class Chain:
    """The lines of the ledger about a transmission, oldest first."""

    lines: tuple[StoredLine, ...]
    complete: bool
    """Whether every line from the first one to the head follows the one before, so that no other can be missing."""
    erased: bool = False
    """Whether all transmissions were erased since the first one."""
    head: Head | None = None
    """The end of the ledger, which it was followed to; None if it could not be."""
    as_verified: bool = False
    """Whether the latest line that a verification has seen is there, unless the first one is later."""
    answered: int = 0
    """The number of the latest line since the first one by which sending continues after a restore; 0 if none does."""


def chain_of(
    tx: Transaction,
    transmission_id: UUID,
    keys: Mapping[str, bytes],
    verdict: Verification | None,
    known: Iterable[Head] = (),
) -> Chain:
    """Return all lines about a transmission, read from the chain, whatever the index says.

    It is complete only if each line up to the head is ours: an honest one that is written behind a forged one repeats
    its digest as well. A verdict vouches for the lines that it has seen, so only the others take a signature each.

    Args:
        tx: The transaction to read in.
        transmission_id: The transmission.
        keys: The raw public keys of the ledger, by their IDs.
        verdict: The latest one; None if there is none.
        known: Lines that a verification has seen: those that are not older than the first one must be there.
    """
    expected = {head.seq: head for head in known}
    for trusted in (verdict,) if verdict is None else (verdict, None):
        reader = _Reader(transmission_id, keys, expected, trusted)
        if readable(lambda: _read_all(tx, reader)) is None:  # noqa: B023 - it is called now
            break
        if reader.has_met:
            return replace(reader.chain(), as_verified=trusted is verdict)
    return Chain(tx.ledger.of_transmission(transmission_id), complete=False)


def _read_all(tx: Transaction, reader: "_Reader") -> bool:
    with closing(tx.ledger.since_first_of(reader.transmission_id)) as found:
        for line, head in found:
            reader.take(line, head)
    return True


def all_claims(runtime: Runtime, tx: Transaction, transmission_id: UUID) -> list[Claims]:
    """Return what all lines about a transmission say, oldest first.

    Nothing if one may be missing or is not ours, or if the transmission was erased: then someone has put its row back.
    """
    return claims_as_verified(runtime, tx, transmission_id).claims


class VerifiedClaims(NamedTuple):
    """What all lines about a transmission say, oldest first."""

    claims: list[Claims]
    end: Head | None
    """Of the chain; None if it lacks the latest line that a verification has seen.

    Then the ledger was replaced, or something shows this query something else than those of the sweep.
    """
    answered: int
    """As in ``Chain``."""


def claims_as_verified(runtime: Runtime, tx: Transaction, transmission_id: UUID) -> VerifiedClaims:
    """Return the same as ``all_claims``, with the end of the chain."""
    keys, verdict = runtime.ledger_keys(tx), runtime.swept.verdict or read_verification(runtime, tx)
    chain = chain_of(tx, transmission_id, keys, verdict)
    usable = chain.complete and not chain.erased
    found = _complete(line_about(line, keys, transmission_id) for line in chain.lines) if usable else []
    claims = found if found and _is_first(found[0]) else []
    return VerifiedClaims(claims, chain.head if chain.as_verified else None, chain.answered)


def line_about(line: StoredLine, keys: Mapping[str, bytes], transmission_id: UUID) -> Claims | None:
    """Return what a line about a transmission says; None if we have not signed it, or not for its place and index."""
    said = read_line(line.line, keys)
    if said is None or line.transmission_id != transmission_id:
        return None
    index = (line.seq, line.kind, str(transmission_id))
    return said if (said["seq"], said["kind"], said.get("transmission_id")) == index else None


class _Reader:
    """Reads a part of the chain, line after line."""

    def __init__(
        self, transmission_id: UUID, keys: Mapping[str, bytes], known: Mapping[int, Head], verdict: Verification | None
    ) -> None:
        """Believe a verdict which of the lines up to the one that it names are ours, if the chain leads to that one."""
        self.transmission_id, self._keys = transmission_id, frozenset(keys.items())
        self._vouched = _NONE if verdict is None else Head(verdict.seq, verdict.sha256)
        self._ours_since = None if verdict is None else verdict.ours_since
        self._left = dict(known)
        self._last = self._head = _NONE
        self._complete, self._erased, self._about, self._answered = True, False, list[StoredLine](), 0
        self._met: bool | None = None

    @property
    def has_met(self) -> bool:
        """Whether the line that was vouched for is there, or older than the first one."""
        return self._met is not False

    def take(self, line: StoredLine, head: Head) -> None:
        """Read the next line, with the present head."""
        said, place = unverified(line.line), Head(line.seq, digest_of(line.line))
        if self._last == _NONE:
            self._begin(line.seq)
        else:
            self._complete &= (line.seq, said.get("prev")) == (self._last.seq + 1, self._last.sha256)
        self._complete &= said.get("seq") == line.seq and self._left.pop(line.seq, place) == place
        if line.seq == self._vouched.seq:
            self._met = place == self._vouched
        self._complete = self._complete and (self._is_vouched(line.seq) or _is_ours(line.line, self._keys))
        self._erased |= erases_all(said) and _is_ours(line.line, self._keys)  # Even where the chain is broken.
        self._answered = line.seq if _answers(said) else self._answered
        if self.transmission_id == line.transmission_id or said.get("transmission_id") == str(self.transmission_id):
            self._about.append(line)
        self._last, self._head = place, head

    def chain(self) -> Chain:
        """Return what was read."""
        complete = self._complete and not self._left and self._last == self._head != _NONE
        head = None if self._head == _NONE else self._head
        return Chain(tuple(self._about), complete, self._erased, head, answered=self._answered)

    def _begin(self, seq: int) -> None:
        self._left = {known: head for known, head in self._left.items() if known >= seq}
        if seq <= self._vouched.seq:
            self._met, self._complete = False, self._ours_since is None or self._ours_since <= seq

    def _is_vouched(self, seq: int) -> bool:
        return self._ours_since is not None and seq <= self._vouched.seq


@lru_cache(_MOST)
def _is_ours(line: str, keys: frozenset[tuple[str, bytes]]) -> bool:
    return read_line(line, dict(keys)) is not None


def erases_all(said: Mapping[str, Any]) -> bool:
    """Whether a line is about an erasure of all transmissions."""
    return said.get("kind") == Kind.ERASED and said.get("of") == "all"


def _answers(said: Mapping[str, Any]) -> bool:
    """Whether sending continues after a restore: a person has said what was sent before it."""
    return said.get("kind") == Kind.RESTORED and "open_period" in said


def _complete(read: Iterable[Claims | None]) -> list[Claims]:
    claims = []
    for said in read:
        if said is None:
            return []
        claims.append(said)
    return claims


def _is_first(said: Claims) -> bool:
    return said["kind"] in _FIRST and said.get("replaces") is None
