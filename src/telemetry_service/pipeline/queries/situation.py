"""Reads the whole situation, out of one transaction, for the decision table in ``domain/verdict.py``."""

from datetime import datetime

from telemetry_service.domain.obstacles import Setup
from telemetry_service.domain.schedule import send_offset
from telemetry_service.domain.situation import Run, Situation
from telemetry_service.domain.verdict import Verdict, judge
from telemetry_service.pipeline.actions.report_facts import customer_id_of
from telemetry_service.pipeline.api_key import api_key_usable
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.schedule import LastTick


def read_setup(runtime: Runtime, tx: Transaction) -> Setup:
    """Return which parts of the connection are in place."""
    configuration = tx.configuration.get()
    return Setup(
        enabled=runtime.enabled(configuration),
        locked=not runtime.deployment.enabled,
        api_key=configuration.api_key is not None,
        api_key_usable=api_key_usable(runtime, tx),
        license_server=runtime.client is not None,
        customer_id=customer_id_of(runtime, tx) is not None,
    )


def read_situation(runtime: Runtime, tx: Transaction, now: datetime) -> Situation:
    """Return the situation at ``now``. Within a tick its run is the one before that tick."""
    record = tx.contacts.record()
    period = tx.periods.open()
    return Situation(
        now=now,
        setup=read_setup(runtime, tx),
        reportable=period.reportable,
        exchange=record.last_exchange,
        last_accepted_at=record.last_accepted_at,
        waiting=tx.transmissions.what_waits(now),
        run=_run(tx.schedule.last_run(), period.period_id, record.accepted_sequence),
        next_run_at=tx.schedule.next_run_at(),
        send_offset=send_offset(tx.installation.instance_id(), runtime.deployment.send_spread),
        longest_wait=runtime.retry_policy.longest,
    )


def read_verdict(runtime: Runtime, tx: Transaction, now: datetime) -> Verdict:
    """Return what is said of the situation at ``now``."""
    return judge(read_situation(runtime, tx, now))


def _run(tick: LastTick | None, open_period_id: int, accepted_sequence: int | None) -> Run | None:
    if tick is None:
        return None
    return Run(
        due_at=tick.due_at,
        result=tick.result,
        of_open_period=tick.period_id == open_period_id,
        answered=accepted_sequence is not None and accepted_sequence > tick.sequence,
    )
