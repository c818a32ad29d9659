"""Checks the whole ledger now: every line and its index, what is kept of the evidence, and the head.

It reads in steps, each in its own transaction, so that a long ledger neither fills the memory nor exceeds the time
of a transaction. The verifier is the one that travels with each export.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.payload_schemas.published import document_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.sealing.verify_ledger import MOST_PROBLEMS, Problem, Verifier
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head, StoredLine

_STEP = 200
"""Lines in one transaction, with all the evidence that they name."""

_DIGEST = re.compile(r'"([0-9a-f]{64})"')
_NO_ANCHOR = (
    "Not checked: whether the latest entries are missing, as after a truncation or in an old backup. That cannot be"
    " found without an anchor: the digest of an entry that was kept elsewhere."
)
_NO_PINNED_KEY = "Not checked: the signatures of receipts, because no public key of the License Server is pinned."
_PURGED = "Not checked: evidence that was purged or erased. It is named {} times; its digests stay in the ledger."
_ENCRYPTED = "Not checked: what encrypted bodies contain, because that takes the API key."


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What a check of the whole ledger found."""

    checked_at: datetime
    head: Head | None
    """The last line; None if there is none."""
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    """What could not be proved, and is no proof of a change either."""
    checked: Mapping[str, int]
    """How much was checked, by its name."""
    not_checked: tuple[str, ...]
    """What was not checked, and why, in sentences."""

    @property
    def verified(self) -> bool:
        """Whether everything that was checked is as it was signed."""
        return not self.problems


def check_ledger(runtime: Runtime, anchors: Sequence[str] = ()) -> LedgerReport:
    """Check the whole ledger. ``anchors`` (``HASH`` or ``SEQ:HASH``) are of lines that must be there.

    Raises:
        ValueError: an anchor has another form.
    """
    while True:
        basis = _Basis.read(runtime)
        report = _check(runtime, basis, anchors)
        # A key that was replaced meanwhile, or lines that were pruned, would look like an attack.
        if report.verified or basis == _Basis.read(runtime):
            return report


@dataclass(frozen=True, slots=True)
class _Basis:
    """What a check relies on."""

    keys: Mapping[str, bytes]
    checkpoint: str | None

    @classmethod
    def read(cls, runtime: Runtime) -> "_Basis":
        with runtime.database.read() as tx:
            return cls(runtime.ledger_keys(tx), tx.ledger.checkpoint())


def _check(runtime: Runtime, basis: _Basis, anchors: Sequence[str]) -> LedgerReport:
    now, pinned, evidence = runtime.clock.now(), runtime.receipt_keys, _Evidence(runtime)
    vendor_keys = pinned.public_keys if pinned else ()
    verifier = Verifier(
        basis.keys.values(),
        evidence=evidence,
        vendor_keys=vendor_keys,
        anchors=anchors,
        checkpoint=basis.checkpoint,
    )
    problems, head = _take_all(runtime, verifier, evidence)
    found = verifier.finish()
    last = Head(*found.head) if found.head else None
    if not found.problems and head is not None and (last or Head(0, head.sha256)) != head:
        text = "The head of the ledger names entry {}, but the last entry is {}."
        problems.append(Problem(head.seq, "head_changed", text.format(head.seq, last.seq if last else "missing")))
    return LedgerReport(
        checked_at=now,
        head=last,
        problems=(*found.problems, *problems),
        notes=tuple(found.notes),
        checked={name: count for name, count in sorted(found.counts.items()) if count},
        not_checked=tuple(_not_checked(found.counts, anchors=bool(anchors), pinned=bool(vendor_keys))),
    )


def _take_all(runtime: Runtime, verifier: Verifier, evidence: "_Evidence") -> tuple[list[Problem], Head | None]:
    """Check line after line; return what is wrong with the index, and the head when the last line was read."""
    problems: list[Problem] = []
    after = 0
    while len(verifier.problems) + len(problems) < MOST_PROBLEMS:
        with runtime.database.read() as tx:
            lines, head = tx.ledger.lines(after, _STEP), tx.ledger.head()
            evidence.read(tx, lines)
        for line in lines:
            verifier.take(line.line, line.seq)
        problems += _misfiled(lines)
        if len(lines) < _STEP:
            return problems, head
        after = lines[-1].seq
    return problems, None


def _misfiled(lines: Iterable[StoredLine]) -> Iterator[Problem]:
    """Yield a problem for each line that its index names otherwise: lists and filters go by the index."""
    for line in lines:
        claims = unverified(line.line)
        if claims and claims.get("seq") == line.seq and _index(claims) != _stored_index(line):
            text = f"Entry {line.seq} is listed under another kind, time, actor or transmission than it names."
            yield Problem(line.seq, "index_changed", text)


def _index(claims: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what the index says of a line that says ``claims``."""
    actor = claims.get("actor")
    kind, id_ = (actor.get("type"), actor.get("id")) if isinstance(actor, dict) else (None, None)
    named = f"{kind} {id_}" if isinstance(id_, str) else kind
    return claims.get("kind"), claims.get("at"), named, claims.get("transmission_id")


def _stored_index(line: StoredLine) -> tuple[object, ...]:
    of = None if line.transmission_id is None else str(line.transmission_id)
    return line.kind, rfc3339(line.at), line.actor, of


class _Evidence:
    """The evidence that lines name, read for many of them at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._asked, self._found = set[str](), dict[str, bytes]()

    def read(self, tx: Transaction, lines: Iterable[StoredLine]) -> None:
        self._asked = {digest for line in lines for digest in _DIGEST.findall(json.dumps(unverified(line.line)))}
        self._found = _kept(tx, self._asked)

    def __call__(self, digest: str) -> bytes | None:
        """Return the bytes kept under a digest, whatever they are now; None if there are none."""
        if digest in self._asked:
            return self._found.get(digest)
        with self._runtime.database.read() as tx:  # An earlier line named it: what was prepared for an attempt.
            return _kept(tx, {digest}).get(digest)


def _kept(tx: Transaction, digests: set[str]) -> dict[str, bytes]:
    """Return what is kept; of several copies, a changed one."""
    found = tx.ledger.salted(digests)
    for digest, content in tx.evidence.anywhere(digests):
        if digest not in found or sha256_hex(content) != digest:
            found[digest] = content
    schemas = {digest: document_of(digest) for digest in digests - found.keys()}
    return found | {digest: document for digest, document in schemas.items() if document is not None}


def _not_checked(counts: Mapping[str, int], *, anchors: bool, pinned: bool) -> Iterator[str]:
    if not anchors:
        yield _NO_ANCHOR
    if not pinned:
        yield _NO_PINNED_KEY
    if purged := counts.get("evidence purged"):
        yield _PURGED.format(purged)
    yield _ENCRYPTED
