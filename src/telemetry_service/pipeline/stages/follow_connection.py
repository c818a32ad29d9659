"""A connection that was changed: the process that uses it notices, and tries again what is held under another one.

Each attempt keeps a keyed digest of the connection that it was made with. So a process knows by itself what was never
tried with its own connection, and no one can take the change away from it: neither a command that only looks, nor a
replica of the old settings that holds the same row again during a rolling update. Two replicas that differ permanently
try a row once each, and then leave it to the next tick.
"""

from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction

_PURPOSE = "connection-fingerprint"


def follow_connection(runtime: Runtime) -> None:
    """Make due what is held under another connection; costs one indexed read where there is nothing of the kind.

    At first, and after the authorities have changed, that is what was tried last with another connection; from then on
    only what was never tried with this one. While telemetry is off the connection is not used, and nothing noticed.
    """
    if runtime.client is None:
        return
    present = runtime.present_connection()
    new = present != runtime.seen_connection.connection
    known_as = runtime.keys.digests(present, _PURPOSE)
    with runtime.database.read() as tx:
        if not runtime.enabled(tx.configuration.get()):
            return
        changed = _changed(tx, known_as, new=new)
        to_do = changed or tx.transmissions.held_apart_from(known_as, latest=new)
    if to_do:
        _make_due(runtime, known_as, changed=changed, new=new)
    runtime.seen_connection.connection = present


def connection_digest(runtime: Runtime) -> bytes:
    """Return what an attempt keeps of the present connection."""
    return runtime.keys.digests(runtime.present_connection(), _PURPOSE)[0]


def _changed(tx: Transaction, known_as: tuple[bytes, ...], *, new: bool) -> bool:
    """Whether the last process that began to use a connection used another one."""
    return new and tx.installation.connection_fingerprint() not in known_as


def _make_due(runtime: Runtime, known_as: tuple[bytes, ...], *, changed: bool, new: bool) -> None:
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        first = tx.installation.connection_fingerprint() is None
        if changed:
            tx.installation.remember_connection(known_as[0])
            tx.exchanges.connection_changed()
        woken = tx.transmissions.wake_held_apart_from(known_as, now, latest=new)
    if woken or not first:
        log_event(Event.CONNECTION_CHANGED)
