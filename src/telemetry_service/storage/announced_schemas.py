"""Which schemas of payloads were announced, and which of them may be sent without a further word."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from telemetry_service.domain.release import Announced
from telemetry_service.storage.rows import filled, readable_rows
from telemetry_service.storage.tables import AnnouncedSchema as Row
from telemetry_service.storage.upsert import insert

_COLUMNS = (Row.schema_sha256, Row.announced_at, Row.settled_at)


class AnnouncedSchemaStore:
    """A row for each schema; none is ever removed."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def get(self, schema_sha256: str) -> Announced | None:
        """Return a schema if it was announced."""
        row = self._connection.execute(select(*_COLUMNS).where(Row.schema_sha256 == schema_sha256)).one_or_none()
        return None if row is None else Announced(*filled(row, _COLUMNS))

    def all(self) -> tuple[Announced, ...]:
        """Return every schema, the one that was settled last first; those that are not settled come last."""
        query = select(*_COLUMNS).order_by(Row.settled_at.is_(None), Row.settled_at.desc(), Row.announced_at.desc())
        return tuple(Announced(*row) for row in readable_rows(self._connection.execute(query)) if row.announced_at)

    def add(self, announced: Announced) -> None:
        """Announce a schema, unless another replica has."""
        values = {name: getattr(announced, name) for name in Announced.__slots__}
        self._connection.execute(insert(self._connection, Row).values(values).on_conflict_do_nothing())

    def settle(self, schema_sha256: str, at: datetime) -> bool:
        """Let payloads of a schema leave from now on; False if they may already."""
        waits = update(Row).where(Row.schema_sha256 == schema_sha256, Row.settled_at.is_(None))
        return self._connection.execute(waits.values(settled_at=at)).rowcount == 1
