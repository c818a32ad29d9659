"""The running installation: what every stage works with. Made once, in ``app.py``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from threading import Event
from uuid import UUID

from telemetry_service.domain.clock import Clock
from telemetry_service.domain.configuration import Deployment, StoredConfiguration
from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.outcome import RetryPolicy
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.sealing.receipt import ReceiptKey
from telemetry_service.storage.database import Database


@dataclass
class SeenConnection:
    """What this process has seen of its own connection; None before it first used it."""

    connection: bytes | None = field(default=None, repr=False)


class Failpoint(StrEnum):
    """The named points of the pipeline, at each of which a crash must do no harm."""

    USAGE_WRITTEN = "usage_written"
    USAGE_COMMITTED = "usage_committed"
    TICK_OWNED = "tick_owned"
    PERIOD_CLOSED = "period_closed"
    PREPARED = "prepared"
    CLAIMED = "claimed"
    SENT = "sent"
    OUTCOME_WRITTEN = "outcome_written"
    OUTCOME_COMMITTED = "outcome_committed"
    PURGE_STEP = "purge_step"


def pass_failpoint(_milestone: Failpoint) -> None:
    """Do nothing: outside the tests no one stands at a milestone."""


@dataclass(frozen=True)
class Runtime:
    """Database, clock, deployment facts, keys and the way to the License Server."""

    database: Database
    clock: Clock
    deployment: Deployment
    keys: KeyRing
    """Protects what belongs to the License Server."""
    client: LicenseServerClient | None
    receipt_key: ReceiptKey | None
    connection: bytes = field(repr=False)
    """What identifies the deployment's connection settings; only a keyed digest of it is stored."""
    seen_connection: SeenConnection = field(default_factory=SeenConnection)
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    random: Random = field(default_factory=Random)
    stopping: Event = field(default_factory=Event)
    """Set when the process is told to stop: no further delivery and no further step of a purge is begun."""
    taken_early: dict[UUID, float] = field(default_factory=dict)
    """Transmissions whose plan a clock that was set back has made void, and when (monotonic) that was heeded last."""
    failpoint: Callable[[Failpoint], None] = pass_failpoint
    """Told of each milestone; the crash tests stop the process there."""

    def present_connection(self) -> bytes:
        """Return what identifies the connection at this moment, the content of the authorities' file included."""
        return self.connection + (self.client.authorities_digest() if self.client else b"")

    def customer_id(self, posture: LicensePosture | None) -> str | None:
        """Return the customer ID: the deployment's, else the reported one."""
        return self.deployment.customer_id or (posture.customer_id if posture else None)

    def enabled(self, configuration: StoredConfiguration) -> bool:
        """Whether telemetry is on: the administrator and the deployment must both want it."""
        return configuration.values.enabled and self.deployment.enabled
