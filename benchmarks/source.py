"""A catch-up on a source of ten million rows, beside one GROUP BY over the same rows, and a look that finds nothing.

Run it with ``python -m benchmarks.source``; ``--rows`` takes fewer. All rows have one position, as after a bulk load.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from benchmarks.setting import KINDS
from telemetry_service.pipeline.actions.catch_up import catch_up, plan_catch_up
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.source.events import count_step
from telemetry_service.service import Options, make_runtime, set_up
from tests.support.actors import CLI
from tests.support.postgres import PostgresServer
from tests.support.reckoning import reckon
from tests.support.settings import settings_for
from tests.support.source import NOON, AuditTable, postgresql_audit_table, sqlite_audit_table

ROWS = 10_000_000
BOUNCERS = 24
_COLUMNS = "created_at, enforcement_point, stage, action, outcome"
_VALUES = (
    "'2026-11-20T12:00:00+00:00', 'bnc-' || (n % {bouncers}), CASE n % 2 WHEN 0 THEN 'live' ELSE 'test' END,"
    " CASE WHEN n % 3 > 0 THEN 'policy.evaluated' ELSE 'other' END, CASE WHEN n % 5 > 0 THEN 'ok' ELSE 'denied' END"
)
_SERIES = {
    "sqlite": (
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows})"
        " INSERT INTO audit_log ({columns}) SELECT {values} FROM s"
    ),
    "postgresql": "INSERT INTO audit_log ({columns}) SELECT {values} FROM generate_series(1, {rows}) AS n",
}
_AT = {"sqlite": "", "postgresql": "::timestamptz"}
_GROUP_BY = (
    "SELECT bouncer_id, environment, count(*) AS events, count(CASE WHEN kind = 'decision' THEN 1 END) AS decisions,"
    " count(CASE WHEN kind = 'decision' AND successful THEN 1 END) AS successful"
    " FROM telemetry_source_events GROUP BY bouncer_id, environment"
)


def seconds(act: Callable[[], object]) -> float:
    """Return how long something takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def fill(audit: AuditTable, rows: int) -> None:
    """Insert the rows in one transaction."""
    values = _VALUES.format(bouncers=BOUNCERS).replace("+00:00'", f"+00:00'{_AT[audit.kind]}", 1)
    audit.run(_SERIES[audit.kind].format(rows=rows, columns=_COLUMNS, values=values))
    if audit.kind == "postgresql":
        audit.run_alone("VACUUM ANALYZE audit_log")


def group_by(audit: AuditTable) -> None:
    """Add all rows up in one statement."""
    audit.run(f"CREATE TEMPORARY TABLE added AS {_GROUP_BY}")


def measure(runtime: Runtime, audit: AuditTable, rows: int) -> None:
    """Print the ratios of one database."""
    steps: list[int] = []
    raw = seconds(lambda: group_by(audit))
    plan = plan_catch_up(runtime, NOON - timedelta(days=1))
    caught_up = seconds(lambda: steps.extend(step.looked_at for step in catch_up(runtime, plan, CLI)))
    looks = sorted(seconds(lambda: count_step(runtime)) for _ in range(9))
    print(
        f"{audit.kind:10} {rows:>12,} rows {len(steps):>6,} steps  catch-up/GROUP BY {caught_up / raw:5.2f}"
        f"  look/GROUP BY {looks[4] / raw:.5f}"
        f"  ({rows / caught_up:,.0f} rows a second, a look {looks[4] * 1000:.1f} ms)"
    )


def main() -> None:
    """Measure both kinds."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    rows: int = options.parse_args().rows
    for kind in KINDS:
        server = PostgresServer.make(durable=False)
        server.start()
        try:
            with tempfile.TemporaryDirectory(prefix="telemetry-bench-") as folder:
                audit = postgresql_audit_table(server) if kind == "postgresql" else sqlite_audit_table(Path(folder))
                fill(audit, rows)
                url = server.create_database("own") if kind == "postgresql" else f"sqlite:///{folder}/own.db"
                runtime = _runtime(url, audit)
                count_step(runtime)
                measure(runtime, audit, rows)
                counted = reckon(url, ()).open.events
                runtime.close()
                assert counted == rows, counted  # noqa: S101 - a figure of rows that were lost is worth nothing
        finally:
            server.remove()


def _runtime(url: str, audit: AuditTable) -> Runtime:
    settings = replace(
        settings_for(url, "https://127.0.0.1:9", "cus_benchmark"), source_database_url=SecretStr(audit.reader_url)
    )
    set_up(settings)
    return make_runtime(settings, Options(scheduled=False))


if __name__ == "__main__":
    main()
