"""Turning telemetry off and on: the counts of a period that was open while it was off are never sent."""

from datetime import datetime

from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.schedule import next_run_after
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction


def follow_switch(runtime: Runtime, tx: Transaction, now: datetime) -> None:
    """Make the open period agree with the switch: if it does not, close it without a payload."""
    configuration = tx.configuration.get(lock=True)
    enabled = runtime.enabled(configuration)
    try:
        period = tx.periods.lock_open()
    except RowUnreadableError:
        if enabled:
            raise
        return  # Nothing is sent while telemetry is off, whatever the row says.
    if period.reportable == enabled:
        return
    closed_by = ClosedBy.SWITCHED_ON if enabled else ClosedBy.SWITCHED_OFF
    tx.periods.close(period, closed_by, now, reopen_reportable=enabled)
    if enabled:
        # A tick that became due while telemetry was off is not made up for: its periods are not reported.
        tx.schedule.plan(next_run_after(configuration.values.frequency, now))
