"""The license posture as the Control Plane last reported it."""

from sqlalchemy import Connection, delete, insert, select

from telemetry_service.domain.facts import LicensePosture
from telemetry_service.storage.tables import LicensePostureRow as Row

_FIELDS = tuple(LicensePosture.model_fields)


class LicenseStore:
    """One row, replaced as a whole."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def put(self, posture: LicensePosture) -> None:
        """Replace the posture."""
        self._connection.execute(delete(Row))
        self._connection.execute(insert(Row).values(id=1, **posture.model_dump()))

    def get(self) -> LicensePosture | None:
        """Return the posture, or None before the first report."""
        row = self._connection.execute(select(*(getattr(Row, name) for name in _FIELDS))).first()
        return None if row is None else LicensePosture(**dict(zip(_FIELDS, row, strict=True)))
