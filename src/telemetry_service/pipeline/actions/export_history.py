"""Exports the history: audited, and read in steps, so that a long history needs little memory."""

from collections.abc import Iterator

from telemetry_service.domain.activity import Action
from telemetry_service.domain.actor import Actor
from telemetry_service.domain.transmission_texts import DescribedTransmission, describe
from telemetry_service.domain.transmissions import HistoryFilter, Transmission
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot

_STEP = 500
"""The transmissions that are read at once."""


def export_transmissions(runtime: Runtime, filter_: HistoryFilter, actor: Actor) -> Iterator[DescribedTransmission]:
    """Return all transmissions of the filtered history, newest first, without holding them all at once."""
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.activity.note(now, actor, Action.EXPORTED)
        situation = Snapshot(runtime, tx, now).situation
    return (describe(transmission, situation) for transmission in _each(runtime, filter_))


def _each(runtime: Runtime, filter_: HistoryFilter) -> Iterator[Transmission]:
    before: int | None = None
    while True:
        with runtime.database.read() as tx:
            found = tx.transmissions.page(filter_, before, _STEP)
        yield from found
        if len(found) < _STEP:
            return
        before = found[-1].sequence
