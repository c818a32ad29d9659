"""Notices a changed connection, and tries again what was held under another one.

Each attempt stores a keyed digest of its connection. So each process knows what was never tried with its own
connection, independently of others: neither a read-only command nor a replica with the old settings, which holds the
same row again during a rolling update, can hide the change. Two replicas with permanently different settings each try a
row once, and then leave it to the next tick.
"""

from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction

PURPOSE = "connection-fingerprint"
"""The digests that are stored were made for it, so it never changes."""


def follow_connection(runtime: Runtime) -> None:
    """Make transmissions due that are held under another connection; if there are none, this is one indexed read.

    At first, and after the authorities have changed, these are the ones last tried with another connection; after that,
    only those never tried with this one. While telemetry is off, the connection is not used, so changes are not
    noticed.
    """
    if not runtime.deployment.online:
        return
    present = runtime.present_connection()
    new = present != runtime.seen_connection.connection
    known_as = runtime.keys.digests(present, PURPOSE)
    with runtime.database.read() as tx:
        if not runtime.enabled(tx.configuration.get()):
            return
        changed = _changed(tx, known_as, new=new)
        to_do = changed or tx.transmissions.held_with_other_connection(known_as, latest=new)
    if to_do:
        _make_due(runtime, known_as, changed=changed, new=new)
    runtime.seen_connection.connection = present


def connection_digest(runtime: Runtime) -> bytes:
    """Return the digest of the present connection that an attempt stores."""
    return runtime.keys.digests(runtime.present_connection(), PURPOSE)[0]


def _changed(tx: Transaction, known_as: tuple[bytes, ...], *, new: bool) -> bool:
    """Whether the last process that started using a connection used a different one."""
    return new and tx.installation.connection_digest() not in known_as


def _make_due(runtime: Runtime, known_as: tuple[bytes, ...], *, changed: bool, new: bool) -> None:
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        first = tx.installation.connection_digest() is None
        if changed:
            tx.installation.remember_connection(known_as[0])
            tx.exchanges.connection_changed()
        due = tx.transmissions.make_due_held_with_other_connection(known_as, now, latest=new)
    if due or not first:
        log_event(Event.CONNECTION_CHANGED)
