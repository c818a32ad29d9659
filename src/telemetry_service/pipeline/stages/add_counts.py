"""Adds counters to the open period: those of reports, and those of the source."""

from datetime import date

from telemetry_service.domain.admission import Counters, sums_of, traffic_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.usage import CounterDelta, CounterKey


class NoRoomError(Exception):
    """The open period has no room for all of it."""


def add_counts(runtime: Runtime, tx: Transaction, period_id: int, today: date, counters: Counters) -> None:
    """Write the counters and the sums.

    Every replica writes in the same order, with the shared row last, so there are no deadlocks and no long waits.

    Raises:
        NoRoomError: the open period has no room for all of it; the transaction must be rolled back.
    """
    bounds, most = tx.usage_bounds, runtime.deployment.max_bouncers
    bouncers = traffic_of(counters)
    known = bounds.known(period_id, sorted(bouncers))
    new = bounds.note(period_id, bouncers, known)
    tx.usage.add(period_id, today, {CounterKey(*key): CounterDelta(*total) for key, total in counters.items()})
    if counters and not bounds.add(period_id, sums_of(counters, new), most):
        raise NoRoomError
