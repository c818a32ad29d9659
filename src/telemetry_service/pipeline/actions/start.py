"""The first steps of a start: the first rows, the ledger, what the deployment sets, the connection."""

import json
from collections.abc import Mapping
from datetime import datetime

from telemetry_service import __version__
from telemetry_service.domain.actor import DEPLOYMENT
from telemetry_service.domain.deployed import deployed_settings, described
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.pipeline.actions.apply_configured import apply_configured, other_settings
from telemetry_service.pipeline.actions.follow_switch import follow_switch
from telemetry_service.pipeline.actions.restored import notice_restored
from telemetry_service.pipeline.actions.rotate_keys import bind_sealed_values
from telemetry_service.pipeline.actions.take_over import begin, take_over
from telemetry_service.pipeline.actions.write_settings import LOCKS
from telemetry_service.pipeline.announcement import announce, say_announced
from telemetry_service.pipeline.head_file import write_head
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.signed_numbers import known_numbers
from telemetry_service.pipeline.stages.follow_connection import connection_digest, follow_connection
from telemetry_service.pipeline.stages.release_due import hold_for_a_person
from telemetry_service.pipeline.verification import read_verification
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.revisions import revisions
from telemetry_service.storage.stamps import DEPLOYED, OFF


def start(runtime: Runtime) -> None:
    """Prepare a migrated database; safe to run in any number of replicas at once."""
    create_first_rows(runtime)
    notice_restored(runtime)
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.ledger.note_pending(now)
        follow_switch(runtime, tx, now)
        hold_for_a_person(runtime, tx)
        _note_deployment(runtime, tx, now)
    apply_configured(runtime, runtime.configured)
    follow_connection(runtime)
    write_head(runtime)


def create_first_rows(runtime: Runtime) -> None:
    """Write the rows that everything else needs, unless they exist, and begin the ledger."""
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        new = tx.installation.create(now)
        if new and not tx.legacy.ledger_was_emptied() and not tx.legacy.ledger_was_lost():
            tx.ledger.begins()
            begin(runtime, tx, now)
    take_over(runtime)
    bind_sealed_values(runtime)
    with runtime.database.write() as tx:
        announce(runtime, tx, now)
    if new:
        write_head(runtime)  # Over the one of an earlier database, which this is no copy of.


def _note_deployment(runtime: Runtime, tx: Transaction, now: datetime) -> None:
    """Write what the deployment decides into the ledger, if it differs from what was last written.

    An entry is found by an index, which someone may have changed, so the entries repeat a digest of it as well.
    """
    tx.periods.lock_open()  # One replica at a time: all of them say the same.
    deployed = _deployed(runtime)
    before, digest = _said_digest(runtime, tx), _digest(deployed)
    last = tx.ledger.of_kind(Kind.DEPLOYMENT)
    said = {} if last is None else {**unverified(last.line), LOCKS: _said_locks(tx)}
    other = {name for name, value in deployed.items() if said.get(name) != value}
    switched = OFF in tx.ledger.stamps  # What was said of the switch needs an entry.
    hidden = before not in {None, digest}
    if other == {LOCKS} and other_settings(runtime, tx) and not switched and not hidden:
        return  # The entry about the settings or the key, which comes next, says what is locked.
    if other or switched or hidden:
        tx.ledger.stamped(DEPLOYED, digest, before)
        say_announced(runtime, tx)
        tx.ledger.note(now, DEPLOYMENT, Kind.DEPLOYMENT, deployed)


def _said_digest(runtime: Runtime, tx: Transaction) -> str | None:
    return known_numbers(runtime, tx, read_verification(runtime, tx)).get(DEPLOYED)


def _digest(deployed: Mapping[str, Value]) -> str:
    """Return a digest without what other entries say, too."""
    return sha256_hex(json.dumps({**deployed, LOCKS: None}, sort_keys=True).encode())


def _said_locks(tx: Transaction) -> object:
    latest = tx.ledger.latest_of((Kind.DEPLOYMENT, Kind.SETTINGS, Kind.KEY_SET))
    return None if latest is None else unverified(latest.line).get(LOCKS)


def _deployed(runtime: Runtime) -> dict[str, Value]:
    """Return what the deployment decides about what is sent, where to, whose word is believed, and who may log in.

    What identifies someone is a keyed digest, because a salted one could not be compared: the License Server, the
    proxy, the customer, the hosts and the issuers of logins.
    """
    deployment, pinned = runtime.deployment, runtime.receipt_keys
    return {
        **deployed_settings(deployment),
        "service_version": __version__,
        "database_revision": revisions()[-1],  # So each migration is an entry, of the start that made or found it.
        "schema_sha256": runtime.schemas.current.sha256,
        "destination": None if runtime.client is None else connection_digest(runtime).hex(),
        "pinned_keys": [] if pinned is None else list(pinned.fingerprints),
        "customer": _keyed(runtime, deployment.customer_id, "deployed-customer"),
        "public_url": _keyed(runtime, str(deployment.public_url or ""), "deployed-public-url"),
        "console_url": _keyed(runtime, str(deployment.console_url or ""), "deployed-console-url"),
        "frame_ancestors": _keyed(runtime, ",".join(deployment.frame_ancestors), "deployed-frame-ancestors"),
        "local_login": deployment.doors.local_login,
        "doors": _keyed(runtime, described(deployment.doors), "deployed-doors"),
    }


def _keyed(runtime: Runtime, value: str | None, purpose: str) -> Value:
    return runtime.keys.digest(value.encode(), purpose).hex() if value else None
