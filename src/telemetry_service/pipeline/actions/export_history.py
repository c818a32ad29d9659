"""Exports the history: audited, and read in steps, so that a long history needs little memory."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.situation import Situation
from telemetry_service.domain.transmission_texts import DescribedTransmission, describe
from telemetry_service.domain.transmissions import HistoryFilter, Transmission, UnreadableTransmission
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_details
from telemetry_service.pipeline.queries.receipts import verified_receipts
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot, open_snapshot
from telemetry_service.storage.database import Transaction

_STEP, _DETAILS = 500, 100
"""The transmissions that are read at once, and those that are with their payloads and attempts."""


Exported = DescribedTransmission | UnreadableTransmission


def export_transmissions(
    runtime: Runtime, filter_: HistoryFilter, since: datetime | None, actor: Actor
) -> Iterator[Exported]:
    """Return all transmissions of the filtered history, newest first, without holding them all at once.

    With ``since``, only those that have changed since then.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        wanted = _changed_since(tx, filter_, since)
        tx.ledger.note_often(now, actor, Kind.EXPORTED, {"of": "history"})
        situation = Snapshot(runtime, tx, now).situation
    return _each(runtime, wanted, situation)


ExportedDetail = TransmissionDetail | UnreadableTransmission


def export_details(
    runtime: Runtime, filter_: HistoryFilter, since: datetime | None, actor: Actor
) -> Iterator[ExportedDetail]:
    """Return the same transmissions with payload, receipt and every attempt, read in steps, and not one by one."""
    with runtime.database.write() as tx:
        wanted = _changed_since(tx, filter_, since)
        tx.ledger.note_often(runtime.clock.now(), actor, Kind.EXPORTED, {"of": "history"})
    return _each_detail(runtime, wanted)


def _changed_since(tx: Transaction, filter_: HistoryFilter, since: datetime | None) -> HistoryFilter:
    """Return the filter with the number of the last entry before ``since``; all have changed since the first one."""
    after = -1 if since is None else tx.ledger.last_before(since)
    return filter_ if after < 0 else replace(filter_, changed_after=after)


def _each_detail(runtime: Runtime, filter_: HistoryFilter) -> Iterator[ExportedDetail]:
    before: int | None = None
    while True:
        with open_snapshot(runtime) as snapshot:
            found = snapshot.tx.transmissions.page(filter_, before, _DETAILS)
            details = tuple(read_details(snapshot, found))
        yield from details
        if len(found) < _DETAILS:
            return
        before = found[-1].sequence


def _each(runtime: Runtime, filter_: HistoryFilter, situation: Situation) -> Iterator[Exported]:
    before: int | None = None
    while True:
        with open_snapshot(runtime) as snapshot:
            found = snapshot.tx.transmissions.page(filter_, before, _STEP)
            receipts = verified_receipts(snapshot, [it for it in found if isinstance(it, Transmission)])
        for it in found:
            yield describe(it, situation, receipts) if isinstance(it, Transmission) else it
        if len(found) < _STEP:
            return
        before = found[-1].sequence
