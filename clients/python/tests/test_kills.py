"""kill -9 at any moment: what was counted is counted once, and what a crash may lose is bounded."""

import random
from pathlib import Path

import pytest

from clients.python.tests.counting import COUNTED, FLUSHED, Counting
from clients.python.tests.support import Service

LIVES = 12


def live_and_die(service: Service, spool: Path, durabilities: tuple[str, str]) -> dict[str, bytes]:
    """Kill one couple of processes after the other, and return what each one said that it had counted."""
    draw = random.Random(LIVES)  # noqa: S311 - the same lives each time
    said: dict[str, bytes] = {}
    for life in range(0, LIVES, 2):
        names = [f"bnc-{life}", f"bnc-{life + 1}"]
        pairs = zip(names, durabilities, strict=True)
        couple = [Counting(service.url, service.token, spool, name, durability) for name, durability in pairs]
        for name, counting in zip(names, couple, strict=True):
            said[name] = counting.kill_after(draw.randrange(1, 400))
    with service.reporter(spool, send_seconds=60) as reporter:
        assert reporter.flush(60), "it sends what all of them have left"
    assert list(spool.iterdir()) == []
    return said


@pytest.mark.timeout(300)
def test_a_killed_process_loses_nothing_if_each_count_is_written(service: Service, spool: Path) -> None:
    for name, said in live_and_die(service, spool, ("process", "machine")).items():
        events, _, _ = service.counted()[name]
        # The call in which it was killed may have been written; it could not say so anymore.
        assert events - said.count(COUNTED) in {0, 1}, name


@pytest.mark.timeout(300)
def test_a_killed_process_loses_at_most_what_was_counted_since_the_last_flush(service: Service, spool: Path) -> None:
    for name, said in live_and_die(service, spool, ("interval", "interval")).items():
        events, _, _ = service.counted().get(name, (0, 0, 0))
        flushed = said.rpartition(FLUSHED)[0].count(COUNTED)
        assert flushed <= events <= said.count(COUNTED) + 1, name
