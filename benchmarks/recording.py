"""Recording against the bare driver doing the same durable inserts, in the same run.

Both write the reports' 16-byte IDs and the counters, and both commit to disk before a report counts
as acknowledged. The bare driver is one caller in a loop, which is the best that it can do alone:
it does not validate, does not recognize duplicates, and does not share commits. Run it with
``python -m benchmarks.recording``.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg

from benchmarks.setting import KINDS, durable_databases, make_runtime, median_ratio, sqlite_path
from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.domain.facts import EnvironmentName, UsageReport
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.record import Recorder
from telemetry_service.storage.sqlite_library import KEEPS_LOG, sqlite3
from tests.support.postgres import plain_url

BATCHES = (1, 100, 1_000)
CALLERS = (1, 32)
BOUNCERS = 24

Write = Callable[[list[UsageReport]], object]
Call = list[UsageReport]


def make_calls(batch: int, calls: int) -> list[Call]:
    """Return calls of ``batch`` reports each, from a dozen pairs of bouncers."""
    environments: Iterator[EnvironmentName] = itertools.cycle(("sandbox", "production"))
    numbers = itertools.count()
    now = datetime.now(UTC)  # noqa: TID251 - a benchmark's own clock

    def report() -> UsageReport:
        return UsageReport(
            report_id=time_ordered_id(now),
            bouncer_id=f"bouncer-{next(numbers) % BOUNCERS}",
            environment=next(environments),
            audit_events=12,
            policy_decisions=10,
            successful_decisions=9,
        )

    return [[report() for _ in range(batch)] for _ in range(calls)]


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds ``work`` took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def through_service(runtime: Runtime, calls: list[Call], callers: int) -> float:
    """Return the seconds in which the recorder acknowledged all calls."""
    recorder = Recorder(runtime)
    recorder.start()
    with ThreadPoolExecutor(callers) as pool:
        seconds = timed(lambda: list(pool.map(lambda call: recorder.submit(call).result(), calls)))
    recorder.stop()
    return seconds


def through_driver(write: Write, calls: list[Call]) -> float:
    """Return the seconds in which the bare driver has written all calls, one after another."""
    return timed(lambda: [write(call) for call in calls])


def durable(file: Path) -> sqlite3.Connection:
    """Open a file so that a commit is on the disk when it returns, with the journal that the service would have."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = " + ("WAL" if KEEPS_LOG else "TRUNCATE"))
    connection.execute("PRAGMA synchronous = FULL")
    return connection


@contextmanager
def bare_sqlite(database_url: str) -> Iterator[Write]:
    """Give a writer on the bare driver, with the same journal and the same durability as the service's."""
    connection = durable(sqlite_path(database_url))

    def write(call: Call) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO usage_report_ids VALUES (?, 1, 1)", [(r["report_id"].bytes,) for r in call])
        connection.executemany(_UPSERT.replace("%s", "?"), [(key[0], key[1], *sums) for key, sums in summed(call)])
        connection.execute("COMMIT")

    yield write
    connection.close()


@contextmanager
def bare_postgresql(database_url: str) -> Iterator[Write]:
    """Give a writer on the bare driver."""
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:

        def write(call: Call) -> None:
            ids: list[UUID] = [r["report_id"] for r in call]
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("INSERT INTO usage_report_ids SELECT id, 1, 1 FROM unnest(%s::uuid[]) AS id", (ids,))
                cursor.executemany(_UPSERT, [(key[0], key[1], *sums) for key, sums in summed(call)])

        yield write


_UPSERT = (
    "INSERT INTO usage_counters AS c VALUES (1, '2026-01-01', %s, %s, %s, %s, %s)"
    " ON CONFLICT (period_id, day, bouncer_id, environment) DO UPDATE SET"
    " audit_events = c.audit_events + excluded.audit_events,"
    " policy_decisions = c.policy_decisions + excluded.policy_decisions,"
    " successful_decisions = c.successful_decisions + excluded.successful_decisions"
)


def summed(call: Call) -> list[tuple[tuple[str, str], tuple[int, int, int]]]:
    """Add up a call by counter, as the service does: a fair reference writes no more than it."""
    sums: dict[tuple[str, str], list[int]] = {}
    for report in call:
        total = sums.setdefault((report["bouncer_id"], report["environment"]), [0, 0, 0])
        total[0] += report["audit_events"]
        total[1] += report["policy_decisions"]
        total[2] += report["successful_decisions"]
    return [(key, (total[0], total[1], total[2])) for key, total in sums.items()]


def main() -> None:
    """Measure and print a table of ratios: above 1 the service is faster than the bare driver."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reports", type=int, default=20_000, help="reports in a round of large batches")
    options = parser.parse_args()
    print("reports per second, service / bare driver: median (range) over", options.rounds, "paired rounds")
    print(f"{'database':<12}{'batch':>6}{'callers':>9}   ratio")
    for kind in KINDS:
        bare = bare_sqlite if kind == "sqlite" else bare_postgresql
        with durable_databases(kind) as make_url:
            for batch, callers in itertools.product(BATCHES, CALLERS):
                calls = max(callers * 4, min(400, options.reports // batch))
                runtime, bare_url = make_runtime(make_url()), make_url()
                make_runtime(bare_url).database.close()
                with bare(bare_url) as write:
                    pairs = [
                        (through_driver(write, make_calls(batch, calls)), through_service(runtime, ours, callers))
                        for ours in (make_calls(batch, calls) for _ in range(options.rounds))
                    ]
                runtime.database.close()
                print(f"{kind:<12}{batch:>6}{callers:>9}   {median_ratio(pairs)}", flush=True)


if __name__ == "__main__":
    main()
