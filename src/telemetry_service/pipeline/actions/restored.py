"""A database that was restored from a backup sends nothing until an administrator has said what was sent since.

Whether the counts of its open period have left is not in it: if they are sent again, under a new ID, they count twice.
"""

from datetime import datetime
from uuid import UUID

from telemetry_service.domain.actor import DEPLOYMENT, SERVICE, Actor
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.errors import NotRestoredError
from telemetry_service.domain.ledger import Kind, Value, digest_of
from telemetry_service.domain.periods import ClosedBy, OpenPeriod
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.changed_rows import changed_now, distrust_older
from telemetry_service.pipeline.head_file import read_head, write_head
from telemetry_service.pipeline.missing_entries import (
    Known,
    keep_known,
    lacks,
    missing_entries,
    remember_known,
)
from telemetry_service.pipeline.prepared import has_arrived_perhaps
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.expiry import WAITING
from telemetry_service.storage.ledger import Head, each_line
from telemetry_service.storage.stamps import INSTALLATION


def notice_restored(runtime: Runtime, anchor: str | None = None, actor: Actor = DEPLOYMENT) -> bool:
    """Hold everything if the database lacks an entry that it had; return whether it is held.

    The entry is the one of the file beside the database, the last one that this process has seen or that was verified,
    or ``anchor``: ``HASH`` or ``SEQ:HASH``.
    """
    heads = _seen(runtime)
    now = runtime.clock.now()
    with runtime.database.read() as tx:
        known = _says_held(runtime, tx, anchor)
        missing = missing_entries(runtime, tx, heads)
        lacking = bool(missing) or (anchor is not None and _lacks_anchor(tx, anchor))
    new = missing - runtime.swept.missing
    runtime.swept.missing |= missing  # Even if nothing of it can be written.
    if new or (lacking and not known):
        hold_restored(runtime, actor, "anchor" if anchor else "head_file", now, missing)
    return known or lacking


def _says_held(runtime: Runtime, tx: Transaction, anchor: str | None) -> bool:
    """Whether a row says that it is held. Only an anchor needs its word: what else is missing is known without it."""
    if tx.installation.restored_at() is None:
        return False
    return anchor is None or ChangedRow.INSTALLATION not in changed_now(runtime, tx)


def _seen(runtime: Runtime) -> list[Head]:
    """Return the ends of the ledger that were seen. Ask before the database: nothing later can be missing there."""
    seen = read_head(runtime), runtime.written_head.head
    return [*(head for head in seen if head is not None), *runtime.database.committed()]


def hold_restored(
    runtime: Runtime, actor: Actor, reason: str, now: datetime, missing: frozenset[str] = frozenset()
) -> None:
    """Hold everything until it is said what was sent since; nothing happens if it is held already.

    If someone else has changed the row that says so, it is said again: they could take it back.
    """
    known = Known(missing=missing)
    with runtime.database.write() as tx:
        tx.periods.lock_open()  # One replica at a time: all of them notice the same.
        keep_known(runtime, tx, known)
        distrust_older(runtime, tx)
        if tx.installation.restored_at() is None or tx.stamps.doubts(INSTALLATION):
            tx.installation.restored(now)
            tx.ledger.note(now, actor, Kind.RESTORED, {"reason": reason})
            log_event(Event.DATABASE_RESTORED)
    remember_known(runtime, known)


def follow_head(runtime: Runtime) -> None:
    """Notice that the database was replaced by an older copy of itself while this process runs, then keep its head."""
    written = runtime.database.committed()
    notice_restored(runtime, actor=SERVICE)
    runtime.database.met(written)  # What is missing of it is remembered apart.
    write_head(runtime)


def answer_restored(runtime: Runtime, open_period: OpenPeriod, actor: Actor) -> int:
    """Continue after a restore; return how many payloads wait for their release because of it.

    If the open period was sent, it ends without a payload, and the codes that waited in the backup count as sent.
    Waiting payloads that may have arrived before are sent under their IDs: the License Server counts each of them once.
    Of the others, the backup does not know whether they were withdrawn or prepared again since, so a person decides.
    This is the moment to hold them: no other transaction can send, prepare or change one before it.

    Raises:
        NotRestoredError: it is no restored copy, or this was said already.
    """
    read_up_to_now(runtime)  # What was read after the backup is read again, and belongs to the period in question.
    now, heads = runtime.clock.now(), _seen(runtime)
    with runtime.database.write() as tx:
        period = tx.periods.lock_open()
        restored_at, missing = tx.installation.restored_at(), missing_entries(runtime, tx, heads)
        if restored_at is None and not missing:
            raise NotRestoredError
        if open_period is OpenPeriod.SENT:
            tx.extension_codes.sent_before(restored_at or now, now)
            tx.periods.close(period, ClosedBy.RESTORED, now, reopen_reportable=period.reportable)
        distrust_older(runtime, tx)
        tx.installation.restored(None)
        waiting = tx.transmissions.waiting(frozenset(WAITING))
        held = sum(_hold(runtime, tx, transmission_id, open_period, actor) for transmission_id in waiting)
        keep_known(runtime, tx, Known(answered=missing))
        # Last: if it is there, no entry about a payload that waits from now on was cut off.
        tx.ledger.note(now, actor, Kind.RESTORED, _as_said(open_period, missing))
    remember_known(runtime, Known(answered=missing))
    write_head(runtime)  # Over the later one of the former database: the next start would ask again.
    return held


def _as_said(open_period: OpenPeriod, missing: frozenset[str]) -> dict[str, Value]:
    named: list[Value] = [*sorted(missing)]
    return {"open_period": open_period.value, **({"missing": named} if named else {})}


def _hold(runtime: Runtime, tx: Transaction, transmission_id: UUID, open_period: OpenPeriod, actor: Actor) -> bool:
    """Let a payload wait for its release unless it may have arrived, by the entries that this installation signed."""
    transmission = tx.transmissions.lock(transmission_id)
    if transmission is None or has_arrived_perhaps(runtime, tx, transmission_id):
        return False
    if transmission.cause is not Cause.PAYLOAD_CHANGED:  # That one is not sent at all, and says so.
        tx.transmissions.await_release(transmission_id, Cause.FROM_BACKUP)
    said: dict[str, Value] = {
        "because": "restored",
        "open_period": open_period.value,
        "prepared_sha256": transmission.prepared_sha256,
    }
    tx.ledger.note(runtime.clock.now(), actor, Kind.AWAITING_RELEASE, said, transmission_id)
    return True


def _lacks_anchor(tx: Transaction, anchor: str) -> bool:
    seq, _, sha256 = anchor.rpartition(":")
    if seq:
        return lacks(tx, Head(int(seq), sha256))
    return all(digest_of(line.line) != sha256 for line in each_line(tx.ledger))
