"""The registry of bouncers."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, func, select
from sqlalchemy import insert as sql_insert

from telemetry_service.domain.facts import BouncerRegistration, Environment, NamedRegistration, RegisteredBouncer
from telemetry_service.domain.payload import BouncerPairs
from telemetry_service.storage.rows import full_rows
from telemetry_service.storage.tables import Bouncer
from telemetry_service.storage.upsert import insert

_REGISTRY = 0x626F756E636572
"""The key of PostgreSQL's advisory lock that adding a bouncer takes exclusively, so that the count is right."""


_CHUNK = 10_000
"""Parameters in one statement; SQLite's own limit is 32,766."""
_ENVIRONMENTS = select(Bouncer.bouncer_id, Bouncer.environment).where(Bouncer.bouncer_id.in_(bindparam("bouncer_ids")))


class BouncerStore:
    """The IDs of bouncers and pairs are opaque, and no payload has a field for them."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def get(self, bouncer_id: str) -> BouncerRegistration | None:
        """Return the registration of a bouncer, or None."""
        query = select(Bouncer.environment, Bouncer.pair_id).where(Bouncer.bouncer_id == bouncer_id)
        row = self._connection.execute(query).first()
        return None if row is None else BouncerRegistration(environment=row.environment, pair_id=row.pair_id)

    def registered(self, bouncer_id: str) -> RegisteredBouncer | None:
        """Return a registered bouncer, or None."""
        return next(iter(self._found(Bouncer.bouncer_id == bouncer_id)), None)

    def environments(self, bouncer_ids: Collection[str]) -> dict[str, Environment]:
        """Return the registered environment of each of these bouncers that is registered."""
        found: dict[str, Environment] = {}
        ordered = sorted(bouncer_ids)
        for start in range(0, len(ordered), _CHUNK):
            rows = self._connection.execute(_ENVIRONMENTS, {"bouncer_ids": ordered[start : start + _CHUNK]})
            found |= {row.bouncer_id: row.environment for row in full_rows(rows)}
        return found

    def shares_production(self, bouncer_id: str, pair_id: str) -> bool:
        """Whether the pair has another production bouncer."""
        of_pair = Bouncer.pair_id == pair_id, Bouncer.environment == Environment.PRODUCTION
        others = select(Bouncer.bouncer_id).where(*of_pair, Bouncer.bouncer_id != bouncer_id).limit(1)
        return self._connection.execute(others).first() is not None

    def replace(
        self,
        added: Collection[NamedRegistration],
        changed: Collection[NamedRegistration],
        removed: Collection[str],
        now: datetime,
    ) -> None:
        """Add, change and remove bouncers. No other transaction can do so meanwhile: see ``lock``."""
        if removed:
            gone = delete(Bouncer).where(Bouncer.bouncer_id == bindparam("gone"))
            self._connection.execute(gone, [{"gone": bouncer_id} for bouncer_id in sorted(removed)])
        for one in changed:
            self.put(one.bouncer_id, one, now)
        if added:
            rows = [{**one.model_dump(), "registered_at": now} for one in added]
            self._connection.execute(sql_insert(Bouncer), rows)

    def put(self, bouncer_id: str, registration: BouncerRegistration, now: datetime) -> RegisteredBouncer:
        """Register a bouncer, or change its registration; the time of the first registration stays."""
        values = {"environment": registration.environment, "pair_id": registration.pair_id}
        statement = insert(self._connection, Bouncer).values(bouncer_id=bouncer_id, registered_at=now, **values)
        registered_at = self._connection.execute(
            statement.on_conflict_do_update(index_elements=[Bouncer.bouncer_id], set_=values).returning(
                Bouncer.registered_at
            )
        ).scalar_one()
        return RegisteredBouncer(bouncer_id, registration.environment, registration.pair_id, registered_at)

    def remove(self, bouncer_id: str) -> bool:
        """Remove a bouncer from the registry; False if it was not registered."""
        return self._connection.execute(delete(Bouncer).where(Bouncer.bouncer_id == bouncer_id)).rowcount == 1

    def room(self, bouncer_id: str, most: int) -> bool:
        """Whether a registry of at most ``most`` bouncers has room for this one; a registered bouncer has room.

        No other transaction can add bouncers until this one ends.
        """
        self.lock()
        known = select(Bouncer.bouncer_id).where(Bouncer.bouncer_id == bouncer_id)
        return self._connection.execute(known).first() is not None or self.count() < most

    def room_for(self, bouncer_ids: Collection[str], most: int) -> bool:
        """Whether a registry of at most ``most`` bouncers has room for all of these; as above.

        No other transaction can add bouncers until this one ends.
        """
        self.lock()
        known = set(self._connection.execute(select(Bouncer.bouncer_id)).scalars())
        return len(known.union(bouncer_ids)) <= max(most, len(known))

    def lock(self) -> None:
        """Keep others from adding bouncers until this transaction ends."""
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_REGISTRY})")

    def count(self) -> int:
        """Return how many bouncers are registered."""
        return self._connection.execute(_COUNT).scalar_one()

    def pairs(self) -> BouncerPairs:
        """Count the pairs by which of their two environments is registered. Pricing is per pair."""
        found = {(s, p): number for s, p, number in self._connection.execute(_KINDS_OF_PAIRS)}
        return BouncerPairs(
            total_pairs=sum(found.values()),
            sandbox_only_count=found.get((1, 0), 0),
            production_only_count=found.get((0, 1), 0),
            paired_count=found.get((1, 1), 0),
        )

    def all(self) -> tuple[RegisteredBouncer, ...]:
        """Return all registered bouncers by ID, as far as they can be read."""
        return self._found()

    def _found(self, *conditions: ColumnElement[bool]) -> tuple[RegisteredBouncer, ...]:
        columns = (Bouncer.bouncer_id, Bouncer.environment, Bouncer.pair_id, Bouncer.registered_at)
        rows = self._connection.execute(select(*columns).where(*conditions).order_by(Bouncer.bouncer_id))
        return tuple(RegisteredBouncer(*row) for row in full_rows(rows))


def _any_in(environment: Environment) -> ColumnElement[int]:
    return func.max(case((Bouncer.environment == environment, 1), else_=0)).label(environment.value)


_PAIR = select(*map(_any_in, Environment)).group_by(Bouncer.pair_id).subquery()
_KINDS_OF_PAIRS = select(_PAIR.c.sandbox, _PAIR.c.production, func.count()).group_by(
    _PAIR.c.sandbox, _PAIR.c.production
)
_COUNT = select(func.count()).select_from(Bouncer)
