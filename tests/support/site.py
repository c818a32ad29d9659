"""One customer's site, as a test sees it: a Control Plane with its telemetry service, a clock and a License Server.

The service is the real pipeline on a real database; the License Server speaks real TLS. A test may open several
replicas of the service, crash them and open others.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import bindparam, create_engine, text

from telemetry_service.domain.clock import Clock
from telemetry_service.domain.configuration import DEFAULT_MAX_BOUNCERS, Delivery
from telemetry_service.domain.configured import Configured
from telemetry_service.domain.errors import UsageRefusedError
from telemetry_service.domain.facts import BouncerRegistration, Environment, ExtensionCode, RecordingResult, UsageReport
from telemetry_service.domain.ledger import FIRST_PREV
from telemetry_service.domain.payload_schemas.published import PublishedSchemas
from telemetry_service.domain.release import AUTOMATIC, ReleasePolicy
from telemetry_service.license_server.endpoint import ExchangeLimits
from telemetry_service.pipeline.actions.configure import save_configuration, set_api_key
from telemetry_service.pipeline.actions.report_facts import redeem_code, register_bouncer
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.queries.configuration import ConfigurationView, read_configuration
from telemetry_service.pipeline.runtime import Failpoint, Runtime, pass_failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.record import record
from telemetry_service.pipeline.stages.tick import WakeReport, run_due_tick, wake
from telemetry_service.service import Options, make_runtime
from telemetry_service.settings import Settings
from telemetry_service.storage.database import Database
from telemetry_service.storage.types import Id16
from tests.support.actors import ADMIN, OPS
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.settings import ENCRYPTION_KEY, VERSION, settings_for
from tests.support.shared_clock import SharedClock

_SPOIL = text(
    "UPDATE evidence SET content = :payload WHERE transmission_id = :id AND sha256 ="
    " (SELECT prepared_sha256 FROM telemetry_transmission_logs l WHERE l.transmission_id = evidence.transmission_id)"
).bindparams(bindparam("id", type_=Id16()))
_FORGET = (
    "DELETE FROM telemetry_ledger",
    "DELETE FROM ledger_keys",
    "DELETE FROM announced_schemas",
    "DELETE FROM ledger_verification",
    "DELETE FROM ledger_salted_values",
    "DELETE FROM ledger_pending",
    "DELETE FROM evidence WHERE sha256 NOT IN (SELECT prepared_sha256 FROM telemetry_transmission_logs)",
    "UPDATE telemetry_configuration SET stamp = NULL",
    "UPDATE installation SET stamp = NULL",
    "UPDATE license_posture SET stamp = NULL",
    f"UPDATE ledger_head SET seq = 0, sha256 = '{FIRST_PREV}', at = NULL, key_id = NULL",  # noqa: S608 - our own
)
LIMITS = ExchangeLimits(deadline=timedelta(seconds=2))
"""Shorter than a deployment's, for the tests in which the License Server hangs."""


@dataclass(frozen=True, slots=True)
class Replica:
    """What one process of the service is made of. It can be handed to another process and opened there."""

    database_url: str
    base_url: str | None
    ca_file: Path | None
    public_key: str | None = None
    customer_id: str | None = CUSTOMER
    enabled: bool = True
    spread: timedelta = timedelta(0)
    limits: ExchangeLimits = LIMITS
    encryption_keys: tuple[bytes, ...] = (ENCRYPTION_KEY,)
    version: str = VERSION
    delivery: Delivery = Delivery.ONLINE
    head_file: Path | None = None
    release: ReleasePolicy = AUTOMATIC
    require_receipt: bool = False
    source_url: str | None = None
    max_bouncers: int = DEFAULT_MAX_BOUNCERS
    configured: Configured = field(default_factory=Configured)
    schemas: PublishedSchemas | None = None
    """Those of another version."""

    def open(self, clock: Clock, failpoint: Callable[[Failpoint], None] = pass_failpoint) -> Runtime:
        """Return an installation that is started, as the service's own start does it."""
        jitter = Random(7)  # noqa: S311
        options = Options(clock=clock, limits=self.limits, random=jitter, failpoint=failpoint, schemas=self.schemas)
        runtime = make_runtime(self.settings(), options)
        start(runtime)
        return runtime

    def settings(self) -> Settings:
        """Return the settings of its deployment."""
        return replace(
            settings_for(self.database_url, self.base_url, self.customer_id, self.encryption_keys),
            license_server_ca_file=self.ca_file,
            license_server_public_key=self.public_key,
            telemetry_enabled=self.enabled,
            send_spread=self.spread,
            deployment_version=self.version,
            delivery=self.delivery,
            ledger_head_file=self.head_file,
            release=self.release,
            require_receipt=self.require_receipt,
            source_database_url=SecretStr(self.source_url) if self.source_url else None,
            max_bouncers=self.max_bouncers,
            configured=self.configured,
        )


