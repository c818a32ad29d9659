"""A purge of millions of rows beside recording: what recording notices of it, and whether a row costs more among many.

All of it is measured in turn within one run: recording alone, beside a second caller that records as well, and beside
the purge. So a call beside the purge can be compared with one that waits for another call. Run it with
``python -m benchmarks.retention``.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from benchmarks.old_rows import OldRows, OldRowsWriter
from benchmarks.setting import KINDS, durable_databases, make_runtime
from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.domain.facts import UsageReport
from telemetry_service.pipeline.queries.consequences import count_rows_to_purge
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.record import record
from telemetry_service.storage.database import Database
from telemetry_service.storage.engine import make_engine

ROWS = 4_000_000
FEWER = 20
"""How many times fewer rows the smaller purge has, with which the cost of a row is compared."""

REPORTS_IN_A_CALL = 200
REPORTING = 50
"""Bouncers that report while it is measured."""

_SECONDS = 8
"""Of recording alone, and of recording beside a second caller."""

LONGEST = 3_600
"""Seconds after which a purge is not recorded beside any longer."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The calls of one caller: how long each took, and how long all of it."""

    calls: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        """Reports a second."""
        return len(self.calls) * REPORTS_IN_A_CALL / self.seconds

    def slower_than(self, share: float) -> float:
        """Return the seconds within which ``share`` of the calls had their responses."""
        return sorted(self.calls)[min(len(self.calls) - 1, int(share * len(self.calls)))]


class Reporter:
    """A caller that records without a pause."""

    def __init__(self, runtime: Runtime, *, random_ids: bool) -> None:
        """Report to ``installation``."""
        self._runtime, self._random_ids = runtime, random_ids

    def record(self, until: threading.Event, seconds: float) -> Recording:
        """Record until stopped, or for so long."""
        calls, began = list[float](), time.perf_counter()
        while not until.is_set() and time.perf_counter() - began < seconds:
            reports = [self._report(number) for number in range(REPORTS_IN_A_CALL)]
            call = time.perf_counter()
            record(self._runtime, [reports])
            calls.append(time.perf_counter() - call)
        return Recording(calls, time.perf_counter() - began)

    def _report(self, number: int) -> UsageReport:
        return UsageReport(
            report_id=uuid4() if self._random_ids else time_ordered_id(datetime.now(UTC)),  # noqa: TID251 - its own clock
            bouncer_id=f"bouncer-{number % REPORTING}",
            environment="production",
            audit_events=1,
            policy_decisions=1,
            successful_decisions=1,
        )


@contextmanager
def other_replica(runtime: Runtime, url: str) -> Iterator[Runtime]:
    """Give what works beside the recorder: another thread of the service on SQLite, another replica on PostgreSQL."""
    if runtime.database.kind == "sqlite":
        yield runtime
        return
    database = Database(url)
    yield replace(runtime, database=database)
    database.close()


def beside(work: Callable[[], object], reporter: Reporter, seconds: float) -> Recording:
    """Record while ``work`` is done, at most for so long."""
    done = threading.Event()

    def run() -> None:
        work()
        done.set()

    other = threading.Thread(target=run)
    other.start()
    measured = reporter.record(done, seconds)
    other.join()
    return measured


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds ``work`` took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fill(runtime: Runtime, url: str, rows: OldRows, *, random_ids: bool) -> None:
    """Write rows that are older than any retention."""
    engine = make_engine(url)
    OldRowsWriter(engine, runtime.clock.now() - timedelta(days=400)).write(rows, random_ids=random_ids)
    engine.dispose()


def measure(kind: str, rows: OldRows, *, random_ids: bool) -> None:
    """Measure one kind of database and print what was found."""
    fewer = OldRows.share(rows.total // FEWER)
    with durable_databases(kind) as make_database:
        url = make_database()
        runtime = make_runtime(url)
        reporter, never = Reporter(runtime, random_ids=random_ids), threading.Event()
        with other_replica(runtime, url) as other:
            fill(runtime, url, fewer, random_ids=random_ids)
            among_fewer = beside(lambda: purge(other), reporter, LONGEST)
            fill(runtime, url, rows, random_ids=random_ids)
            alone = reporter.record(never, _SECONDS)
            second = Reporter(other, random_ids=random_ids)
            shared = beside(lambda: second.record(never, _SECONDS), reporter, _SECONDS)
            counting = statistics.median(timed(lambda: read_now(other, count_rows_to_purge, 30)) for _ in range(5))
            purged = beside(lambda: purge(other), reporter, LONGEST)
        runtime.database.close()
        print(f"{kind}: {rows.total:,} rows purged in {purged.seconds:,.0f} s beside recording")
        print_recording(purged, shared, alone)
        growth = purged.seconds / rows.total / (among_fewer.seconds / fewer.total)
        print(f"  {f'a row among all / among {fewer.total:,}':<53}{growth:6.2f}")
        print(f"  {'counting for the tab / half of the calls alone':<53}{counting / alone.slower_than(0.5):6.2f}")
        if kind == "sqlite":
            print_space(url)


def print_recording(purged: Recording, shared: Recording, alone: Recording) -> None:
    """Print how recording beside the purge compares with recording beside another caller."""
    rates = f"({purged.rate:,.0f} / {shared.rate:,.0f} reports a second; alone {alone.rate:,.0f})"
    print(f"  recording beside the purge / beside another caller   {purged.rate / shared.rate:6.2f}  {rates}")
    for name, share in (("half of the calls", 0.5), ("99 of 100 calls", 0.99), ("slowest call", 1.0)):
        ours, theirs = purged.slower_than(share), shared.slower_than(share)
        spent = f"({1_000 * ours:,.0f} / {1_000 * theirs:,.0f} ms; alone {1_000 * alone.slower_than(share):,.0f})"
        print(f"  {name + ', the same':<53}{ours / theirs:6.2f}  {spent}")


def print_space(url: str) -> None:
    """Print how much of the file is free after the purge."""
    engine = make_engine(url)
    with engine.connect() as connection:
        free, pages = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("freelist_count", "page_count")
        )
    engine.dispose()
    print(f"  pages not given back to the file system              {free} of {pages:,}")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=KINDS, nargs="+", default=list(KINDS))
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--random-ids", action="store_true", help="reports whose IDs are not time-ordered")
    options = parser.parse_args()
    for kind in options.database:
        measure(kind, OldRows.share(options.rows), random_ids=options.random_ids)


if __name__ == "__main__":
    main()
