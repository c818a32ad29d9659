"""One exchange: how much time and how many bytes it has left, and how far it has come.

All of its parts ask this object before each operation, so that neither a trickling server nor many
short waits can outlast the one deadline. The same record gives the connection test its steps.
"""

import time

from telemetry_service.domain.connection_check import OnStep, Step, StepName, ignore_step
from telemetry_service.domain.outcome import Cause
from telemetry_service.license_server.endpoint import ExchangeLimits
from telemetry_service.license_server.exchange_error import ExchangeError


class Exchange:
    """The state of one exchange."""

    def __init__(self, limits: ExchangeLimits, *, proxied: bool, on_step: OnStep = ignore_step) -> None:
        """Start the clock of the deadline."""
        self._ends = time.monotonic() + limits.deadline.total_seconds()
        self._bytes_left = limits.response_bytes
        self._behind_proxy = not proxied
        self._on_step = on_step
        self._reached: list[tuple[StepName, float]] = []
        self._details: dict[StepName, str] = {}
        self.cut_off = False
        """Whether the other side has closed its half of the connection."""

    def remaining(self) -> float:
        """Return the seconds that are left, more than 0.

        Raises:
            ExchangeError: none are.

        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise ExchangeError(Cause.DEADLINE_EXCEEDED)
        return left

    def count(self, received: bytes) -> bytes:
        """Pass on what came in, as long as all of it together is within the limit.

        Raises:
            ExchangeError: it is more than any License Server says.

        """
        self._bytes_left -= len(received)
        self.cut_off = not received
        if self._bytes_left < 0:
            raise self.fault(Cause.ANSWER_TOO_LARGE)
        return received

    def fault(self, cause: Cause) -> ExchangeError:
        """Return a fault, which is the proxy's while nothing but the proxy has been spoken to."""
        if self._behind_proxy or cause is Cause.DEADLINE_EXCEEDED:
            return ExchangeError(cause)
        return ExchangeError(Cause.PROXY_FAILED)

    def reach(self, step: StepName) -> None:
        """Begin a step; the one before it has succeeded."""
        if step is StepName.TLS:
            self._behind_proxy = True
        self._reached.append((step, time.monotonic()))
        self._on_step(step)

    def describe(self, detail: str) -> None:
        """Keep a closed token about the present step."""
        self._details[self._reached[-1][0]] = detail

    def steps(self, *, ok: bool) -> tuple[Step, ...]:
        """Return all steps in their order; the last one reached succeeded if ``ok``."""
        begins = [moment for _, moment in self._reached]
        ends = [*begins[1:], time.monotonic()]
        last = len(self._reached) - 1
        walked = {
            step: Step(step, ok or at < last, round((end - begin) * 1000), self._details.get(step))
            for at, ((step, begin), end) in enumerate(zip(self._reached, ends, strict=False))
        }
        return tuple(walked.get(step, Step(step, ok=None, duration_ms=None)) for step in StepName)
