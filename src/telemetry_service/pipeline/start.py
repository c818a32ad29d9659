"""What a start does before anything else: the first rows, the deployment's switch, a changed connection."""

from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.customer import adopt_customers
from telemetry_service.pipeline.installation import Installation
from telemetry_service.pipeline.switch import follow_switch

_PURPOSE = "connection-fingerprint"


def start(installation: Installation) -> None:
    """Make a migrated database ready; safe to run in any number of replicas at once."""
    now, changed = installation.clock.now(), False
    with installation.database.write() as tx:
        tx.installation.create(now)
        follow_switch(installation, tx, now)
        adopt_customers(installation, tx)
        known = tx.installation.connection_fingerprint()
        changed = known is not None and _connection_changed(installation, known)
        if known is None or changed:
            tx.installation.remember_connection(installation.keys.digest(installation.connection, _PURPOSE))
            tx.transmissions.wake(frozenset({State.HELD}), now, AttemptTrigger.CONNECTION_CHANGED)
            tx.contacts.forget_failures()
    if changed:
        log_event(Event.CONNECTION_CHANGED)


def _connection_changed(installation: Installation, known: bytes) -> bool:
    return not installation.keys.matches(known, installation.connection, _PURPOSE)