class Site:
    """A configured installation with everything round it. ``installation`` is its first replica."""

    def __init__(self, replica: Replica, clock: SharedClock, server: LicenseServer) -> None:
        """Start the first replica and enter the API key."""
        self.replica = replica
        self.clock = clock
        self.server = server
        self._opened: list[Runtime] = []
        self.runtime = self.open()
        set_api_key(self.runtime, API_KEY, ADMIN)

    def open(self, failpoint: Callable[[Failpoint], None] = pass_failpoint, replica: Replica | None = None) -> Runtime:
        """Open one more replica, of the same deployment or of another."""
        runtime = (replica or self.replica).open(self.clock, failpoint)
        self._opened.append(runtime)
        return runtime

    def open_without_start(self) -> Runtime:
        """Open one more replica that was started earlier: its start would wait for the present transaction."""
        opened = replace(self.runtime, database=Database(self.replica.database_url, self.runtime.signer))
        self._opened.append(opened)
        return opened

    def close(self) -> None:
        """Let go of the database."""
        for runtime in self._opened:
            runtime.close()

    def report(self, *reports: UsageReport) -> RecordingResult:
        """Report usage in one call."""
        return record_call(self.runtime, *reports)

    def register(self, bouncer_id: str, environment: Environment, pair_id: str = "pair-1") -> None:
        """Register a bouncer."""
        register_bouncer(self.runtime, bouncer_id, BouncerRegistration(environment=environment, pair_id=pair_id), OPS)

    def redeem(self, code_id: str) -> bool:
        """Redeem an extension code now."""
        return redeem_code(self.runtime, self.code(code_id), OPS)

    def code(self, code_id: str) -> ExtensionCode:
        """Return an extension code that is redeemed now."""
        return ExtensionCode(code_id=code_id, redeemed_at=self.clock.now())

    def configure(self, **changes: object) -> ConfigurationView:
        """Save the configuration with some values changed."""
        stored = read_now(self.runtime, read_configuration).stored
        values = stored.values.model_copy(update=changes)
        return save_configuration(self.runtime, values, stored.version, ADMIN)

    def next_run_at(self) -> datetime:
        """Return the moment of the next tick."""
        with self.runtime.database.read() as tx:
            return tx.schedule.next_run_at()

    def tick_only(self) -> None:
        """Let the next tick run, and send nothing yet."""
        self.clock.set(max(self.clock.now(), self.next_run_at()))
        run_due_tick(self.runtime)

    def spoil_payload(self, transmission_id: UUID, payload: bytes | None = b'{"free_text":"hello"}') -> None:
        """Write a stored payload over with one that no version of the service would send, or with any."""
        engine = create_engine(self.replica.database_url)
        with engine.begin() as connection:
            spoiled = {"payload": payload, "id": transmission_id}
            connection.execute(_SPOIL, spoiled)
        engine.dispose()

    def forget_ledger(self) -> None:
        """Leave the database as a migration leaves one of a version without a ledger."""
        engine = create_engine(self.replica.database_url)
        with engine.begin() as connection:
            for statement in _FORGET:
                connection.execute(text(statement))
        engine.dispose()
        if self.runtime.head_file is not None:
            self.runtime.head_file.unlink(missing_ok=True)
        self.runtime.written_head.head = None
        self.runtime.database.met(self.runtime.database.committed())  # As in a process that has just begun.

    def tick(self) -> WakeReport:
        """Let the next tick fall due, and wake."""
        self.clock.set(max(self.clock.now(), self.next_run_at()))
        return wake(self.runtime)


def record_call(runtime: Runtime, *reports: UsageReport) -> RecordingResult:
    """Report usage in one call; raises :class:`UsageRefusedError`."""
    (result,) = record(runtime, [reports])
    if isinstance(result, UsageRefusedError):
        raise result
    return result


def usage(
    events: int = 10,
    decisions: int = 0,
    successful: int = 0,
    *,
    bouncer: str = "bouncer-1",
    environment: Environment = Environment.PRODUCTION,
    report_id: UUID | None = None,
) -> UsageReport:
    """Return a usage report."""
    return UsageReport(
        report_id=report_id or uuid4(),
        bouncer_id=bouncer,
        environment=environment.value,
        audit_events=events,
        policy_decisions=decisions,
        successful_decisions=successful,
    )
