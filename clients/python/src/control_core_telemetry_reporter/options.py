"""What a caller may choose, and the limits that the service has."""

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

Durability = Literal["interval", "process", "machine"]
"""What is on disk when ``count`` returns.

``interval``: nothing; a crash loses at most what was counted since the last flush. ``process``: the count has been
written, so that a killed process loses nothing. ``machine``: the count is synced, so that a power failure loses nothing
either; each call waits for the disk.
"""

MAX_COUNT = 10**9
"""The largest count in one report."""

BATCH_REPORTS = 1_000
"""Reports in one request. The service takes 10,000; smaller requests repeat less."""

ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
ENVIRONMENTS = frozenset({"sandbox", "production"})


@dataclass(frozen=True, slots=True)
class Options:
    """How a reporter works; times are in seconds."""

    durability: Durability = "interval"
    flush_seconds: float = 1.0
    """The time between two flushes from memory to the spool."""
    send_seconds: float = 10.0
    """The time between two transmissions to the service."""
    timeout_seconds: float = 10.0
    """The limit of a whole exchange with the service."""
    repeat_days: float = 6.0
    """How long a report that may have arrived is repeated: less than the shortest retention of the service."""
    max_bouncers: int = 100_000
    """Distinct pairs of bouncer and environment whose counts wait at the same time."""
    max_spool_bytes: int = 64 * 1024 * 1024
    """The size of one spool file."""

    def __post_init__(self) -> None:
        if self.durability not in get_args(Durability):
            raise ValueError("durability must be interval, process or machine")
        times = (self.flush_seconds, self.send_seconds, self.timeout_seconds, self.repeat_days)
        if not all(math.isfinite(time) and time > 0 for time in times):
            raise ValueError("times must be positive")
        if self.max_bouncers < 1 or self.max_spool_bytes < 1:
            raise ValueError("limits must be at least 1")
