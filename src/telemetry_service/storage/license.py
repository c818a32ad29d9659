"""The license posture as the Control Plane last reported it."""

from sqlalchemy import Connection, select

from telemetry_service.domain.facts import LicensePosture
from telemetry_service.storage.tables import LicensePostureRow as Row
from telemetry_service.storage.upsert import insert

_FIELDS = tuple(LicensePosture.model_fields)


class LicenseStore:
    """One row, replaced as a whole."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def put(self, posture: LicensePosture) -> None:
        """Replace the posture."""
        values = posture.model_dump()
        statement = insert(self._connection, Row).values(id=1, **values)
        self._connection.execute(statement.on_conflict_do_update(index_elements=[Row.id], set_=values))

    def get(self, *, lock: bool = False) -> LicensePosture | None:
        """Return the posture, or None before the first report; ``lock`` keeps others from replacing it."""
        query = select(*(getattr(Row, name) for name in _FIELDS))
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        return None if row is None else LicensePosture(**dict(zip(_FIELDS, row, strict=True)))
