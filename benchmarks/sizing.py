"""How many bytes of the database a usage report, and a bouncer's counts of a day, take.

Run it with ``python -m benchmarks.sizing``.
"""

import argparse
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.setting import KINDS, durable_databases, make_runtime
from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.domain.facts import UsageReport
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.record import record

REPORTS_IN_A_CALL = 1_000
MINUTES_OF_A_YEAR = 365 * 24 * 60


def call(bouncers: Sequence[str]) -> list[UsageReport]:
    """Return a report of each bouncer, again and again."""
    now = datetime.now(UTC)  # noqa: TID251 - a benchmark's own clock
    names = itertools.islice(itertools.cycle(bouncers), REPORTS_IN_A_CALL)
    return [
        UsageReport(
            report_id=time_ordered_id(now),
            bouncer_id=name,
            environment="production",
            audit_events=12,
            policy_decisions=10,
            successful_decisions=9,
        )
        for name in names
    ]


def grown(runtime: Runtime, calls: Sequence[Sequence[UsageReport]]) -> int:
    """Record calls, one after the other; return by how many bytes the database grew."""
    before = read_now(runtime, lambda snapshot: snapshot.tx.space.used_bytes())
    for one in calls:
        record(runtime, [one])
    return read_now(runtime, lambda snapshot: snapshot.tx.space.used_bytes()) - before


def measure(kind: str, thousands: int) -> None:
    """Print what one kind of database takes."""
    with durable_databases(kind) as make:
        runtime = make_runtime(make())
        few = [f"bouncer-{number}" for number in range(100)]
        grown(runtime, [call(few) for _ in range(thousands // 10 + 1)])
        report = grown(runtime, [call(few) for _ in range(thousands)]) / (thousands * REPORTS_IN_A_CALL)
        many = [[f"other-{number}-{one}" for one in range(REPORTS_IN_A_CALL)] for number in range(20)]
        counts = grown(runtime, [call(names) for names in many]) / (len(many) * REPORTS_IN_A_CALL) - report
        year = report * MINUTES_OF_A_YEAR * len(few) / 1e9
        print(
            f"{kind}: {report:.0f} bytes a report, {counts:.0f} bytes for a bouncer's first report of a day; "
            f"100 bouncers that report once a minute, for a year: {year:.1f} GB"
        )


def main() -> None:
    """Measure each kind."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--thousands", type=int, default=300, help="thousands of reports (default: 300)")
    parser.add_argument("--database", nargs="+", choices=KINDS, default=KINDS)
    options = parser.parse_args()
    for kind in options.database:
        measure(kind, options.thousands)


if __name__ == "__main__":
    main()
