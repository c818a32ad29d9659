"""The registry of bouncers."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from telemetry_service.domain.facts import BouncerRegistration, RegisteredBouncer
from telemetry_service.storage.tables import Bouncer
from telemetry_service.storage.upsert import insert


class BouncerStore:
    """Ids of bouncers and pairs are opaque, and no payload has a field for them."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def put(self, bouncer_id: str, registration: BouncerRegistration, now: datetime) -> RegisteredBouncer:
        """Register a bouncer, or change its registration; the moment of the first registration stays."""
        values = {"environment": registration.environment, "pair_id": registration.pair_id}
        statement = insert(self._connection, Bouncer).values(bouncer_id=bouncer_id, registered_at=now, **values)
        registered_at = self._connection.execute(
            statement.on_conflict_do_update(index_elements=[Bouncer.bouncer_id], set_=values).returning(
                Bouncer.registered_at
            )
        ).scalar_one()
        return RegisteredBouncer(bouncer_id, registration.environment, registration.pair_id, registered_at)

    def remove(self, bouncer_id: str) -> bool:
        """Take a bouncer out of the registry; False where it was not in it."""
        return self._connection.execute(delete(Bouncer).where(Bouncer.bouncer_id == bouncer_id)).rowcount == 1

    def all(self) -> tuple[RegisteredBouncer, ...]:
        """Return all registered bouncers by id."""
        rows = self._connection.execute(
            select(Bouncer.bouncer_id, Bouncer.environment, Bouncer.pair_id, Bouncer.registered_at).order_by(
                Bouncer.bouncer_id
            )
        )
        return tuple(RegisteredBouncer(*row) for row in rows)
