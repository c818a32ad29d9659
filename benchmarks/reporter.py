"""What a call of the reporter's ``count`` costs its host, against a bare increment in a dictionary under a lock.

Both run in the same thread, one after the other in each round. No service is there, so the reporter's own thread
flushes and tries to connect meanwhile, as in an outage. Run it with ``python -m benchmarks.reporter``.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.setting import median_ratio
from control_core_telemetry_reporter import Durability, Reporter

BOUNCERS = [f"bnc-{number}-prd" for number in range(100)]
CALLS: dict[Durability, int] = {"interval": 200_000, "process": 20_000, "machine": 300}
_NOBODY = "http://127.0.0.1:9"


def bare(calls: int) -> float:
    """Return the seconds that the increments take alone."""
    lock = threading.Lock()
    counts: dict[tuple[str, str], int] = {}

    def increment(bouncer_id: str) -> None:
        key = (bouncer_id, "production")
        with lock:
            counts[key] = counts.get(key, 0) + 1

    return timed(increment, calls)


def reported(reporter: Reporter, calls: int) -> float:
    """Return the seconds that the reporter takes."""
    return timed(
        lambda bouncer_id: reporter.count(
            bouncer_id, "production", audit_events=1, policy_decisions=1, successful_decisions=1
        ),
        calls,
    )


def timed(count: Callable[[str], None], calls: int) -> float:
    """Return the seconds that the calls take."""
    bouncers = [BOUNCERS[number % len(BOUNCERS)] for number in range(calls)]
    begun = time.perf_counter()
    for bouncer_id in bouncers:
        count(bouncer_id)
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print a table of ratios: 5 is five times the time of a bare increment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print("count() / bare increment: median (range) over", rounds, "paired rounds")
    for durability, calls in CALLS.items():
        with tempfile.TemporaryDirectory(prefix="telemetry-bench-") as folder:
            reporter = Reporter(_NOBODY, "token", Path(folder) / "spool", durability=durability)
            pairs = [(reported(reporter, calls), bare(calls)) for _ in range(rounds)]
            reporter.close(0)
        each = sorted(ours / calls for ours, _ in pairs)[rounds // 2] * 1e6
        print(f"{durability:<10}{median_ratio(pairs)}   {each:,.1f} µs a call", flush=True)


if __name__ == "__main__":
    main()
