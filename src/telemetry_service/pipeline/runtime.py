"""The runtime: what every stage works with. ``service.py`` makes it once."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from random import Random
from threading import Event, Lock
from typing import TYPE_CHECKING
from uuid import UUID

from telemetry_service.domain.clock import Clock
from telemetry_service.domain.configuration import Deployment, StoredConfiguration
from telemetry_service.domain.configured import Configured
from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.outcome import RetryPolicy
from telemetry_service.domain.payload_schemas.published import PublishedSchemas, published
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.ledger_signer import LedgerSigner
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.sealing.receipt import ReceiptKeys
from telemetry_service.storage.database import Database, Transaction
from telemetry_service.storage.ledger import Head
from telemetry_service.storage.stamps import SaidNumber

if TYPE_CHECKING:
    from telemetry_service.license_server.client import LicenseServerClient
    from telemetry_service.pipeline.stages.sweep import Round
    from telemetry_service.source.database import SourceDatabase


@dataclass
class SeenConnection:
    """The connection as this process last saw it; None before it first used it."""

    connection: bytes | None = field(default=None, repr=False)


@dataclass
class WrittenHead:
    """The head that this process last wrote into the file beside the database; None before it did."""

    head: Head | None = None


@dataclass
class Swept:
    """What this process knows of the verification of the ledger, whatever someone writes into the database."""

    verdict: Verification | None = None
    """The newest verdict that it has read or written."""
    missing: frozenset[str] = frozenset()
    """Entries (``SEQ:DIGEST``) that it has missed, and for which no person has said what was sent since."""
    round: "Round | None" = None
    """The verification of everything that it does little by little."""
    fails: bool = False
    """Whether its last verification met an error that does not pass, so that it may have missed something."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What the lines of the ledger from ``start`` to ``head`` say of the stamps that were written last."""

    start: Head
    head: Head
    keys: frozenset[tuple[str, bytes]] | None = None
    """Those that the lines were read with; None before any was read."""
    said: tuple[SaidNumber, ...] = ()


@dataclass
class FollowedLedger:
    """How far this process has followed the ledger behind the verdict; None before it first did."""

    latest: Followed | None = None


@dataclass
class SourceReading:
    """How this process reads the source: one thread at a time."""

    turn: Lock = field(default_factory=Lock)
    share: int = 1
    """A step reads this part of its rows; more than 1 after a timeout."""
    counted: bool = False
    """Whether rows were counted since a look was last noted."""
    facts_at: float = -math.inf
    """When bouncers and codes were last read (monotonic, in seconds)."""


class Failpoint(StrEnum):
    """The points of the pipeline at which the crash tests stop the process; a crash there must do no harm."""

    USAGE_WRITTEN = "usage_written"
    USAGE_COMMITTED = "usage_committed"
    TICK_OWNED = "tick_owned"
    PERIOD_CLOSED = "period_closed"
    PREPARED = "prepared"
    PREPARED_COMMITTED = "prepared_committed"
    CLAIMED = "claimed"
    SENT = "sent"
    OUTCOME_WRITTEN = "outcome_written"
    OUTCOME_COMMITTED = "outcome_committed"
    PURGE_STEP = "purge_step"
    KEYS_ROTATED = "keys_rotated"
    SOURCE_READ = "source_read"
    SOURCE_COUNTED = "source_counted"
    SOURCE_COMMITTED = "source_committed"


def pass_failpoint(_failpoint: Failpoint) -> None:
    """Do nothing: failpoints are only used in tests."""


@dataclass(frozen=True)
class Runtime:
    """Database, clock, deployment facts, keys and the client of the License Server."""

    database: Database
    clock: Clock
    deployment: Deployment
    keys: KeyRing
    """Protects secrets for the License Server."""
    signer: LedgerSigner
    """Signs the ledger. Its keys are sealed with the same ``keys``."""
    make_client: Callable[[], "LicenseServerClient"]
    """Only for ``client``."""
    make_source: "Callable[[], SourceDatabase | None]"
    """Only for ``source``."""
    receipt_keys: ReceiptKeys | None
    """The License Server's public keys that the deployment pins."""
    connection: bytes = field(repr=False)
    """Identifies the deployment's connection settings; only a keyed digest of it is stored."""
    configured: Configured = field(default_factory=Configured)
    """What the deployment sets in the place of an administrator, as of the start."""
    seen_connection: SeenConnection = field(default_factory=SeenConnection)
    schemas: PublishedSchemas = field(default_factory=published, repr=False)
    """The schemas that payloads are prepared, checked and read by."""
    head_file: Path | None = None
    """Holds the head of the ledger, so that a restored database is noticed; None if there is none."""
    written_head: WrittenHead = field(default_factory=WrittenHead)
    swept: Swept = field(default_factory=Swept)
    followed: FollowedLedger = field(default_factory=FollowedLedger)
    source_reading: SourceReading = field(default_factory=SourceReading)
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    random: Random = field(default_factory=Random)
    stopping: Event = field(default_factory=Event)
    """Set when the process is asked to stop: no further delivery and no further step of a purge begins."""
    attempted_early: dict[UUID, float] = field(default_factory=dict)
    """Transmissions that are due only because the clock was set back, and when (monotonic, in seconds) this process
    last attempted them."""
    failpoint: Callable[[Failpoint], None] = pass_failpoint
    """Called at each failpoint; the crash tests stop the process there."""

    @cached_property
    def client(self) -> "LicenseServerClient | None":
        """The client of the License Server, if one is configured and payloads are sent online.

        It is made when it is first needed: most commands never load the HTTP libraries.

        Raises:
            SettingsError: the CA file cannot be read, or a URL is invalid.
        """
        return self.make_client() if self.deployment.online else None

    @cached_property
    def source(self) -> "SourceDatabase | None":
        """The Control Plane's own database, if the deployment names one; it is opened when it is first read."""
        return self.make_source()

    def close(self) -> None:
        """Close the database, and the source if it was opened."""
        opened: SourceDatabase | None = vars(self).get("source")
        if opened is not None:
            opened.close()
        self.database.close()

    def present_connection(self) -> bytes:
        """Return what identifies the present connection, including the content of the CA file."""
        return self.connection + (self.client.authorities_digest() if self.client else b"")

    def ledger_keys(self, tx: Transaction) -> dict[str, bytes]:
        """Return the raw public keys by their IDs that lines of this ledger are verified with."""
        return self.signer.public_keys(tx.ledger.keys())

    def customer_id(self, posture: LicensePosture | None) -> str | None:
        """Return the customer ID: the deployment's, else the reported one."""
        return self.deployment.customer_id or (posture.customer_id if posture else None)

    def enabled(self, configuration: StoredConfiguration) -> bool:
        """Whether telemetry is on: the administrator and the deployment must both allow it."""
        return configuration.values.enabled and self.deployment.enabled
