"""The command behind ``make torture``."""

import argparse
import random
import sys
from pathlib import Path

from tests.torture.arena import postgresql_arena, sqlite_arena
from tests.torture.ordeal import Plan, torture
from tests.torture.report import Report

_ARENAS = {"sqlite": (sqlite_arena, 2), "postgresql": (postgresql_arena, 3)}


def main() -> int:
    """Torture each database in turn, print what came of it, and return 0 only where every promise was kept."""
    options = _options()
    reports = [_run(name, options) for name in options.database]
    sys.stdout.write("\n\n".join(report.as_text() for report in reports) + "\n")
    if options.json:
        options.json.write_text("[" + ",".join(report.as_json() for report in reports) + "]\n")
    return 0 if all(report.clean for report in reports) else 1


def _run(name: str, options: argparse.Namespace) -> Report:
    make_arena, replicas = _ARENAS[name]
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)  # noqa: S311 - chance, not a secret
    plan = Plan(options.kills, options.minutes, options.replicas or replicas, seed)
    sys.stderr.write(f"{name}: seed {seed}\n")
    with make_arena() as arena:
        return torture(plan, arena, lambda line: _say(f"{name}: {line}"))


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="processes to kill on each database")
    parser.add_argument("--minutes", type=float, default=30, help="stop after so long on each database")
    parser.add_argument("--database", nargs="+", choices=_ARENAS, default=list(_ARENAS))
    parser.add_argument("--replicas", type=int, help="processes on one database (SQLite 2, PostgreSQL 3)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--json", type=Path, help="write the report here as well")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
