"""Exports the entries of the ledger that a filter finds: audited, and read in steps."""

from collections.abc import Iterator

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.ledger import Kind, LedgerFilter
from telemetry_service.pipeline.queries.ledger import LedgerEntry, read_lines
from telemetry_service.pipeline.queries.who import find_lines
from telemetry_service.pipeline.runtime import Runtime

_STEP = 500
"""The entries that are read at once."""


def export_entries(runtime: Runtime, which: LedgerFilter, actor: Actor, *, persons: bool) -> Iterator[LedgerEntry]:
    """Return the entries, newest first, without holding them all at once. Reading them does not verify them.

    With ``persons``, values are in place of their salted digests, unless they were erased.
    """
    of = "activity_with_persons" if persons else "activity"
    with runtime.database.write() as tx:
        tx.ledger.note_often(runtime.clock.now(), actor, Kind.EXPORTED, {"of": of})
    return _each(runtime, which, persons=persons)


def _each(runtime: Runtime, which: LedgerFilter, *, persons: bool) -> Iterator[LedgerEntry]:
    before: int | None = None
    while True:
        with runtime.database.read() as tx:
            found = find_lines(tx, _STEP, which, before=before)
            entries = read_lines(tx, found.lines, persons=persons)
        yield from entries
        before = entries[-1].seq if len(entries) == _STEP else found.looked_to
        if before is None:
            return
