"""The health of the telemetry system, with the facts that a reader of it wants next."""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.health import Health
from telemetry_service.domain.schedule import send_offset
from telemetry_service.domain.transmissions import Contact
from telemetry_service.pipeline.aggregate import assess_health
from telemetry_service.pipeline.installation import Installation


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Health, what waits, and when the next run is; no next run while telemetry is off."""

    health: Health
    waiting: int
    last_accepted_at: datetime | None
    latest_contact: Contact | None
    next_run_at: datetime | None
    next_send_at: datetime | None
    last_tick_result: str | None
    """What came of the latest tick: ``prepared``, ``disabled`` or the code of a fault that kept the period open."""


def read_health(installation: Installation) -> HealthReport:
    """Return the health at this moment."""
    now = installation.clock.now()
    with installation.database.read() as tx:
        record = tx.contacts.record()
        enabled = installation.enabled(tx.configuration.get())
        next_run_at = tx.schedule.next_run_at() if enabled else None
        last_tick = tx.schedule.last_tick()
        offset = send_offset(tx.installation.instance_id(), installation.deployment.send_spread)
        return HealthReport(
            health=assess_health(installation, tx, now),
            waiting=record.waiting,
            last_accepted_at=record.last_accepted_at,
            latest_contact=record.latest_contact,
            next_run_at=next_run_at,
            next_send_at=next_run_at + offset if next_run_at else None,
            last_tick_result=last_tick.result if last_tick else None,
        )
