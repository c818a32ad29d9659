"""Reads the one-row tables and the open period together, in one statement.

Every query about the state of telemetry needs most of them, and a page must not need a statement for each.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    RowMapping,
    Table,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.types import NULLTYPE

from telemetry_service.domain.configuration import StoredConfiguration
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.facts import StoredPosture
from telemetry_service.domain.ledger import OF_SETTINGS
from telemetry_service.domain.periods import Period
from telemetry_service.domain.release import Announced
from telemetry_service.domain.transmissions import DeliveryRecord
from telemetry_service.storage.announced_schemas import AnnouncedSchemaStore, announced_in
from telemetry_service.storage.configuration import (
    ConfigurationStore,
    SealedApiKey,
    api_key_in,
    configuration_in,
    unreadable_configuration,
)
from telemetry_service.storage.installation import InstallationStore
from telemetry_service.storage.installation_id import INSTALLATION, NOWHERE
from telemetry_service.storage.last_exchange import LastExchangeStore, delivery_in
from telemetry_service.storage.ledger import LedgerStore
from telemetry_service.storage.ledger_verification import LedgerVerificationStore
from telemetry_service.storage.license import LicenseStore, posture_in
from telemetry_service.storage.periods import PeriodStore, period_in
from telemetry_service.storage.rows import filled
from telemetry_service.storage.schedule import ScheduleStore
from telemetry_service.storage.sealed_values import SealedValueStore
from telemetry_service.storage.stamps import ANNOUNCED, CONFIGURATION, LICENSE, Stamped, StampStore
from telemetry_service.storage.stamps import INSTALLATION as STAMPED_INSTALLATION
from telemetry_service.storage.tables import (
    AnnouncedSchema,
    ApiKeyOverlap,
    Installation,
    LastExchangeRow,
    LedgerLineRow,
    LedgerVerification,
    LicensePostureRow,
    ReportingPeriod,
    TelemetryConfiguration,
    TelemetrySchedule,
    TelemetryTick,
)

_INSTALLATION = Installation.__table__
_EXCHANGES = LastExchangeRow.__table__
_VERIFICATION = LedgerVerification.__table__
_LICENSE = LicensePostureRow.__table__
_ANNOUNCED = AnnouncedSchema.__table__
_LEDGER = LedgerLineRow.__table__
_PERIOD = ReportingPeriod.__table__
_CONFIGURATION = TelemetryConfiguration.__table__
_SCHEDULE = TelemetrySchedule.__table__
_TICK = TelemetryTick.__table__

Found = TypeVar("Found")

_ONE: ColumnElement[int] = literal_column("1")
"""The key of each one-row table. PostgreSQL expects one row by it; without it, as many as an unknown table may have, of
each table, and it compiles a plan for that product: 100 ms a time."""

_FIRST_TICK_SINCE = (
    select(func.min(_TICK.c.ran_at))
    .where(_TICK.c.sequence > func.coalesce(_EXCHANGES.c.accepted_sequence, 0))
    .correlate(_EXCHANGES)
    .scalar_subquery()
    .label("first_tick_since")
)
_VERDICT = cast(_VERIFICATION.c.sealed, LargeBinary).label("verdict")
"""Bytes, even if someone has put a text there: on SQLite, a column may hold anything."""
_SETTINGS_ENTRY = (
    select(type_coerce(_LEDGER.c.line, NULLTYPE))  # PostgreSQL makes no bytes of any text.
    .where(_LEDGER.c.kind.in_([kind.value for kind in OF_SETTINGS]))
    .order_by(_LEDGER.c.seq.desc())
    .limit(1)
    .scalar_subquery()
    .label("settings_entry")
)

_OVERLAP = cast(ApiKeyOverlap.sealed, LargeBinary).label("overlap")

_EVERYTHING = (
    select(
        _CONFIGURATION,
        _EXCHANGES,
        _SCHEDULE,
        _INSTALLATION,
        _LICENSE,
        _PERIOD,
        _ANNOUNCED,
        _FIRST_TICK_SINCE,
        _VERDICT,
        _OVERLAP,
        _INSTALLATION.c.sealed_for.label("installation"),
        _SETTINGS_ENTRY,
    )
    .select_from(
        _CONFIGURATION.join(_EXCHANGES, _EXCHANGES.c.id == _ONE)
        .join(_SCHEDULE, _SCHEDULE.c.id == _ONE)
        .join(_INSTALLATION, _INSTALLATION.c.id == _ONE)
        .join(_PERIOD, _PERIOD.c.is_open)
        .outerjoin(_LICENSE, _LICENSE.c.id == _ONE)
        .outerjoin(_ANNOUNCED, _ANNOUNCED.c.schema_sha256 == bindparam("schema_sha256"))
        .outerjoin(_VERIFICATION, _VERIFICATION.c.id == _ONE)
        .outerjoin(ApiKeyOverlap, ApiKeyOverlap.id == _ONE)
    )
    .where(_CONFIGURATION.c.id == _ONE)
)


@dataclass(frozen=True, slots=True)
class CurrentState:
    """The content of the one-row tables, and the open period."""

    configuration: StoredConfiguration
    api_key: SealedApiKey | None
    instance_id: UUID
    restored_at: datetime | None
    """When this was noticed to be a restored copy; None if that is settled."""
    next_run_at: datetime
    """The schedule's next run, whether telemetry is on or off."""
    delivery: DeliveryRecord
    license: StoredPosture | None
    """None before the first report."""
    period: Period
    """The open one."""
    announced: Announced | None
    """The schema that was asked for; None if it was not announced."""
    verdict: bytes | None
    """The sealed result of the latest check of the ledger."""
    overlap: bytes | None
    """The API key before the present one, sealed, if it is still tried."""
    installation: UUID
    """What sealed values are bound to."""
    stamped: tuple[Stamped, ...]
    """The rows among these that have stamps."""
    settings_entry: object
    """The ledger's latest entry about the settings, as its index has it; on SQLite, it may be anything."""
    unreadable: tuple[str, ...] = ()
    """The columns, with their tables, that hold what this service never writes."""

    @property
    def switch_unreadable(self) -> bool:
        """Whether it is unknown if telemetry is on."""
        return any(name.startswith(_CONFIGURATION.name) for name in self.unreadable)


