"""The daily purge: deletes what is older than the retention, in small transactions."""

import time
from datetime import datetime, timedelta

from telemetry_service.domain.activity import Action
from telemetry_service.pipeline.installation import Installation, Milestone

_EVERY = timedelta(days=1)
_OVERDUE = timedelta(days=2)
"""A purge that is later than this is put off by a day: the service was down, or its clock is far ahead. A clock that
is set right within that day has deleted nothing."""

_PAUSE_SECONDS = 0.005
"""Between two steps, so that recording gets the write lock in turn."""


def purge_if_due(installation: Installation) -> int | None:
    """Purge where the day's purge is due and no other replica has taken it; None where not, or where it is put off."""
    now = installation.clock.now()
    with installation.database.read() as tx:
        due = tx.schedule.next_purge_at()
    if due > now and due - now <= _EVERY:
        return None
    with installation.database.write() as tx:
        if not tx.schedule.move_purge(due, now + _EVERY):
            return None
    if now - due > _OVERDUE:
        return None
    return purge(installation)


def purge(installation: Installation) -> int:
    """Delete what is older than the retention; return how many rows that were."""
    now = installation.clock.now()
    with installation.database.read() as tx:
        retention = tx.configuration.get().values.retention_days
    deleted = _delete(installation, now - timedelta(days=retention))
    with installation.database.write() as tx:
        tx.access.purge_sessions(now)
        tx.activity.purge(now)
        if deleted:
            tx.activity.note(now, "schedule", Action.PURGED, rows=str(deleted))
    _give_space_back(installation)
    return deleted


def _delete(installation: Installation, cutoff: datetime) -> int:
    deleted = 0
    while True:
        with installation.database.write() as tx:
            step = tx.retention.step(cutoff)
        deleted += step
        if step == 0 or installation.stopping.is_set():
            return deleted
        installation.reached(Milestone.PURGE_STEP)
        time.sleep(_PAUSE_SECONDS)


def _give_space_back(installation: Installation) -> None:
    more = True
    while more and not installation.stopping.is_set():
        with installation.database.write() as tx:
            more = tx.retention.give_space_back()
        time.sleep(_PAUSE_SECONDS)
