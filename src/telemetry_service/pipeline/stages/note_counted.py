"""Writes into the ledger what was only counted: failed logins, refused callers, registry changes, repeated exports."""

from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.ledger_pending import COUNTED_FOR


def note_counted(runtime: Runtime) -> None:
    """Write what has been counted for an hour; if there is nothing, this is one read of a small table."""
    now = runtime.clock.now()
    begun_before = now - COUNTED_FOR
    with runtime.database.read() as tx:
        if not tx.ledger.pending_due(now, begun_before):
            return
    with runtime.database.write() as tx:
        tx.ledger.note_pending(now, begun_before)


def note_all_counted(runtime: Runtime) -> None:
    """Write everything that was counted, before the process ends."""
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.ledger.note_pending(now)