class CurrentStateStore:
    """Only reads. To write one of the rows, use its own store.

    A row that cannot be read hides none of the others: it counts as one with which nothing is sent.
    """

    def __init__(self, connection: Connection, stamps: StampStore) -> None:
        """Work within the transaction of ``connection``."""
        self._connection, self._stamps = connection, stamps

    def read(self, schema_sha256: str, now: datetime) -> CurrentState:
        """Return all of it, with the announcement of one schema. ``now`` is in the place of times that are unknown.

        Raises:
            NotVerifiedYetError: someone has changed a row since this transaction has compared it with its stamp.
        """
        state = self._read(schema_sha256, now)
        found = {stamped.name: stamped for stamped in state.stamped}
        for table in (CONFIGURATION, STAMPED_INSTALLATION, LICENSE):
            self._stamps.confirm(table, found.get(table.row.value))
        return state

    def _read(self, schema_sha256: str, now: datetime) -> CurrentState:
        try:
            row = self._connection.execute(_EVERYTHING, {"schema_sha256": schema_sha256}).mappings().one_or_none()
            found = None if row is None else _state(row)
        except (RowUnreadableError, MultipleResultsFound):
            found = None
        return found or self._row_by_row(schema_sha256, now)

    def _row_by_row(self, schema_sha256: str, now: datetime) -> CurrentState:
        connection, unreadable = self._connection, list[str]()
        stamps = StampStore(connection, None, LedgerStore(connection, None))

        def read(query: Callable[[], Found], otherwise: Found) -> Found:
            try:
                return query()
            except RowUnreadableError as error:
                unreadable.append(error.column)
                return otherwise

        configuration = ConfigurationStore(connection, stamps)
        installation = InstallationStore(connection, stamps)
        values = read(configuration.get, unreadable_configuration(now))
        read(lambda: self._whole(_INSTALLATION), None)
        read(lambda: self._whole(_SCHEDULE), None)
        return CurrentState(
            configuration=values,
            api_key=read(configuration.sealed_api_key, None),
            instance_id=read(installation.instance_id, UUID(int=0)),
            restored_at=read(installation.restored_at, None),
            next_run_at=read(ScheduleStore(connection).next_run_at, now),
            delivery=read(LastExchangeStore(connection).record, DeliveryRecord(None, None, None)),
            announced=read(lambda: AnnouncedSchemaStore(connection, stamps).get(schema_sha256), None),
            license=read(LicenseStore(connection, stamps).stored, None),
            period=read(PeriodStore(connection).open, Period(0, now, reportable=False)),
            verdict=LedgerVerificationStore(connection).sealed(),
            overlap=SealedValueStore(connection).overlap(),
            installation=connection.execute(select(INSTALLATION)).scalar() or NOWHERE,
            stamped=stamps.all(),
            settings_entry=None,
            unreadable=tuple(dict.fromkeys(unreadable)),
        )

    def _whole(self, table: Table) -> None:
        """Read a row of which only some columns are used here."""
        row = self._connection.execute(select(table)).first()
        if row is None:
            raise RowUnreadableError(str(table))
        filled(row, tuple(table.columns))


def _state(row: RowMapping) -> CurrentState:
    for table in (_INSTALLATION, _SCHEDULE):
        filled([row[column] for column in table.columns], tuple(table.columns))
    return CurrentState(
        configuration=configuration_in(row),
        api_key=api_key_in(row),
        instance_id=row[_INSTALLATION.c.instance_id],
        restored_at=row[_INSTALLATION.c.restored_at],
        next_run_at=row[_SCHEDULE.c.next_run_at],
        delivery=delivery_in(row, row["first_tick_since"]),
        announced=None if row[_ANNOUNCED.c.schema_sha256] is None else announced_in(row),
        license=None if row[_LICENSE.c.id] is None else posture_in(row),
        period=period_in(row),
        verdict=row["verdict"],
        overlap=row["overlap"],
        installation=row["installation"] or NOWHERE,
        stamped=tuple(_stamped(row)),
        settings_entry=row["settings_entry"],
    )


def _stamped(row: RowMapping) -> Iterator[Stamped]:
    yield CONFIGURATION.read(row)
    yield STAMPED_INSTALLATION.read(row)
    if row[_LICENSE.c.id] is not None:
        yield LICENSE.read(row)
    if row[_ANNOUNCED.c.schema_sha256] is not None:
        yield ANNOUNCED.read(row)
