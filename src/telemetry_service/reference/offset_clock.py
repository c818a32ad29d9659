"""The License Server's clock: the machine's, or set off from it, so that a demo can tell of past weeks.

The rule that a sender's clock may be off by five minutes holds against this clock as against any other.
"""

import time

TEN_YEARS_SECONDS = 10 * 365 * 86_400
"""No demo and no test goes further."""


class OffsetClock:
    """Unix seconds, ``offset_seconds`` ahead of the machine. A server that starts again goes right."""

    def __init__(self) -> None:
        """Go with the machine's clock."""
        self.offset_seconds = 0.0

    def __call__(self) -> float:
        """Return the present moment."""
        return time.time() + self.offset_seconds
