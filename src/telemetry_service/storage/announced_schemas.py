"""Which schemas of payloads were announced, and which of them may be sent without a further word."""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, select, update

from telemetry_service.domain.release import Announced
from telemetry_service.storage.installation_id import INSTALLATION
from telemetry_service.storage.rows import filled, readable_rows
from telemetry_service.storage.stamps import ANNOUNCED, Stamped, StampStore
from telemetry_service.storage.tables import AnnouncedSchema as Row
from telemetry_service.storage.upsert import insert

_TABLE = Row.__table__


class AnnouncedSchemaStore:
    """A row for each schema. Only one that someone else has changed is removed, to be announced again."""

    def __init__(self, connection: Connection, stamps: StampStore) -> None:
        """Work within the transaction of ``connection``."""
        self._connection, self._stamps = connection, stamps

    def get(self, schema_sha256: str) -> Announced | None:
        """Return a schema if it was announced."""
        query = select(_TABLE).where(Row.schema_sha256 == schema_sha256)
        row = self._connection.execute(query).mappings().one_or_none()
        return None if row is None else announced_in(row)

    def all(self) -> tuple[Announced, ...]:
        """Return every schema, the one that was settled last first; those that are not settled come last."""
        return tuple(announced for announced, _ in self.stamped())

    def stamped(self) -> tuple[tuple[Announced, Stamped], ...]:
        """Return the same, each with its stamp."""
        order = Row.settled_at.is_(None), Row.settled_at.desc(), Row.announced_at.desc()
        query = select(_TABLE, INSTALLATION).order_by(*order)
        rows = [row._mapping for row in readable_rows(self._connection.execute(query), tuple(_TABLE.columns))]  # noqa: SLF001 - its public name
        return tuple((announced_in(row), ANNOUNCED.read(row)) for row in rows)

    def add(self, announced: Announced) -> None:
        """Announce a schema, unless another replica has."""
        values = {name: getattr(announced, name) for name in Announced.__slots__}
        new = insert(self._connection, Row).values(values).on_conflict_do_nothing().returning(Row.schema_sha256)
        if self._connection.execute(new).first() is not None:
            self._stamps.changed(ANNOUNCED, announced.schema_sha256, (), values)

    def settle(self, schema_sha256: str, at: datetime) -> bool:
        """Let payloads of a schema leave from now on; False if they may already."""
        waits = update(Row).where(Row.schema_sha256 == schema_sha256, Row.settled_at.is_(None))
        before = tuple(self._stamps.rows(ANNOUNCED, schema_sha256))
        if self._connection.execute(waits.values(settled_at=at)).rowcount != 1:
            return False  # Another replica may have done it meanwhile.
        self._stamps.changed(ANNOUNCED, schema_sha256, before, {"settled_at": at})
        return True

    def remove(self, schema_sha256: str) -> None:
        """Forget that a schema was announced."""
        self._connection.execute(delete(Row).where(Row.schema_sha256 == schema_sha256))
        self._stamps.gone(ANNOUNCED, schema_sha256)


def announced_in(row: RowMapping) -> Announced:
    """Return the announcement in a row of the table, alone or joined with others."""
    columns = _TABLE.c.schema_sha256, _TABLE.c.announced_at, _TABLE.c.settled_at
    return Announced(*filled([row[column] for column in columns], columns))
