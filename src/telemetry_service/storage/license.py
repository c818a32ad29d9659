"""The license posture as last reported, and by whom."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, delete, select, update

from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.facts import LicensePosture, LicenseSource, PostureChange, StoredPosture
from telemetry_service.storage.installation_id import INSTALLATION
from telemetry_service.storage.rows import filled
from telemetry_service.storage.stamps import LICENSE, StampStore
from telemetry_service.storage.tables import LicensePostureRow as Row
from telemetry_service.storage.upsert import insert

_FIELDS = tuple(LicensePosture.model_fields)
_TABLE = Row.__table__


class LicenseStore:
    """One row. A report changes the members that it names, and nothing else."""

    def __init__(self, connection: Connection, stamps: StampStore) -> None:
        """Work within the transaction of ``connection``."""
        self._connection, self._stamps = connection, stamps

    def report(
        self,
        reported: Mapping[str, object],
        unknown: LicensePosture,
        source: LicenseSource,
        now: datetime,
        as_of: datetime | None = None,
    ) -> PostureChange | None:
        """Change the members in ``reported``. If nothing was known before, take the others from ``unknown``.

        Repeating a report changes nothing, not even its source; then this returns None. So it does for an update that
        is older than the stored one: ``as_of`` is when it was signed, and None stands for now. But if someone else has
        changed the row, it is written in any case: they could put back what it was.
        """
        before = self._before()
        if as_of is not None and self._is_older(as_of, now):
            return None
        old = unknown if before is None else before.values
        new = old.model_copy(update=dict(reported))
        if before is not None and old == new and not self._stamps.doubts(LICENSE):
            self._connection.execute(update(Row).values(as_of=as_of or now))
            return None
        trace = {"source": source, "updated_at": now, "as_of": as_of or now}
        first = unknown.model_dump() | dict(reported) | trace
        statement = insert(self._connection, Row).values(id=1, **first)
        with self._stamps.kept(LICENSE, meant=first if before is None else dict(reported) | trace):
            self._connection.execute(
                statement.on_conflict_do_update(index_elements=[Row.id], set_=dict(reported) | trace)
            )
        return PostureChange(old, new)

    def _is_older(self, as_of: datetime, now: datetime) -> bool:
        """Whether something newer is stored. A time that is still to come was a wrong clock's, and says nothing."""
        known = self._connection.execute(select(Row.as_of)).scalar_one_or_none()
        return known is not None and as_of < known <= now

    def get(self) -> LicensePosture | None:
        """Return the posture, or None before the first report."""
        stored = self.stored()
        return None if stored is None else stored.values

    def stored(self, *, lock: bool = False) -> StoredPosture | None:
        """Return the posture with its source; ``lock`` keeps others from changing it."""
        query = select(_TABLE, INSTALLATION)
        row = self._connection.execute(query.with_for_update(of=_TABLE) if lock else query).mappings().first()
        self._stamps.confirm(LICENSE, None if row is None else LICENSE.read(row))
        return None if row is None else posture_in(row)

    def _before(self) -> StoredPosture | None:
        """Return what was known, and lock it. A row that cannot be read is removed: the report replaces it."""
        try:
            return self.stored(lock=True)
        except RowUnreadableError:
            self._connection.execute(delete(Row))
            return None


def posture_of(values: Mapping[str, Any]) -> LicensePosture:
    """Return the posture with these values.

    Raises:
        RowUnreadableError: one of them is none that a posture can have.
    """
    try:
        return LicensePosture(**values)
    except ValidationError:
        raise RowUnreadableError(Row.__tablename__) from None


def posture_in(row: RowMapping) -> StoredPosture:
    """Return the posture in a row of the table, alone or joined with others."""
    columns = [_TABLE.c[name] for name in _FIELDS]
    values = filled([row[column] for column in columns], columns)
    posture = posture_of(dict(zip(_FIELDS, values, strict=True)))
    return StoredPosture(posture, row[_TABLE.c.source], row[_TABLE.c.updated_at])
