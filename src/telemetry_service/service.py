"""Assembles one process of the service. Apart from the command line, only this module reads the settings.

Anything that needs a running part of it, including tests and benchmarks, gets it here and passes the differences as
``Options``. ``app.py`` adds the web application, so that commands do not load it.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from telemetry_service import __version__
from telemetry_service.domain.actor import DEPLOYMENT
from telemetry_service.domain.clock import Clock, SystemClock
from telemetry_service.domain.configuration import Deployment
from telemetry_service.domain.errors import DatabaseMissingError, SettingsError, StorageUnavailableError
from telemetry_service.domain.outcome import RetryPolicy
from telemetry_service.domain.payload_schemas.published import PublishedSchemas, published
from telemetry_service.identity.accounts import Accounts
from telemetry_service.identity.authentication import Authentication, make_authentication
from telemetry_service.identity.password_rules import PasswordRefusedError
from telemetry_service.identity.passwords import HashCost
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from telemetry_service.log.start_warnings import StartWarning, warn_of
from telemetry_service.pipeline.actions.restored import follow_head, notice_restored
from telemetry_service.pipeline.actions.start import create_first_rows, start
from telemetry_service.pipeline.heartbeat import Heartbeat, HeartbeatLimits
from telemetry_service.pipeline.ledger_signer import LedgerSigner
from telemetry_service.pipeline.runtime import Failpoint, Runtime, pass_failpoint
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.pipeline.stages.note_counted import note_all_counted, note_counted
from telemetry_service.pipeline.stages.purge import purge_if_due
from telemetry_service.pipeline.stages.record import Recorder
from telemetry_service.pipeline.stages.source.check import refuse_wrong_views
from telemetry_service.pipeline.stages.source.reading import read_regularly
from telemetry_service.pipeline.stages.sweep import Sweeper
from telemetry_service.pipeline.stages.tick import run_due_tick
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.sealing.receipt import ReceiptKeys
from telemetry_service.settings import Settings
from telemetry_service.storage.database import Database
from telemetry_service.storage.in_use import InUse
from telemetry_service.storage.migrate import migrate, require_current

if TYPE_CHECKING:
    from telemetry_service.license_server.client import LicenseServerClient
    from telemetry_service.scheduler import Job, Scheduler
    from telemetry_service.source.database import SourceDatabase


_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Options:
    """What only tests, the demo and commands change: the clock, limits, costs and the failpoint hook."""

    clock: Clock | None = None
    limits: ExchangeLimits | None = None
    retry_policy: RetryPolicy | None = None
    schemas: PublishedSchemas | None = None
    """Those of another version."""
    hash_cost: HashCost | None = None
    random: Random | None = None
    failpoint: Callable[[Failpoint], None] = pass_failpoint
    heartbeat: HeartbeatLimits | None = None
    on_waking: Callable[[], None] | None = None
    """Called at each waking, whatever becomes of it."""
    scheduled: bool = True
    """False leaves ticks, deliveries and purges to the caller. The heartbeat still runs, so readiness means the
    same."""


@dataclass(frozen=True, slots=True)
class OpenService:
    """What a command works with; nothing runs."""

    runtime: Runtime
    authentication: Authentication


@dataclass(frozen=True, slots=True)
class Service(OpenService):
    """One process of the service, with everything that runs in it."""

    recorder: Recorder
    heartbeat: Heartbeat
    scheduler: "Scheduler"
    in_use: InUse

    def start(self) -> None:
        """Start recording and waking."""
        self.recorder.start()
        self.heartbeat.begin()
        self.scheduler.start()

    def stop(self) -> None:
        """Finish what is being sent and written, start nothing new, then close the database."""
        self.runtime.stopping.set()
        self.scheduler.stop()
        self.recorder.stop()
        self._note_counted()
        self.runtime.close()
        self.in_use.end()

    def _note_counted(self) -> None:
        """Write what was only counted so far, unless the database cannot be written: no stop fails for it."""
        with suppress(StorageUnavailableError):
            self.authentication.refusals.flush()
            note_all_counted(self.runtime)
            follow_head(self.runtime)
            self.heartbeat.end()

    def threads(self) -> dict[str, bool]:
        """Return the threads that must live as long as the process, and whether they are alive."""
        return {"recorder": self.recorder.alive, "scheduler": self.scheduler.alive}


def open_service(settings: Settings, options: Options | None = None) -> Service:
    """Migrate the database, prepare the installation and assemble the parts; nothing runs yet.

    Only for running the service; commands use ``open_for_command``.

    Raises:
        SettingsError: a file that a setting names cannot be used.
        SchemaTooNewError: the database belongs to a newer version.
        StorageUnavailableError: the database cannot be used.
    """
    migrate(settings.database_url.get_secret_value())
    service = _assemble(settings, options or Options())
    _ = service.runtime.client  # What is wrong with its files is an error of the start, and is found before the rows.
    refuse_wrong_views(service.runtime)
    start(service.runtime)
    service.authentication.sessions.end_unadmitted(DEPLOYMENT)
    if settings.admin_password is not None:
        _set_first_password(service.authentication.accounts, settings.admin_password.get_secret_value())
    return service


def _set_first_password(accounts: Accounts, password: str) -> None:
    """Set it at the first start. Later starts only warn if the setting is not the present password.

    Raises:
        SettingsError: the password is easy to guess. One that is set already is not looked at.
    """
    try:
        is_first = accounts.set_first_password(password, DEPLOYMENT)
    except PasswordRefusedError as refused:
        raise SettingsError((f"TELEMETRY_ADMIN_PASSWORD was refused. {refused.text}",)) from None
    if not is_first and not accounts.has_password(password):
        warn_of(StartWarning.PASSWORD_IGNORED)


def open_for_command(settings: Settings) -> OpenService:
    """Assemble the parts on a database that is ready. Nothing is created, migrated, recorded or run.

    Raises:
        SettingsError: a file that a setting names cannot be used.
        DatabaseMissingError: there is no database, or it is empty.
        SchemaBehindError: the database was created by an older version.
        SchemaTooNewError: the database belongs to a newer version.
        StorageUnavailableError: the database cannot be used.
    """
    require_current(settings.database_url.get_secret_value())
    service = _open(settings, Options())
    with service.runtime.database.read() as tx:
        exists = tx.installation.exists()
    if not exists:
        service.runtime.database.close()
        raise DatabaseMissingError
    return service


def set_up(settings: Settings) -> str:
    """Migrate the database, create the first rows, and return the revision; for the errors see ``migrate``."""
    revision = migrate(settings.database_url.get_secret_value())
    runtime = make_runtime(settings, Options())
    try:
        create_first_rows(runtime)
        notice_restored(runtime)  # Before any command sends from a backup that had an older schema.
    finally:
        runtime.database.close()
    return revision


def make_runtime(settings: Settings, options: Options) -> Runtime:
    """Return what every stage works with, on a database that is ready; nothing is read yet.

    Raises:
        SettingsError: a file that a setting names cannot be used.
    """
    keys = KeyRing(tuple(key.get_secret_value() for key in settings.encryption_keys))
    signer = LedgerSigner(keys)
    pinned = settings.license_server_public_key
    return Runtime(
        database=Database(settings.database_url.get_secret_value(), signer),
        clock=options.clock or SystemClock(),
        deployment=Deployment(
            license_server_configured=settings.license_server_url is not None,
            customer_id=settings.customer_id,
            version=settings.deployment_version,
            enabled=settings.telemetry_enabled,
            send_spread=settings.send_spread,
            max_bouncers=settings.max_bouncers,
            extension_code_pattern=settings.extension_code_pattern,
            proxy=settings.proxy_url is not None,
            trusted_proxies=settings.trusted_proxies,
            bootstrap_token=settings.bootstrap_token is not None,
            public_url=settings.public_url,
            console_url=settings.console_url,
            frame_ancestors=settings.frame_ancestors,
            hsts_subdomains=settings.hsts_subdomains,
            release=settings.release,
            require_receipt=settings.require_receipt,
            ledger_fingerprint=settings.ledger_fingerprint,
            ledger_retention=settings.ledger_retention,
            demo_mode=settings.demo_mode,
            ephemeral_keys=settings.ephemeral_keys,
            delivery=settings.delivery,
            doors=settings.doors,
            source_database=settings.source_database_url is not None,
            locked_settings=settings.configured.locked,
        ),
        keys=keys,
        signer=signer,
        make_client=partial(_client, settings, options),
        make_source=partial(_source, settings),
        head_file=head_file_of(settings),
        receipt_keys=ReceiptKeys.parse(pinned) if pinned else None,
        connection=_connection(settings),
        configured=settings.configured,
        schemas=options.schemas or published(),
        retry_policy=options.retry_policy or RetryPolicy(),
        random=options.random or Random(),  # noqa: S311 - jitter
        failpoint=options.failpoint,
    )


def head_file_of(settings: Settings) -> Path | None:
    """Return the file for the head of the ledger: by default beside a SQLite database, for PostgreSQL none."""
    database_url = settings.database_url.get_secret_value()
    path = database_url.removeprefix(_SQLITE)
    return settings.ledger_head_file or (Path(f"{path}.ledger-head") if path != database_url else None)


def _jobs(opened: OpenService, heartbeat: Heartbeat, options: Options) -> tuple["Job", ...]:
    """Return the regular jobs. Nothing that waits for a network or takes long is part of the waking.

    So a License Server that hangs delays neither the heartbeat nor the tick.
    """
    from telemetry_service.scheduler import PURGE_CHECK_SECONDS, WAKE_EVERY_SECONDS, Job

    runtime, scheduled = opened.runtime, options.scheduled

    def waking() -> None:
        if options.on_waking is not None:
            options.on_waking()
        heartbeat.beat_if_due()
        if scheduled:
            run_due_tick(runtime)
            opened.authentication.refusals.flush()
            opened.authentication.throttle.prune()
            note_counted(runtime)

    wake = Job("waking", waking, min(WAKE_EVERY_SECONDS, heartbeat.every))
    if not scheduled:
        return (wake,)
    # On its own: nothing that fails in a waking keeps it from noticing that entries are missing.
    head = Job("head", lambda: follow_head(runtime), WAKE_EVERY_SECONDS)
    delivery = Job("delivery", lambda: deliver_due(runtime), WAKE_EVERY_SECONDS)
    purge = Job("purge", lambda: purge_if_due(runtime), PURGE_CHECK_SECONDS)
    sweeps = Job("sweep", Sweeper(runtime).run, WAKE_EVERY_SECONDS)
    jobs = wake, head, delivery, purge, sweeps
    if not runtime.deployment.source_database:
        return jobs
    return *jobs, Job("source", lambda: read_regularly(runtime), WAKE_EVERY_SECONDS)


def _open(settings: Settings, options: Options) -> OpenService:
    runtime = make_runtime(settings, options)
    credentials = KeyRing(tuple(key.get_secret_value() for key in settings.credential_encryption_keys))
    authentication = make_authentication(
        runtime.database,
        runtime.clock,
        credentials,
        options.hash_cost,
        doors=settings.doors,
        public_url=str(settings.public_url) if settings.public_url else None,
        bootstrap_token=settings.bootstrap_token.get_secret_value() if settings.bootstrap_token else None,
    )
    return OpenService(runtime, authentication)


def _assemble(settings: Settings, options: Options) -> Service:
    from telemetry_service.scheduler import Scheduler

    opened = _open(settings, options)
    heartbeat = Heartbeat(opened.runtime, options.heartbeat)
    scheduler = Scheduler(_jobs(opened, heartbeat, options))
    in_use = InUse(settings.database_url.get_secret_value())
    return Service(opened.runtime, opened.authentication, Recorder(opened.runtime), heartbeat, scheduler, in_use)


def _client(settings: Settings, options: Options) -> "LicenseServerClient":
    """Return the client of the configured License Server."""
    from telemetry_service.license_server.client import LicenseServerClient

    assert settings.license_server_url is not None  # noqa: S101 - Runtime.client asks for nothing else
    endpoint = Endpoint(
        base_url=settings.license_server_url.get_secret_value(),
        ca_file=settings.license_server_ca_file,
        proxy_url=settings.proxy_url.get_secret_value() if settings.proxy_url else None,
        user_agent=f"control-core-telemetry/{__version__}",
    )
    return LicenseServerClient(endpoint, options.limits or ExchangeLimits())


def _source(settings: Settings) -> "SourceDatabase | None":
    """Return the reader of the Control Plane's own database, if the deployment names it."""
    if settings.source_database_url is None:
        return None
    from telemetry_service.source.database import SourceDatabase

    return SourceDatabase(settings.source_database_url.get_secret_value())


def _connection(settings: Settings) -> bytes:
    """Return what identifies the connection, except the content of the CA file, which may change."""
    digest = hashlib.sha256()
    secrets = (settings.license_server_url, settings.proxy_url)
    for part in (*(s.get_secret_value() if s else "" for s in secrets), settings.license_server_public_key or ""):
        digest.update(part.encode() + b"\0")
    return digest.digest()
