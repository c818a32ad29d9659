"""Prunes the ledger: deletes entries older than its own retention, and signs where the chain begins from then on.

It trusts no column beside the lines, and deletes nothing while anything is not as it was signed, or while the clock may
be wrong. Entries about transmissions that still have a row stay, and so does everything behind the first of them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from telemetry_service.domain.actor import SCHEDULE
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.domain.ledger import Kind, digest_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.verification import read_verification
from telemetry_service.sealing.ledger_key import read_line
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head, StoredLine

STEP = 500
"""Lines in one transaction."""


_CLOCK_SHOWN_FOR = timedelta(days=62)
"""How long after an acceptance the clock is trusted: two runs at the lowest frequency. The License Server refuses
messages dated minutes off, so the clock was right then."""


def prune_ledger(runtime: Runtime, now: datetime) -> int:
    """Delete what is older than the retention; return how many entries that were."""
    deleted, done = 0, 1
    while done and not runtime.stopping.is_set():
        with runtime.database.write() as tx:
            done = _step(runtime, tx, now, first=not deleted)
        deleted += done
    return deleted


def _step(runtime: Runtime, tx: Transaction, now: datetime, *, first: bool) -> int:
    if not _may_prune(runtime, tx, now):
        return 0
    cutoff = now - runtime.deployment.ledger_retention
    last = _last_old(_oldest(tx), runtime.ledger_keys(tx), rfc3339(cutoff), tx.ledger_retention.first_needed())
    if last is None:
        return 0
    try:
        deleted = tx.ledger_retention.prune(last, now)
    except KeyUnusableError:
        return 0  # The next line takes another key, and says so.
    if first and deleted:
        tx.ledger.note(now, SCHEDULE, Kind.PURGED, {"entries_before": rfc3339(cutoff)})
    return deleted


def _may_prune(runtime: Runtime, tx: Transaction, now: datetime) -> bool:
    """Whether nothing is wrong, and an acceptance shows that the clock is not far ahead."""
    verdict, accepted = read_verification(runtime, tx), tx.exchanges.record().last_accepted_at
    if verdict is None or verdict.problems or accepted is None:
        return False
    return timedelta(0) <= now - accepted <= _CLOCK_SHOWN_FOR


def _oldest(tx: Transaction) -> Sequence[StoredLine]:
    """Return the first lines that are not about keys: those are never deleted."""
    return tx.ledger.oldest_but(Kind.LEDGER_KEY, STEP)


def _last_old(
    lines: Sequence[StoredLine], keys: Mapping[str, bytes], cutoff: str, first_needed: int | None
) -> Head | None:
    """Return the last of the lines that may be deleted together with all before it."""
    last = None
    for line in lines:
        said = read_line(line.line, keys)
        if said is None or said["seq"] != line.seq or said["at"] >= cutoff:
            break
        if first_needed is not None and line.seq >= first_needed:
            break
        last = Head(line.seq, digest_of(line.line))
    return last
