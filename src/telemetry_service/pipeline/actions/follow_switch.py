"""Turning telemetry off and on: the counts of a period that was open while it was off are never sent."""

from datetime import datetime
from typing import Any

from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.schedule import next_run_after
from telemetry_service.pipeline.changed_rows import changed_now
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.ledger_key import read_line
from telemetry_service.storage.database import Transaction

_DEPLOYED, _SAVED = (Kind.DEPLOYMENT,), (Kind.BEGUN, Kind.SETTINGS)


def follow_switch(runtime: Runtime, tx: Transaction, now: datetime) -> None:
    """Make the open period agree with the switch: if it does not, close it without a payload.

    What the row of the period says is not enough: someone may have changed it while telemetry was off.
    """
    configuration = tx.configuration.get(lock=True)
    if ChangedRow.SETTINGS in changed_now(runtime, tx):
        return  # Someone else may have moved the switch. The next save follows it.
    enabled = runtime.enabled(configuration)
    try:
        period = tx.periods.lock_open()
    except RowUnreadableError:
        if enabled:
            raise
        return  # Nothing is sent while telemetry is off, whatever the row says.
    if period.reportable == enabled and not (enabled and _was_off(runtime, tx)):
        return
    closed_by = ClosedBy.SWITCHED_ON if enabled else ClosedBy.SWITCHED_OFF
    tx.periods.close(period, closed_by, now, reopen_reportable=enabled)
    if enabled:
        # A tick that became due while telemetry was off is not made up for: its periods are not reported.
        tx.schedule.plan(next_run_after(configuration.values.frequency, now))


def _was_off(runtime: Runtime, tx: Transaction) -> bool:
    """Whether the ledger says that telemetry was off until now. This change has no entry yet."""
    deployed, saved = (_said(runtime, tx, kinds) for kinds in (_DEPLOYED, _SAVED))
    return deployed.get("enabled") is False or saved.get("settings", {}).get("enabled") is False


def _said(runtime: Runtime, tx: Transaction, kinds: tuple[Kind, ...]) -> dict[str, Any]:
    line = tx.ledger.latest_of(kinds)
    return (None if line is None else read_line(line.line, runtime.ledger_keys(tx))) or {}
