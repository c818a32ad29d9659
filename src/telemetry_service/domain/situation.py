"""The whole state from which everything said about telemetry is derived, read in one transaction and never changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from telemetry_service.domain.obstacles import Setup, bars_attempts, bars_payloads
from telemetry_service.domain.release import AUTOMATIC, NewField, Release, ReleasePolicy
from telemetry_service.domain.source import SourceState
from telemetry_service.domain.transmissions import LastExchange
from telemetry_service.domain.verification import NOT_VERIFIED, LedgerState

NOT_CONFIGURED = frozenset(
    {
        "license_server_missing",
        "customer_id_missing",
        "api_key_missing",
        "api_key_unusable",
        "restored",
        "row_unreadable",
        "settings_changed",
        # As written by version 0.1.0.
        "not-configured",
        "key-unusable",
    }
)
"""Results of a run that made no payload because something was not configured. The run is made up for once it is."""

CONTRADICTION = "payload-contradiction"
"""Result of a run that made no payload because the numbers of its period contradict each other."""


@dataclass(frozen=True, slots=True)
class Run:
    """The latest run of the schedule that had to send; one that found telemetry off does not count."""

    due_at: datetime
    result: str
    """``prepared``, or the code of the reason why it made no payload."""
    of_open_period: bool
    """Whether its period is still the open one; then its counts were not sent."""
    accepted_since: bool
    """Whether a payload was accepted after it, by the order of events and not by a clock."""

    @property
    def missed(self) -> bool:
        """Whether to make up for it once everything is configured."""
        return self.of_open_period and self.result in NOT_CONFIGURED

    @property
    def contradicted(self) -> bool:
        """Whether the open period's numbers contradict each other, so that it cannot be sent."""
        return self.of_open_period and self.result == CONTRADICTION


@dataclass(frozen=True, slots=True)
class Waiting:
    """The transmissions that are not accepted yet."""

    planned: int = 0
    """Have a next attempt, or are being sent."""
    held: int = 0
    """On hold, without a planned attempt."""
    rejected: int = 0
    """Rejected, without a planned attempt."""
    receipt_missing: int = 0
    """Held for a valid receipt, without a planned attempt."""
    next_attempt_at: datetime | None = None
    """The earliest of the planned attempts."""
    exported: int = 0
    """In a bundle, waiting for a receipt."""
    awaiting_release: int = 0
    """Kept until they are released."""
    awaiting_since: datetime | None = None
    """When the first of these was prepared."""
    awaiting_until: datetime | None = None
    """The earliest end of a notice that releases one of them; None if only a person does."""
    here_since: datetime | None = None
    """When the oldest of those ``here`` was prepared."""
    payload_changed: int = 0
    """Those among them whose payload is not the one that was signed, so that it is not sent."""

    @property
    def total(self) -> int:
        """How many wait."""
        return self.here + self.exported + self.awaiting_release

    @property
    def here(self) -> int:
        """How many have not left, or came back refused or without a receipt; those that wait for a release aside."""
        return self.planned + self.held + self.rejected + self.receipt_missing


@dataclass(frozen=True, slots=True)
class Situation:
    """All input of the decision table."""

    now: datetime
    setup: Setup
    reportable: bool
    """False if the open period's counts are never sent."""
    exchange: LastExchange | None
    """The latest exchange with the License Server under the present key and connection."""
    last_accepted_at: datetime | None
    waiting: Waiting
    run: Run | None
    next_run_at: datetime
    """The schedule's next run, even if it cannot produce a payload."""
    send_offset: timedelta
    """How long after a run this installation sends."""
    longest_wait: timedelta
    """The longest back-off: anything planned later than this was planned by a wrong clock, and is due."""
    release: ReleasePolicy = AUTOMATIC
    """What the deployment decides about the release of payloads."""
    interval: timedelta = timedelta(days=31)
    """The longest time between two runs of the schedule."""
    new_field: NewField | None = None
    """What this version would send that was not announced long enough; None if nothing is."""
    receipt_unverified: bool = False
    """Whether the last acceptance came without a valid receipt, although a key is pinned."""

    @property
    def awaits_release_too_long(self) -> bool:
        """Whether a payload has waited for its release for longer than the schedule's interval."""
        since = self.waiting.awaiting_since
        return since is not None and self.now - since > self.interval

    @property
    def must_be_released(self) -> bool:
        """Whether a payload that is prepared now waits for its release."""
        return self.release.release is Release.MANUAL or self.new_field is not None

    source: SourceState | None = None
    """How far the Control Plane's own database was read; None if it is not."""
    ledger: LedgerState = NOT_VERIFIED
    """What the latest check of the ledger found."""

    @property
    def catches_up(self) -> bool:
        """Whether the latest run is made up for at the next waking."""
        return self.run is not None and self.run.missed and bars_payloads(self.setup) is None

    @property
    def run_sends_at(self) -> datetime:
        """When the next run sends the waiting payloads and its own: a missed run made up for, or the schedule's."""
        scheduled = self.next_run_at + self.send_offset
        if self.run is None or not self.catches_up:
            return scheduled
        return min(scheduled, max(self.now, self.run.due_at + self.send_offset))

    def next_attempt(self, planned: datetime | None) -> datetime | None:
        """Return when something planned for ``planned`` is tried; None if it is not planned or cannot be sent.

        Each run of the schedule sends waiting payloads, so they are tried no later than the next run.
        """
        if planned is None or bars_attempts(self.setup):
            return None
        if planned > self.now + self.longest_wait:
            planned = self.now
        return min(planned, self.run_sends_at)
