"""Which test begins when.

Those that wait begin first, then those that take long, a share of them with each worker, so that no core is idle, and
none is left with a long one when the others have come to their end. Those of the browser are side by side, since it
stays open while one follows another: to start it takes as long as a few of them.
"""

import pytest

WORKERS_FOR_A_CORE = 2
"""A good part of the tests waits for a process, a deadline or a clock. Measured: four workers on two cores."""

_BROWSER = "browser"
"""The fixture."""


def in_turns(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the tests of a run in the order in which they begin."""
    return waiting_first(browser_together(items), workers)


def browser_together(items: list[pytest.Item]) -> list[pytest.Item]:
    """Put what needs the browser at the start, whatever the order of the others."""
    return sorted(items, key=lambda item: _BROWSER not in getattr(item, "fixturenames", ()))


def waiting_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Put a share of what ``waits``, and then of what is ``long``, at the start of each worker's part.

    The parts are those that ``--dist=worksteal`` hands out: of equal length, in the order of the collection. Else all
    that waits would be one worker's, and the others would have come to their end long before it.
    """
    waiting = [item for item in items if item.get_closest_marker("waits")]
    waiting += [item for item in items if item.get_closest_marker("long") and not item.get_closest_marker("waits")]
    others = [item for item in items if not (item.get_closest_marker("waits") or item.get_closest_marker("long"))]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        part = (len(items) - len(ordered)) // (workers - worker)
        share = waiting[worker::workers]
        rest = max(0, part - len(share))
        ordered += [*share, *others[:rest]]
        del others[:rest]
    return ordered
