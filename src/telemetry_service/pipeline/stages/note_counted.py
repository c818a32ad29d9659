"""Writes into the ledger what was only counted: failed logins, refused callers, registry changes, repeated exports."""

from datetime import timedelta

from telemetry_service.pipeline.runtime import Runtime

COUNTED_FOR = timedelta(hours=1)
"""How long something is counted before the count becomes an entry. Anyone who repeats it all day causes 48 entries."""


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
