"""The whole state that every word about telemetry is chosen from, read in one transaction and never changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from telemetry_service.domain.obstacles import Setup, bars_attempts, bars_payloads
from telemetry_service.domain.transmissions import LastExchange

CONFIGURATION_FAULTS = frozenset(
    {
        "license_server_missing",
        "customer_id_missing",
        "api_key_missing",
        "api_key_unusable",
        # As version 0.1.0 wrote them.
        "not-configured",
        "key-unusable",
    }
)
"""Results of a run that made no payload because something was not configured. It is made up for once it is."""

CONTRADICTION = "payload-contradiction"
"""Result of a run that made no payload because the numbers of its period contradict each other."""


@dataclass(frozen=True, slots=True)
class Run:
    """The latest run of the schedule that was to send: one that found telemetry off is none."""

    due_at: datetime
    result: str
    """``prepared``, or the code of what kept it from making a payload."""
    of_open_period: bool
    """Whether the period that it looked at is still the open one: then its counts have not left."""
    answered: bool
    """Whether a payload was accepted since, by the order of events and not by a clock."""

    @property
    def missed(self) -> bool:
        """Whether it is to be made up for once everything is configured."""
        return self.of_open_period and self.result in CONFIGURATION_FAULTS

    @property
    def contradicted(self) -> bool:
        """Whether the open period cannot be sent as it stands."""
        return self.of_open_period and self.result == CONTRADICTION


@dataclass(frozen=True, slots=True)
class Waiting:
    """The transmissions that are not accepted yet."""

    planned: int = 0
    """Have a next attempt, or are being sent."""
    held: int = 0
    """On hold, without a next attempt of their own."""
    rejected: int = 0
    """Rejected, without a next attempt of their own."""
    next_attempt_at: datetime | None = None
    """The earliest of the planned attempts."""

    @property
    def total(self) -> int:
        """How many wait."""
        return self.planned + self.held + self.rejected


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the decision table looks at."""

    now: datetime
    setup: Setup
    reportable: bool
    """False where the open period's counts never leave."""
    exchange: LastExchange | None
    """The latest exchange with the License Server under the present key and connection."""
    last_accepted_at: datetime | None
    waiting: Waiting
    run: Run | None
    next_run_at: datetime
    """The schedule's next run, whatever it can make."""
    send_offset: timedelta
    """How long after a run this installation sends."""
    longest_wait: timedelta
    """The longest back-off: what is planned later than this was planned by a clock that was wrong, and is due."""

    @property
    def catches_up(self) -> bool:
        """Whether the latest run is made up for at the next waking."""
        return self.run is not None and self.run.missed and bars_payloads(self.setup) is None

    @property
    def run_sends_at(self) -> datetime:
        """When the next run sends what waits and what it makes: a missed one that is made up for, or the schedule's."""
        scheduled = self.next_run_at + self.send_offset
        if self.run is None or not self.catches_up:
            return scheduled
        return min(scheduled, max(self.now, self.run.due_at + self.send_offset))

    def next_attempt(self, planned: datetime | None) -> datetime | None:
        """Return when something planned for ``planned`` is tried; None where it is not planned, or cannot be sent.

        Each run of the schedule sends what waits, so that it is never tried later than with the next one.
        """
        if planned is None or bars_attempts(self.setup):
            return None
        if planned > self.now + self.longest_wait:
            planned = self.now
        return min(planned, self.run_sends_at)
