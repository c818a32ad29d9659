"""The License Server's clock: the machine's, or offset from it, so that a demo can play past weeks.

The rule that a sender's clock may be off by five minutes applies to this clock too.
"""

import time

TEN_YEARS_SECONDS = 10 * 365 * 86_400
"""No demo and no test goes further."""


class OffsetClock:
    """Unix seconds, ``offset_seconds`` ahead of the machine. A restarted server has the right time again."""

    def __init__(self) -> None:
        """Start with the machine's time."""
        self.offset_seconds = 0.0

    def __call__(self) -> float:
        """Return the present time."""
        return time.time() + self.offset_seconds
