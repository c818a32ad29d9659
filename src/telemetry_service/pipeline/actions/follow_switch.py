"""Turning telemetry off and on: the counts of a period that was open while it was off are never sent."""

from dataclasses import replace
from datetime import datetime
from secrets import token_hex

from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.errors import NotVerifiedYetError, RowUnreadableError
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.schedule import next_run_after
from telemetry_service.pipeline.changed_rows import changed_now
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.signed_numbers import signed_numbers
from telemetry_service.pipeline.verification import read_verification
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.stamps import NUMBER_BYTES, OFF, gone, is_gone


def follow_switch(runtime: Runtime, tx: Transaction, now: datetime, saved: Configuration | None = None) -> None:
    """Make the open period agree with the switch: if it does not, close it without a payload.

    What the row of the period says is not enough: someone may have changed it while telemetry was off. So the entry of
    this transaction says that it is off, in the way in which it says numbers of stamps, and the caller writes one.
    What a person has just ``saved`` counts whatever someone had made of the row before, or makes of it meanwhile.
    """
    configuration = tx.configuration.get(lock=True)
    if saved is None and ChangedRow.SETTINGS in changed_now(runtime, tx):
        return  # Someone else may have moved the switch. The next save follows it.
    if saved is not None:
        configuration = replace(configuration, values=saved)
    enabled = runtime.enabled(configuration)
    before, was_off = _before(runtime, tx)
    if enabled == was_off or (not enabled and before is None):
        tx.ledger.stamped(OFF, gone() if enabled else token_hex(NUMBER_BYTES), before)
    try:
        period = tx.periods.lock_open()
    except RowUnreadableError:
        if enabled:
            raise
        return  # Nothing is sent while telemetry is off, whatever the row says.
    if period.reportable == enabled and not (enabled and was_off):
        return
    closed_by = ClosedBy.SWITCHED_ON if enabled else ClosedBy.SWITCHED_OFF
    tx.periods.close(period, closed_by, now, reopen_reportable=enabled)
    if enabled:
        # A tick that became due while telemetry was off is not made up for: its periods are not reported.
        tx.schedule.plan(next_run_after(configuration.values.frequency, now))


def _before(runtime: Runtime, tx: Transaction) -> tuple[str | None, bool]:
    """Return what entries said of the switch last, and whether telemetry was off; if no one can tell, it was."""
    verdict = read_verification(runtime, tx)
    try:
        said = signed_numbers(runtime, tx, verdict).get(OFF)
    except NotVerifiedYetError:  # Before the first verification ever, only the row of the period can tell.
        return None, verdict is not None
    return said, said is not None and not is_gone(said)
