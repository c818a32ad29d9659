"""What the ledger's lines say about one transmission.

The index of a line only finds it. Someone may have changed the index or deleted the line, so what decides whether a
payload leaves is read from the chain itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
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


def all_claims(runtime: Runtime, tx: Transaction, transmission_id: UUID) -> list[Claims]:
    """Return what all lines about a transmission say, oldest first; nothing if one may be missing or is not ours.

    Every line from its first one to the head must follow the one before.
    """
    keys = runtime.ledger_keys(tx)
    with closing(tx.ledger.since_first_of(transmission_id)) as lines:
        found = readable(lambda: _complete(_chained(lines, keys, transmission_id)))
    return found if found and _is_first(found[0]) else []


def line_about(line: StoredLine, keys: Mapping[str, bytes], transmission_id: UUID) -> Claims | None:
    """Return what a line about a transmission says; None if we have not signed it, or not for its place and index."""
    said = read_line(line.line, keys)
    index = (line.seq, line.kind, str(transmission_id))
    return None if said is None or (said["seq"], said["kind"], said.get("transmission_id")) != index else said


def _chained(
    found: Iterable[tuple[StoredLine, Head]], keys: Mapping[str, bytes], transmission_id: UUID
) -> Iterator[Claims | None]:
    """Yield what each line about a transmission says, and None where the chain is broken or another line is not ours.

    Only lines about it are verified. The digests in the chain cover the others: each line repeats that of the one
    before.
    """
    last = head = None
    for line, present_head in found:
        said = unverified(line.line)
        if said.get("seq") != line.seq or (last and (line.seq, said.get("prev")) != (last.seq + 1, last.sha256)):
            yield None
        last, head = Head(line.seq, digest_of(line.line)), present_head
        if line.transmission_id == transmission_id or said.get("transmission_id") == str(transmission_id):
            yield line_about(line, keys, transmission_id) if line.transmission_id == transmission_id else None
    if last != head:
        yield None


def _complete(read: Iterable[Claims | None]) -> list[Claims]:
    claims = []
    for said in read:
        if said is None:
            return []
        claims.append(said)
    return claims


def _is_first(said: Claims) -> bool:
    return said["kind"] in _FIRST and said.get("replaces") is None
