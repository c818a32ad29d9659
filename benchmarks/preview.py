"""Preview and tick cost the same after ten thousand and after ten million recorded events.

Counters are kept per (period, day, bouncer, environment), so the cost depends on bouncers and days
and never on events. Both sizes are measured in turn within one run, on the same number of bouncers
and days. Run it with ``python -m benchmarks.preview``.
"""

import argparse
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text

from benchmarks.recording import timed
from benchmarks.setting import KINDS, durable_databases, make_runtime, median_ratio
from telemetry_service.domain.facts import UsageReport
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.record import record
from telemetry_service.pipeline.stages.tick import run_due_tick
from telemetry_service.storage.engine import make_engine

SMALL, LARGE = 10_000, 10_000_000
BOUNCERS = 24
EVENTS_IN_A_REPORT = 50

_SAME_COUNTERS = text(
    "INSERT INTO usage_counters"
    " SELECT (SELECT id FROM reporting_periods WHERE is_open), day, bouncer_id, environment,"
    " audit_events, policy_decisions, successful_decisions FROM usage_counters WHERE period_id = :closed"
)

_SAME_BOUNCERS = text(
    "INSERT INTO usage_bouncers (period_id, bouncer_id, has_traffic, has_decisions)"
    " SELECT DISTINCT (SELECT id FROM reporting_periods WHERE is_open), bouncer_id, true, true FROM usage_counters"
    " WHERE period_id = :closed"
)


def report_events(runtime: Runtime, events: int) -> None:
    """Record ``events`` through the recording stage, in reports as a busy bouncer makes them."""
    reports = events // EVENTS_IN_A_REPORT
    for start in range(0, reports, 10_000):
        batch = [_report(number) for number in range(start, min(start + 10_000, reports))]
        record(runtime, [batch])


def _report(number: int) -> UsageReport:
    return UsageReport(
        report_id=uuid4(),
        bouncer_id=f"bouncer-{number % BOUNCERS}",
        environment="sandbox" if number % 2 else "production",
        audit_events=EVENTS_IN_A_REPORT,
        policy_decisions=EVENTS_IN_A_REPORT,
        successful_decisions=EVENTS_IN_A_REPORT - 1,
    )


def preview_seconds(runtime: Runtime) -> float:
    """Return the seconds of one preview."""
    return timed(lambda: read_now(runtime, build_preview))


def tick_seconds(runtime: Runtime, database_url: str) -> float:
    """Return the seconds of one tick, and give the period that it opened the counters of the one that it closed."""
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        closed = tx.periods.open().period_id
        tx.schedule.plan(now - timedelta(seconds=1))
    seconds = timed(lambda: run_due_tick(runtime))
    with make_engine(database_url).begin() as connection:
        connection.execute(_SAME_COUNTERS, {"closed": closed})
        connection.execute(_SAME_BOUNCERS, {"closed": closed})
    return seconds


def main() -> None:
    """Measure and print ratios: 1 says that the number of events does not matter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--large", type=int, default=LARGE)
    options = parser.parse_args()
    print(f"seconds after {options.large:,} events / seconds after {SMALL:,} events: median (range)")
    for kind in KINDS:
        with durable_databases(kind) as make_url:
            urls = make_url(), make_url()
            few, many = make_runtime(urls[0]), make_runtime(urls[1])
            report_events(few, SMALL)
            report_events(many, options.large)
            previews = [(preview_seconds(many), preview_seconds(few)) for _ in range(options.rounds)]
            print(f"{kind:<12}preview   {median_ratio(previews)}", flush=True)
            ticks = [(tick_seconds(many, urls[1]), tick_seconds(few, urls[0])) for _ in range(options.rounds)]
            print(f"{kind:<12}tick      {median_ratio(ticks)}", flush=True)
            few.database.close()
            many.database.close()


if __name__ == "__main__":
    main()
