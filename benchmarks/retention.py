"""A purge of millions of rows beside recording: how much recording it costs, and that each step costs the same.

Recording is measured in turn without and during a purge within one run. The steps of the purge are timed as well: the
last ones cost what the first ones do. Run it with ``python -m benchmarks.retention``.
"""

import argparse
import statistics
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import Engine, insert, text

from benchmarks.setting import KINDS, durable_databases, make_installation
from telemetry_service.domain.facts import UsageReport
from telemetry_service.pipeline.installation import Installation
from telemetry_service.pipeline.purge import purge
from telemetry_service.pipeline.record import record
from telemetry_service.storage.database import Database
from telemetry_service.storage.engine import make_engine
from telemetry_service.storage.tables import UsageReportId

ROWS = 2_000_000
REPORTS_IN_A_CALL = 200
BOUNCERS = 50
BOUNCERS_A_DAY = 1_000

_OLD_PERIOD = text(
    "INSERT INTO reporting_periods (opened_at, is_open, reportable, closed_at, closed_by)"
    " VALUES (:at, :no, :no, :at, 'switched_off')"
)
_OLD_COUNTER = text(
    "INSERT INTO usage_counters SELECT (SELECT min(id) FROM reporting_periods WHERE NOT is_open), :day,"
    " :bouncer, 'sandbox', 1, 1, 1"
)
_CHUNK = 50_000


def fill(installation: Installation, engine: Engine, report_ids: int, counters: int) -> None:
    """Write rows that are older than any retention."""
    old = installation.clock.now() - timedelta(days=400)
    moment = old.replace(tzinfo=None).isoformat(" ") if engine.dialect.name == "sqlite" else old
    with engine.begin() as connection:
        connection.execute(_OLD_PERIOD, {"at": moment, "no": False})
    for _ in range(0, report_ids, _CHUNK):
        with engine.begin() as connection:
            connection.execute(
                insert(UsageReportId), [{"report_id": uuid4(), "received_on": old.toordinal()} for _ in range(_CHUNK)]
            )
    for start in range(0, counters, _CHUNK):
        with engine.begin() as connection:
            connection.execute(_OLD_COUNTER, [_counter(old, number, engine) for number in range(start, start + _CHUNK)])


def _counter(old: datetime, number: int, engine: Engine) -> dict[str, object]:
    day = (old - timedelta(days=number // BOUNCERS_A_DAY)).date()
    return {
        "day": day.isoformat() if engine.dialect.name == "sqlite" else day,
        "bouncer": f"bouncer-{number % BOUNCERS_A_DAY}",
    }


def recorded_per_second(installation: Installation, until: threading.Event, seconds: float) -> tuple[float, float]:
    """Record until told, or for so long; return reports per second and the slowest call in seconds."""
    began, calls, slowest = time.perf_counter(), 0, 0.0
    while not until.is_set() and time.perf_counter() - began < seconds:
        call = time.perf_counter()
        record(installation, [[_report(number) for number in range(REPORTS_IN_A_CALL)]])
        slowest = max(slowest, time.perf_counter() - call)
        calls += 1
    return calls * REPORTS_IN_A_CALL / (time.perf_counter() - began), slowest


def _report(number: int) -> UsageReport:
    return UsageReport(
        report_id=uuid4(),
        bouncer_id=f"bouncer-{number % BOUNCERS}",
        environment="production",
        audit_events=1,
        policy_decisions=1,
        successful_decisions=1,
    )


class Steps:
    """Times the steps of a purge by its milestones."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def __call__(self, _milestone: object) -> None:
        """Note the moment at which a step has ended."""
        self.moments.append(time.perf_counter())

    def growth(self) -> float:
        """Return how much longer the last tenth of the steps took than the first, by their medians."""
        lengths = [later - earlier for earlier, later in zip(self.moments, self.moments[1:], strict=False)]
        tenth = max(1, len(lengths) // 10)
        return statistics.median(lengths[-tenth:]) / statistics.median(lengths[:tenth])


def measure(kind: str, rows: int) -> None:
    report_ids, counters = rows * 3 // 4, rows // 4
    with durable_databases(kind) as make_database:
        url = make_database()
        installation = make_installation(url)
        engine = make_engine(url)
        fill(installation, engine, report_ids, counters)
        never = threading.Event()
        recorded_per_second(installation, never, 1)  # Warm up.
        alone, slowest_alone = recorded_per_second(installation, never, 8)
        steps, done = Steps(), threading.Event()
        purging = threading.Thread(target=_purge, args=(installation, url, steps, done))
        began = time.perf_counter()
        purging.start()
        during, slowest = recorded_per_second(installation, done, 600)
        purging.join()
        seconds = time.perf_counter() - began
        print(f"{kind}: {report_ids + counters:,} rows purged in {seconds:.0f} s beside recording")
        rates = f"({during:,.0f} / {alone:,.0f} reports a second)"
        print(f"  recording during the purge / without it    {during / alone:.2f}  {rates}")
        print(f"  slowest call during the purge / without it {slowest:.2f} s / {slowest_alone:.2f} s")
        print(f"  last steps of the purge / first steps      {steps.growth():.2f}")
        if kind == "sqlite":
            with engine.connect() as connection:
                free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
            print(f"  pages not given back to the file system    {free}")
        engine.dispose()
        installation.database.close()


def _purge(installation: Installation, url: str, steps: Steps, done: threading.Event) -> None:
    """Purge as another thread of the service does, or on PostgreSQL another replica."""
    database = installation.database if installation.database.kind == "sqlite" else Database(url)
    purge(replace(installation, database=database, reached=steps))
    done.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=KINDS, nargs="+", default=list(KINDS))
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    for kind in options.database:
        measure(kind, options.rows)


if __name__ == "__main__":
    main()
