"""The configuration that the administrator saved, with its version."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from telemetry_service.domain.configuration import ApiKeyFact, Configuration, StoredConfiguration
from telemetry_service.storage.tables import TelemetryConfiguration as Row


@dataclass(frozen=True, slots=True)
class SealedApiKey:
    """The API key as it is stored: sealed, with what may be shown of it."""

    sealed: bytes
    fact: ApiKeyFact


class ConfigurationStore:
    """One row. Whoever saves names the version that he has seen."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def get(self, *, lock: bool = False) -> StoredConfiguration:
        """Return the configuration; ``lock`` keeps others from saving until this transaction ends."""
        query = select(Row.__table__)
        row = self._connection.execute(query.with_for_update() if lock else query).one()
        values = Configuration(
            enabled=row.enabled,
            frequency=row.frequency,
            encrypt_payload=row.encrypt_payload,
            anonymize_pii=row.anonymize_pii,
            retention_days=row.retention_days,
        )
        fact = ApiKeyFact(row.api_key_id, row.api_key_hint, row.api_key_set_at) if row.api_key_id else None
        return StoredConfiguration(values, row.version, row.updated_at, fact)

    def save(self, values: Configuration, now: datetime) -> None:
        """Replace the values (locked before) and count the version up."""
        self._write(now, **values.model_dump())

    def sealed_api_key(self) -> SealedApiKey | None:
        """Return the stored API key, still sealed."""
        row = self._connection.execute(
            select(Row.api_key_sealed, Row.api_key_id, Row.api_key_hint, Row.api_key_set_at)
        ).one()
        if row.api_key_sealed is None:
            return None
        return SealedApiKey(row.api_key_sealed, ApiKeyFact(row.api_key_id, row.api_key_hint, row.api_key_set_at))

    def set_api_key(self, key: SealedApiKey | None, now: datetime) -> None:
        """Store another API key, or none."""
        self._write(
            now,
            api_key_sealed=key.sealed if key else None,
            api_key_id=key.fact.key_id if key else None,
            api_key_hint=key.fact.hint if key else None,
            api_key_set_at=key.fact.set_at if key else None,
        )

    def _write(self, now: datetime, **columns: object) -> None:
        self._connection.execute(update(Row).values(version=Row.version + 1, updated_at=now, **columns))
