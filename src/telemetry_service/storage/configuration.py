"""The configuration that the administrator saved, with its version."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, Select, delete, insert, select, update

from telemetry_service.domain.configuration import ApiKeyFact, Configuration, Retention, StoredConfiguration
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.schedule import Frequency
from telemetry_service.storage.installation_id import INSTALLATION, NOWHERE
from telemetry_service.storage.rows import filled
from telemetry_service.storage.stamps import CONFIGURATION, StampStore
from telemetry_service.storage.tables import TelemetryConfiguration as Row

_TABLE = Row.__table__
_ROW = select(_TABLE, INSTALLATION)


@dataclass(frozen=True, slots=True)
class SealedApiKey:
    """The API key as it is stored: sealed, with what may be shown of it."""

    sealed: bytes
    fact: ApiKeyFact
    installation: UUID
    """Whose key it is."""


class ConfigurationStore:
    """One row. A save names the version that it changes."""

    def __init__(self, connection: Connection, stamps: StampStore) -> None:
        """Work within the transaction of ``connection``."""
        self._connection, self._stamps = connection, stamps

    def get(self, *, lock: bool = False) -> StoredConfiguration:
        """Return the configuration; ``lock`` keeps others from saving until this transaction ends."""
        return configuration_in(self._row(_ROW.with_for_update(of=_TABLE) if lock else _ROW))

    def save(self, values: Configuration, now: datetime) -> None:
        """Replace the values and increase the version. The row must be locked."""
        self._write(now, **values.model_dump())

    def sealed_api_key(self) -> SealedApiKey | None:
        """Return the stored API key, still sealed."""
        return api_key_in(self._row(_ROW))

    def start_over(self, now: datetime) -> StoredConfiguration:
        """Put a row in the place of one that cannot be read, so that a save can replace it: off, and without a key."""
        self._connection.execute(delete(Row))
        stored = unreadable_configuration(now)
        values = {"id": 1, "version": stored.version, "updated_at": now, **stored.values.model_dump()}
        self._connection.execute(insert(Row).values(values))
        return stored

    def set_api_key(self, key: SealedApiKey | None, now: datetime) -> None:
        """Store another API key, or remove it."""
        self._write(
            now,
            api_key_sealed=key.sealed if key else None,
            api_key_id=key.fact.key_id if key else None,
            api_key_hint=key.fact.hint if key else None,
            api_key_set_at=key.fact.set_at if key else None,
        )

    def _row(self, query: Select[Any]) -> RowMapping:
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise RowUnreadableError(str(_TABLE))
        self._stamps.confirm(CONFIGURATION, CONFIGURATION.read(row))
        return row

    def _write(self, now: datetime, **columns: object) -> None:
        version = self._connection.execute(select(Row.version)).scalar_one() + 1  # The row is locked.
        written = {"version": version, "updated_at": now, **columns}
        with self._stamps.kept(CONFIGURATION, meant=written):
            self._connection.execute(update(Row).values(written))


def configuration_in(row: RowMapping) -> StoredConfiguration:
    """Return the configuration in a row of the table, alone or joined with others.

    Raises:
        RowUnreadableError: it has values that no save writes.
    """
    columns = [column for column in _TABLE.columns if not column.nullable]
    filled([row[column] for column in columns], columns)
    try:
        values = Configuration(**{name: row[_TABLE.c[name]] for name in Configuration.model_fields})
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise RowUnreadableError(str(_TABLE.c[name])) from None
    return StoredConfiguration(values, row[_TABLE.c.version], row[_TABLE.c.updated_at], _fact_in(row))


def unreadable_configuration(now: datetime) -> StoredConfiguration:
    """Return what counts while the row cannot be read: telemetry is off, and there is no key."""
    values = Configuration(
        enabled=False,
        frequency=Frequency.TWICE_MONTHLY,
        encrypt_payload=True,
        anonymize_pii=True,
        retention_days=Retention.DEFAULT.value,
    )
    return StoredConfiguration(values, 0, now, None)


def api_key_in(row: RowMapping) -> SealedApiKey | None:
    """Return the API key in such a row, which also has the installation."""
    sealed, fact = row[_TABLE.c.api_key_sealed], _fact_in(row)
    return None if sealed is None or fact is None else SealedApiKey(sealed, fact, row["installation"] or NOWHERE)


def _fact_in(row: RowMapping) -> ApiKeyFact | None:
    key_id = row[_TABLE.c.api_key_id]
    if not key_id:
        return None
    hint, set_at = row[_TABLE.c.api_key_hint], row[_TABLE.c.api_key_set_at]
    if hint is None or set_at is None:
        raise RowUnreadableError(str(_TABLE.c.api_key_hint if hint is None else _TABLE.c.api_key_set_at))
    return ApiKeyFact(key_id, hint, set_at)
