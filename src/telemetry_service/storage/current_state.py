"""Reads the one-row tables and the open period together, in one statement.

Every query about the state of telemetry needs most of them, and a page must not need a statement for each.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, LargeBinary, RowMapping, bindparam, cast, func, literal_column, select

from telemetry_service.domain.configuration import StoredConfiguration
from telemetry_service.domain.facts import StoredPosture
from telemetry_service.domain.periods import Period
from telemetry_service.domain.release import Announced
from telemetry_service.domain.transmissions import DeliveryRecord
from telemetry_service.storage.configuration import SealedApiKey, api_key_in, configuration_in
from telemetry_service.storage.installation_id import NOWHERE
from telemetry_service.storage.last_exchange import delivery_in
from telemetry_service.storage.license import posture_in
from telemetry_service.storage.periods import period_in
from telemetry_service.storage.tables import (
    AnnouncedSchema,
    ApiKeyOverlap,
    Installation,
    LastExchangeRow,
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
_PERIOD = ReportingPeriod.__table__
_CONFIGURATION = TelemetryConfiguration.__table__
_SCHEDULE = TelemetrySchedule.__table__
_TICK = TelemetryTick.__table__

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


class CurrentStateStore:
    """Only reads. To write one of the rows, use its own store."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def read(self, schema_sha256: str) -> CurrentState:
        """Return all of it, with the announcement of one schema."""
        return _state(self._connection.execute(_EVERYTHING, {"schema_sha256": schema_sha256}).mappings().one())


def _state(row: RowMapping) -> CurrentState:
    return CurrentState(
        configuration=configuration_in(row),
        api_key=api_key_in(row),
        instance_id=row[_INSTALLATION.c.instance_id],
        restored_at=row[_INSTALLATION.c.restored_at],
        next_run_at=row[_SCHEDULE.c.next_run_at],
        delivery=delivery_in(row, row["first_tick_since"]),
        announced=_announced(row),
        license=None if row[_LICENSE.c.id] is None else posture_in(row),
        period=period_in(row),
        verdict=row["verdict"],
        overlap=row["overlap"],
        installation=row["installation"] or NOWHERE,
    )


def _announced(row: RowMapping) -> Announced | None:
    schema_sha256 = row[_ANNOUNCED.c.schema_sha256]
    times = row[_ANNOUNCED.c.announced_at], row[_ANNOUNCED.c.settled_at]
    return None if schema_sha256 is None else Announced(schema_sha256, *times)
