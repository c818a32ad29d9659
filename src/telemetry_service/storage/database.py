"""The database and its transactions: one request or job step is one transaction, committed at its end."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from telemetry_service.domain.errors import (
    LedgerBusyError,
    RowNumbersUsedUpError,
    StorageBusyError,
    StorageFullError,
    TelemetryError,
)
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.storage.announced_schemas import AnnouncedSchemaStore
from telemetry_service.storage.attempt_counts import AttemptCountStore
from telemetry_service.storage.availability_log import AvailabilityLog
from telemetry_service.storage.bouncers import BouncerStore
from telemetry_service.storage.configuration import ConfigurationStore
from telemetry_service.storage.current_state import CurrentStateStore
from telemetry_service.storage.deadline import ORDINARY, Deadline, one_call, transaction_deadline
from telemetry_service.storage.driver_errors import connected, translated
from telemetry_service.storage.engine import make_engine
from telemetry_service.storage.erasure import ErasureStore
from telemetry_service.storage.evidence import EvidenceStore
from telemetry_service.storage.extension_codes import ExtensionCodeStore
from telemetry_service.storage.growth import GrowthStore
from telemetry_service.storage.heartbeats import HeartbeatStore
from telemetry_service.storage.identity import IdentityStore
from telemetry_service.storage.installation import InstallationStore
from telemetry_service.storage.last_exchange import LastExchangeStore
from telemetry_service.storage.ledger import Head, LedgerStore, Signer
from telemetry_service.storage.ledger_retention import LedgerRetentionStore
from telemetry_service.storage.ledger_sweep import LedgerSweepStore
from telemetry_service.storage.ledger_verification import LedgerVerificationStore
from telemetry_service.storage.legacy import LegacyStore
from telemetry_service.storage.license import LicenseStore
from telemetry_service.storage.pages import pages_verified
from telemetry_service.storage.periods import PeriodStore
from telemetry_service.storage.retention import RetentionStore
from telemetry_service.storage.schedule import ScheduleStore
from telemetry_service.storage.sealed_values import SealedValueStore
from telemetry_service.storage.source import SourceStore
from telemetry_service.storage.source_bouncers import SourceBouncerStore
from telemetry_service.storage.space import SpaceStore, check_space, free_bytes, numbers_used_up
from telemetry_service.storage.sqlite import READ_ONLY
from telemetry_service.storage.stamps import Stamper, StampStore
from telemetry_service.storage.transmissions import TransmissionStore
from telemetry_service.storage.usage import UsageStore
from telemetry_service.storage.usage_bounds import UsageBoundStore
from telemetry_service.storage.version_table import SELECT_REVISION

T = TypeVar("T")

HEAD_PATIENCE = 45
"""Seconds; a stopped session is ended after 30."""

_MOST_COMMITTED = 10_000
"""Lines that are remembered; they are looked for every few seconds."""

_PAUSE_SECONDS = 0.2
"""Between two tries, so that a process that waits for the other locks of a transaction gets them in turn."""


class Keys(Signer, Stamper, Protocol):
    """Signs the entries of the ledger, and stamps rows."""


class _RollbackError(Exception):
    """Rolls back a transaction that was only a trial."""


class Transaction:
    """One transaction, with a store for each aggregate. It ends with the block that opened it."""

    def __init__(self, connection: Connection, signer: Keys | None = None) -> None:
        """Work on a connection that has begun a transaction; ``signer`` signs what it writes into the ledger."""
        self.kind = connection.dialect.name
        self.ledger = LedgerStore(connection, signer)
        self.stamps = StampStore(connection, signer, self.ledger)
        self.announced_schemas = AnnouncedSchemaStore(connection, self.stamps)
        self.attempt_counts = AttemptCountStore(connection)
        self.identity = IdentityStore(connection)
        self.bouncers = BouncerStore(connection)
        self.configuration = ConfigurationStore(connection, self.stamps)
        self.current_state = CurrentStateStore(connection, self.stamps)
        self.erasure = ErasureStore(connection)
        self.evidence = EvidenceStore(connection)
        self.exchanges = LastExchangeStore(connection)
        self.extension_codes = ExtensionCodeStore(connection)
        self.growth = GrowthStore(connection)
        self.heartbeats = HeartbeatStore(connection)
        self.installation = InstallationStore(connection, self.stamps)
        self.ledger_retention = LedgerRetentionStore(connection, signer)
        self.legacy = LegacyStore(connection)
        self.license = LicenseStore(connection, self.stamps)
        self.periods = PeriodStore(connection)
        self.retention = RetentionStore(connection)
        self.schedule = ScheduleStore(connection)
        self.sealed_values = SealedValueStore(connection)
        self.source = SourceStore(connection)
        self.source_bouncers = SourceBouncerStore(connection)
        self.space = SpaceStore(connection)
        self.sweep = LedgerSweepStore(connection)
        self.transmissions = TransmissionStore(connection)
        self.usage = UsageStore(connection)
        self.usage_bounds = UsageBoundStore(connection)
        self.verification = LedgerVerificationStore(connection)


class Database:
    """The service's database. It raises only our own errors."""

    def __init__(self, database_url: str, signer: Keys | None = None) -> None:
        """Prepare an engine for ``database_url``; nothing is connected yet. Without ``signer``, no act is recorded."""
        self._signer = signer
        self._engine = make_engine(database_url)
        self._embedded = self._engine.dialect.name == "sqlite"
        self._reading: dict[str, Any] = {READ_ONLY: True} if self._embedded else {"isolation_level": "REPEATABLE READ"}
        # SQLite has one writer at a time. Threads of this process queue here instead of polling the file's lock.
        self._writer = Lock()
        self._watch = AvailabilityLog()
        self._committed: deque[Head] = deque(maxlen=_MOST_COMMITTED)

    @property
    def kind(self) -> str:
        """The kind of database: ``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a transaction that writes; it is on disk when the block ends without an error.

        Like every other transaction, it fails with our own error if it exceeds its deadline.
        """
        with (
            self._watch.watching(writing=True),
            self._full_exactly(),
            translated(),
            transaction_deadline() as deadline,
            self._one_writer(deadline),
            self._begun(deadline, {}) as connection,
        ):
            tx = Transaction(connection, self._signer)
            yield tx
            tx.ledger.flush()
        self._committed.extend(tx.ledger.written)
        for head in tx.ledger.written:
            log_event(Event.LEDGER_WRITTEN, seq=head.seq, head=head.sha256)

    def write_again(self, work: Callable[[Transaction], T], patience: float = HEAD_PATIENCE) -> T:
        """Do ``work`` in a transaction that writes, all of it again while only the ledger's head is held by another.

        For what no caller repeats, such as the outcome of an attempt. After ``patience``, in seconds, a process that
        stopped while it held the head has lost it: PostgreSQL ends its session.

        Raises:
            LedgerBusyError: the head is still held; nothing was written.
        """
        try:
            return self._do(work)
        except LedgerBusyError:
            until = time.monotonic() + patience
        with one_call(patience):  # What is left of the call's time may be too little.
            while True:
                time.sleep(_PAUSE_SECONDS)
                try:
                    return self._do(work)
                except LedgerBusyError:
                    if time.monotonic() >= until:
                        raise

    def _do(self, work: Callable[[Transaction], T]) -> T:
        with self.write() as tx:
            return work(tx)  # Committed before it returns.

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a read-only transaction, which sees the database at one moment."""
        with (
            self._watch.watching(writing=False),
            translated(),
            transaction_deadline() as deadline,
            self._begun(deadline, self._reading) as connection,
        ):
            yield Transaction(connection)

    def committed(self) -> tuple[Head, ...]:
        """Return the lines that this process has written, and that were not met again yet."""
        return tuple(self._committed)

    def met(self, heads: Iterable[Head]) -> None:
        """Forget lines: they were found again, or missed."""
        for head in heads:
            with suppress(ValueError):
                self._committed.remove(head)

    def check(self) -> None:
        """Check that the schema is present and the disk has room.

        Raises:
            StorageUnavailableError: the database cannot be read.
        """
        with translated(), transaction_deadline() as deadline, self._begun(deadline, self._reading) as connection:
            connection.execute(SELECT_REVISION)
        if self._embedded and self._engine.url.database:
            check_space(Path(self._engine.url.database))

    def check_pages(self) -> bool | None:
        """Look at every page of a SQLite database; None if nothing would notice a damaged page of a server.

        Raises:
            StorageDamagedError: the pages contradict each other.
            StorageUnavailableError: the database cannot be read.
        """
        with translated(), transaction_deadline() as deadline, self._begun(deadline, self._reading) as connection:
            return pages_verified(connection)

    def failures(self) -> dict[str, int]:
        """Return how many transactions of this process failed so far, by error code."""
        return self._watch.failures()

    def free_bytes(self) -> int | None:
        """Return the free bytes of the disk that holds the embedded database; None if that is not known."""
        return free_bytes(Path(self._engine.url.database)) if self._embedded and self._engine.url.database else None

    def try_writing(self) -> None:
        """Write something and roll it back.

        Raises:
            StorageUnavailableError: nothing can be written.
        """
        with suppress(_RollbackError), self.write() as tx:
            tx.installation.rewrite()
            raise _RollbackError

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _begun(self, deadline: Deadline, options: dict[str, Any]) -> Iterator[Connection]:
        with ExitStack() as open_things:
            with deadline.applied():
                connection = open_things.enter_context(connected(self._engine))
                connection.execution_options(**options)
                open_things.enter_context(connection.begin())
            yield connection

    @contextmanager
    def _full_exactly(self) -> Iterator[None]:
        """Say it if not the disk is full, but the numbers of rows are used up: SQLite has one code for both."""
        try:
            yield
        except StorageFullError:
            if self._embedded and self._numbers_are_used_up():
                raise RowNumbersUsedUpError from None
            raise

    def _numbers_are_used_up(self) -> bool:
        with (
            suppress(TelemetryError),
            translated(),
            transaction_deadline() as deadline,
            self._begun(deadline, self._reading) as connection,
        ):
            return numbers_used_up(connection)
        return False

    @contextmanager
    def _one_writer(self, deadline: Deadline) -> Iterator[None]:
        if not self._embedded:
            yield
            return
        if not self._writer.acquire(timeout=min(ORDINARY.lock, deadline.seconds_left)):
            raise StorageBusyError
        try:
            yield
        finally:
            self._writer.release()
