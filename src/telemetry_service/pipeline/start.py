"""What a start does before anything else: the first rows, the deployment's switch, a changed connection."""

from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.pipeline.installation import Installation
from telemetry_service.pipeline.switch import follow_switch

_PURPOSE = "connection-fingerprint"


def start(installation: Installation) -> None:
    """Make a migrated database ready; safe to run in any number of replicas at once."""
    now = installation.clock.now()
    with installation.database.write() as tx:
        tx.installation.create(now)
        follow_switch(installation, tx, now)
        if _connection_changed(installation, tx.installation.connection_fingerprint()):
            tx.installation.remember_connection(installation.keys.digest(installation.connection, _PURPOSE))
            tx.transmissions.wake(frozenset({State.HELD}), now, AttemptTrigger.CONNECTION_CHANGED)
            tx.contacts.forget_failures()


def _connection_changed(installation: Installation, known: bytes | None) -> bool:
    return known is None or not installation.keys.matches(known, installation.connection, _PURPOSE)
