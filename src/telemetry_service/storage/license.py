"""The license posture, as it was last told, and by whom."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from telemetry_service.domain.facts import LicensePosture, LicenseSource, StoredPosture
from telemetry_service.storage.tables import LicensePostureRow as Row
from telemetry_service.storage.upsert import insert

_FIELDS = tuple(LicensePosture.model_fields)
_TABLE = Row.__table__


class LicenseStore:
    """One row. Whoever tells something changes that, and nothing else."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def tell(self, told: Mapping[str, object], unknown: LicensePosture, source: LicenseSource, now: datetime) -> None:
        """Change the members that are ``told``; where nothing was known, the others are those of ``unknown``.

        What is told a second time changes nothing, also not who told it.
        """
        before = self.stored(lock=True)
        if before is not None and before.values == before.values.model_copy(update=dict(told)):
            return
        trace = {"source": source, "updated_at": now}
        statement = insert(self._connection, Row).values(id=1, **unknown.model_dump() | dict(told) | trace)
        self._connection.execute(statement.on_conflict_do_update(index_elements=[Row.id], set_=dict(told) | trace))

    def get(self) -> LicensePosture | None:
        """Return the posture, or None before the first report."""
        stored = self.stored()
        return None if stored is None else stored.values

    def stored(self, *, lock: bool = False) -> StoredPosture | None:
        """Return the posture with who told it; ``lock`` keeps others from changing it."""
        query = select(_TABLE)
        row = self._connection.execute(query.with_for_update() if lock else query).mappings().first()
        return None if row is None else posture_in(row)


def posture_in(row: RowMapping) -> StoredPosture:
    """Return the posture that a row of the table holds, alone or joined with others."""
    posture = LicensePosture(**{name: row[_TABLE.c[name]] for name in _FIELDS})
    return StoredPosture(posture, row[_TABLE.c.source], row[_TABLE.c.updated_at])
