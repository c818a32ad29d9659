"""How many payloads reach the License Server in a second, from 100,000 installations on one schedule.

A simulation with the service's own code for the time of an attempt: the spread of the fleet, the waking every few
seconds, and the wait after a failure. Run it with ``python -m benchmarks.fleet``.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from uuid import UUID

from telemetry_service.domain.outcome import RetryPolicy
from telemetry_service.domain.schedule import send_offset
from telemetry_service.scheduler import WAKE_EVERY_SECONDS
from telemetry_service.settings import DEFAULT_SEND_SPREAD

AWAY = timedelta(minutes=30)
_POLICY = RetryPolicy()


def attempts(installation: UUID, spread: timedelta, away: timedelta, random: Random) -> Iterator[timedelta]:
    """Yield when an installation tries after the tick, until the License Server is there."""
    phase = timedelta(seconds=random.uniform(0, WAKE_EVERY_SECONDS))
    at, made = send_offset(installation, spread) + phase, 1
    while at < away:
        yield at
        at += _POLICY.delay(made, None, random)
        made += 1
    yield at


def arrivals(installations: int, spread: timedelta, away: timedelta) -> Counter[int]:
    """Return the number of attempts in each second after the tick."""
    random = Random(9)  # noqa: S311 - a simulation
    ids = (UUID(int=random.getrandbits(128)) for _ in range(installations))
    return Counter(int(at.total_seconds()) for each in ids for at in attempts(each, spread, away, random))


def main() -> None:
    """Print the busiest second and the mean of those with an attempt, with and without the spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installations", type=int, default=100_000)
    options = parser.parse_args()
    print(f"{'spread':<10}{'License Server':<20}{'busiest second':>16}{'mean':>8}{'until':>10}")
    for spread in (timedelta(0), DEFAULT_SEND_SPREAD):
        for away, name in ((timedelta(0), "there"), (AWAY, "away for 30 min")):
            found = arrivals(options.installations, spread, away)
            until = timedelta(seconds=max(found))
            mean = found.total() / len(found)
            print(f"{spread!s:<10}{name:<20}{max(found.values()):>16,}{mean:>8,.0f}{until!s:>10}")


if __name__ == "__main__":
    main()
