"""What the ledger's lines say about one transmission.

The index of a line only finds it. Someone may have changed the index or deleted the line, so what decides whether a
payload leaves is read from the chain itself.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from telemetry_service.domain.ledger import Kind, digest_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.ledger_key import read_line, unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head, StoredLine
from telemetry_service.storage.ledger_sweep import readable

_FIRST = frozenset({Kind.PREPARED.value, Kind.MIGRATED.value})
"""The kinds of the first line about a transmission."""

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


def chain_of(tx: Transaction, transmission_id: UUID, keys: Mapping[str, bytes], known: Iterable[Head] = ()) -> Chain:
    """Return all lines about a transmission, read from the chain, whatever the index says.

    It is complete only if one of ``keys`` signed its last line, which vouches for all before it. ``known`` are lines
    that a verification has seen: those that are not older than the first one must be there.
    """
    with closing(tx.ledger.since_first_of(transmission_id)) as found:
        chain = readable(lambda: _chained(found, transmission_id, keys, {head.seq: head for head in known}))
    return chain or Chain(tx.ledger.of_transmission(transmission_id), complete=False)


def all_claims(runtime: Runtime, tx: Transaction, transmission_id: UUID) -> list[Claims]:
    """Return what all lines about a transmission say, oldest first.

    Nothing if one may be missing or is not ours, or if the transmission was erased: then someone has put its row back.
    """
    keys = runtime.ledger_keys(tx)
    chain = chain_of(tx, transmission_id, keys)
    usable = chain.complete and not chain.erased
    found = _complete(line_about(line, keys, transmission_id) for line in chain.lines) if usable else []
    return found if found and _is_first(found[0]) else []


def line_about(line: StoredLine, keys: Mapping[str, bytes], transmission_id: UUID) -> Claims | None:
    """Return what a line about a transmission says; None if we have not signed it, or not for its place and index."""
    said = read_line(line.line, keys)
    if said is None or line.transmission_id != transmission_id:
        return None
    index = (line.seq, line.kind, str(transmission_id))
    return said if (said["seq"], said["kind"], said.get("transmission_id")) == index else None


def _chained(
    found: Iterable[tuple[StoredLine, Head]],
    transmission_id: UUID,
    keys: Mapping[str, bytes],
    known: Mapping[int, Head],
) -> Chain:
    """Read a part of the chain.

    The signatures of other lines are not verified: each line repeats the digest of the one before, so the last one
    vouches for them. Of an erasure, the signature is: it accuses someone even where the chain is broken.
    """
    last = head = None
    end = ""
    left, complete, erased, about = dict(known), True, False, list[StoredLine]()
    for line, present_head in found:
        said = unverified(line.line)
        if last is None:
            left = {seq: seen for seq, seen in left.items() if seq >= line.seq}
        elif (line.seq, said.get("prev")) != (last.seq + 1, last.sha256):
            complete = False
        last, head, end = Head(line.seq, digest_of(line.line)), present_head, line.line
        erased |= erases_all(said) and read_line(line.line, keys) is not None
        complete &= said.get("seq") == line.seq and left.pop(line.seq, last) == last
        if line.transmission_id == transmission_id or said.get("transmission_id") == str(transmission_id):
            about.append(line)
    complete &= not left and last is not None and last == head and read_line(end, keys) is not None
    return Chain(tuple(about), complete, erased)


def erases_all(said: Mapping[str, Any]) -> bool:
    """Whether a line is about an erasure of all transmissions."""
    return said.get("kind") == Kind.ERASED and said.get("of") == "all"


def _complete(read: Iterable[Claims | None]) -> list[Claims]:
    claims = []
    for said in read:
        if said is None:
            return []
        claims.append(said)
    return claims


def _is_first(said: Claims) -> bool:
    return said["kind"] in _FIRST and said.get("replaces") is None
