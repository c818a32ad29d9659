"""Limits connections: in total, for each address, and a few more for probes."""

import resource
from collections import Counter
from dataclasses import dataclass
from typing import Protocol, Self

from telemetry_service.domain.addresses import caller_group
from telemetry_service.web.http.addresses import TrustedProxies

_OTHER_FILES = 124
"""Files for the database's connections, the log, the listener, exchanges with the License Server, and Python itself."""


@dataclass(frozen=True)
class ConnectionLimits:
    """The limits of a server's connections."""

    at_once: int = 900
    per_address: int = 300
    """A third: no caller can take all of them, and an unconfigured reverse proxy still has enough."""
    for_probes: int = 100
    """Connections beyond the other limits, each briefly, for one probe."""

    @classmethod
    def of_this_process(cls) -> Self:
        """Return the default limits, or smaller ones if the process may not open so many files."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = cls.at_once if files == resource.RLIM_INFINITY else files - _OTHER_FILES - cls.for_probes
        at_once = max(3, min(cls.at_once, room))
        return cls(at_once, at_once // 3)


class Counted(Protocol):
    """A connection that is counted."""

    def cut_off(self) -> None:
        """End now, whatever is still unsent."""


class ConnectionCounter:
    """The connections of one server; belongs to its event loop."""

    def __init__(self, limits: ConnectionLimits, proxies: TrustedProxies) -> None:
        self.limits = limits
        self._proxies = proxies
        self._admitted: dict[Counted, str | None] = {}
        self._of_caller: Counter[str] = Counter()
        self._for_probes: dict[Counted, None] = {}

    def admit(self, connection: Counted, address: str) -> bool:
        """Return whether a connection is within the limits; one that is not may make one probe.

        A trusted proxy's connections belong to many callers, which are counted by their requests instead.
        """
        caller = None if address in self._proxies else caller_group(address)
        full = caller is not None and self._of_caller[caller] >= self.limits.per_address
        if full or len(self._admitted) >= self.limits.at_once:
            self._make_room_for_probe()
            self._for_probes[connection] = None
            return False
        self._admitted[connection] = caller
        if caller is not None:
            self._of_caller[caller] += 1
        return True

    def leave(self, connection: Counted) -> None:
        """Stop counting a connection."""
        self._for_probes.pop(connection, None)
        self._subtract(self._admitted.pop(connection, None))

    def begin_request(self, address: str) -> bool:
        """Count a request that a trusted proxy forwards; return whether its caller may make one more."""
        caller = caller_group(address)
        if self._of_caller[caller] >= self.limits.per_address:
            return False
        self._of_caller[caller] += 1
        return True

    def end_request(self, address: str) -> None:
        """Stop counting such a request."""
        self._subtract(caller_group(address))

    def _subtract(self, caller: str | None) -> None:
        if caller is None:
            return
        self._of_caller[caller] -= 1
        if not self._of_caller[caller]:
            del self._of_caller[caller]

    def _make_room_for_probe(self) -> None:
        """End the oldest: a probe sends its request at once, so a connection that still waits is not one."""
        if len(self._for_probes) >= self.limits.for_probes:
            oldest = next(iter(self._for_probes))
            del self._for_probes[oldest]
            oldest.cut_off()
