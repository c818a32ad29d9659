"""Ends the overlap of two API keys: when its time is over, or at the first acceptance under the new key."""

from datetime import datetime

from telemetry_service.domain.actor import SERVICE
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.api_key_overlap import Ended, end_overlap, follow_overlap, may_overlap
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction


def end_overlap_if_due(runtime: Runtime) -> None:
    """Destroy the old API key once its time is over; without one, this is one read of one row."""
    with runtime.database.read() as tx:
        if tx.sealed_values.overlap() is None:
            return
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.configuration.get(lock=True)
        reason = follow_overlap(runtime, tx, now)
        ended = reason is not None and end_overlap(runtime, tx, now, SERVICE, reason)
    if ended:
        log_event(Event.API_KEY_OVERLAP_ENDED, reason=reason)


def end_overlap_if_accepted(runtime: Runtime, tx: Transaction, accepted_key_id: str, now: datetime) -> None:
    """Destroy the old API key if a payload was accepted under the new one.

    First in its transaction: every transaction locks the configuration before anything else.
    """
    if not may_overlap(runtime, tx):
        return
    present = tx.configuration.get(lock=True).api_key
    if present is not None and present.key_id == accepted_key_id:
        end_overlap(runtime, tx, now, SERVICE, Ended.ACCEPTED)
