"""The configuration that the administrator saved, with its version."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select, update

from telemetry_service.domain.configuration import ApiKeyFact, Configuration, StoredConfiguration
from telemetry_service.storage.installation_id import INSTALLATION, NOWHERE
from telemetry_service.storage.tables import TelemetryConfiguration as Row

_TABLE = Row.__table__


@dataclass(frozen=True, slots=True)
class SealedApiKey:
    """The API key as it is stored: sealed, with what may be shown of it."""

    sealed: bytes
    fact: ApiKeyFact
    installation: UUID
    """Whose key it is."""


class ConfigurationStore:
    """One row. A save names the version that it changes."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def get(self, *, lock: bool = False) -> StoredConfiguration:
        """Return the configuration; ``lock`` keeps others from saving until this transaction ends."""
        query = select(_TABLE)
        return configuration_in(self._connection.execute(query.with_for_update() if lock else query).mappings().one())

    def save(self, values: Configuration, now: datetime) -> None:
        """Replace the values and increase the version. The row must be locked."""
        self._write(now, **values.model_dump())

    def sealed_api_key(self) -> SealedApiKey | None:
        """Return the stored API key, still sealed."""
        return api_key_in(self._connection.execute(select(_TABLE, INSTALLATION)).mappings().one())

    def set_api_key(self, key: SealedApiKey | None, now: datetime) -> None:
        """Store another API key, or remove it."""
        self._write(
            now,
            api_key_sealed=key.sealed if key else None,
            api_key_id=key.fact.key_id if key else None,
            api_key_hint=key.fact.hint if key else None,
            api_key_set_at=key.fact.set_at if key else None,
        )

    def _write(self, now: datetime, **columns: object) -> None:
        self._connection.execute(update(Row).values(version=Row.version + 1, updated_at=now, **columns))


def configuration_in(row: RowMapping) -> StoredConfiguration:
    """Return the configuration in a row of the table, alone or joined with others."""
    values = Configuration(
        enabled=row[_TABLE.c.enabled],
        frequency=row[_TABLE.c.frequency],
        encrypt_payload=row[_TABLE.c.encrypt_payload],
        anonymize_pii=row[_TABLE.c.anonymize_pii],
        retention_days=row[_TABLE.c.retention_days],
    )
    return StoredConfiguration(values, row[_TABLE.c.version], row[_TABLE.c.updated_at], _fact_in(row))


def api_key_in(row: RowMapping) -> SealedApiKey | None:
    """Return the API key in such a row, which also has the installation."""
    sealed, fact = row[_TABLE.c.api_key_sealed], _fact_in(row)
    return None if sealed is None or fact is None else SealedApiKey(sealed, fact, row["installation"] or NOWHERE)


def _fact_in(row: RowMapping) -> ApiKeyFact | None:
    key_id = row[_TABLE.c.api_key_id]
    if not key_id:
        return None
    return ApiKeyFact(key_id, row[_TABLE.c.api_key_hint], row[_TABLE.c.api_key_set_at])
