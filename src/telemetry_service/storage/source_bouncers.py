"""Which bouncers the source registers, and what was reported of these.

A bouncer has one registration, in the registry: that of the source as long as it has one. Reports and the source never
overwrite each other, so each may be repeated as a whole.
"""

from sqlalchemy import Connection, delete, select, update

from telemetry_service.domain.facts import BouncerRegistration, Environment
from telemetry_service.storage.tables import SourceBouncer
from telemetry_service.storage.upsert import insert

Reported = BouncerRegistration | None
"""What was reported of a bouncer; None for nothing."""


class SourceBouncerStore:
    """The registry itself is not written here. Lock it first: see ``BouncerStore.lock``."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def all(self) -> dict[str, Reported]:
        """Return every bouncer that the source registers, with what was reported of it."""
        row = SourceBouncer
        rows = self._connection.execute(select(row.bouncer_id, row.reported_environment, row.reported_pair_id))
        return {bouncer_id: _reported(environment, pair_id) for bouncer_id, environment, pair_id in rows}

    def take(self, bouncer_id: str, reported: Reported) -> None:
        """Note that the source registers a bouncer, and what was reported of it by then."""
        values = _values(reported)
        new = insert(self._connection, SourceBouncer).values(bouncer_id=bouncer_id, **values)
        self._connection.execute(new.on_conflict_do_nothing())

    def report(self, bouncer_id: str, reported: Reported) -> None:
        """Note what is reported of a bouncer that the source registers."""
        here = update(SourceBouncer).where(SourceBouncer.bouncer_id == bouncer_id)
        self._connection.execute(here.values(**_values(reported)))

    def forget(self, bouncer_id: str) -> None:
        """Note that the source no longer registers a bouncer."""
        self._connection.execute(delete(SourceBouncer).where(SourceBouncer.bouncer_id == bouncer_id))

    def forget_all(self) -> None:
        """Note that there is no source now: what it has registered belongs to those who report."""
        self._connection.execute(delete(SourceBouncer))


def _values(reported: Reported) -> dict[str, object]:
    environment, pair_id = (None, None) if reported is None else (reported.environment, reported.pair_id)
    return {"reported_environment": environment, "reported_pair_id": pair_id}


def _reported(environment: Environment | None, pair_id: str | None) -> Reported:
    if environment is None or pair_id is None:
        return None
    return BouncerRegistration(environment=environment, pair_id=pair_id)
