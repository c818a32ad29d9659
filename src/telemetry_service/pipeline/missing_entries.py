"""The entries of the ledger that were there once, and are missing: nothing is sent until a person says what was sent.

The sealed verdict of the sweep names them, and each process remembers what it has missed. No row decides about it that
someone could change, and no index: only a signed entry that names them ends it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from telemetry_service.domain.ledger import digest_of
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.verification import keep_verification, read_verification, stored_verification
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head
from telemetry_service.storage.ledger_sweep import readable


@dataclass(frozen=True, slots=True)
class Known:
    """What has become known since the last verification of everything."""

    missing: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()

    def added_to(self, verdict: Verification) -> Verification:
        """Return a verdict that knows it, too."""
        return replace(
            verdict,
            missing=tuple(sorted({*verdict.missing, *self.missing})),
            answered=tuple(sorted({*verdict.answered, *self.answered})),
        )


def unanswered(runtime: Runtime, verdict: Verification | None) -> frozenset[str]:
    """Return the missing entries (``SEQ:DIGEST``) for which no person has said what was sent since."""
    if verdict is None:
        return runtime.swept.missing
    return verdict.unanswered | (runtime.swept.missing - {*verdict.answered})


def is_held(runtime: Runtime, tx: Transaction) -> bool:
    """Whether nothing is sent until a person has said what was sent since."""
    return tx.installation.restored_at() is not None or bool(unanswered(runtime, read_verification(runtime, tx)))


def missing_entries(runtime: Runtime, tx: Transaction, heads: Iterable[Head]) -> frozenset[str]:
    """Return the same, looked up now: of the ends of the ledger that are known, ``heads`` among them."""
    verdicts = [it for it in (stored_verification(runtime, tx), read_verification(runtime, tx)) if it is not None]
    known = (*heads, *(Head(it.seq, it.sha256) for it in verdicts))
    lacking = {head.anchor for head in known if _lacks_perhaps(tx, head)}
    answered = {name for it in verdicts for name in it.answered}
    return runtime.swept.missing.union(lacking, *(it.unanswered for it in verdicts)) - answered


def _lacks_perhaps(tx: Transaction, head: Head) -> bool:
    return readable(lambda: lacks(tx, head)) is not False


def lacks(tx: Transaction, head: Head) -> bool:
    """Whether the ledger ends before an entry, or has another one in its place. What was pruned is not compared."""
    if head.seq == 0:
        return False
    found = tx.ledger.lines(head.seq - 1, 1)
    if not found:
        return True
    return found[0].seq == head.seq and digest_of(found[0].line) != head.sha256


def keep_known(runtime: Runtime, tx: Transaction, known: Known) -> None:
    """Seal it for other processes, until the next verification of everything. Without a verdict, that is the first."""
    verdict = stored_verification(runtime, tx, lock=True)
    if verdict is not None and known.added_to(verdict) != verdict:
        keep_verification(runtime, tx, known.added_to(verdict))


def remember_known(runtime: Runtime, known: Known) -> None:
    """Remember it in this process, after the commit."""
    swept = runtime.swept
    swept.missing = (swept.missing | known.missing) - known.answered
    swept.verdict = None if swept.verdict is None else known.added_to(swept.verdict)
