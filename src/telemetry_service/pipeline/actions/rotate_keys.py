"""Seals everything again under the newest key of ENCRYPTION_KEY, in small transactions, while replicas run.

Each transaction is complete in itself, so after a kill at any point the next run does what is left. What is replaced by
someone else meanwhile is sealed under their newest key, and is found again by the next run if that was an older one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from telemetry_service.domain.actor import SERVICE, Actor
from telemetry_service.domain.errors import ReplicaLacksKeyError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.sealed_kind import SealedKind
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.sealed_values import STEP, SealedCounts, count_sealed, place_of, running_key_lists
from telemetry_service.pipeline.stages.follow_connection import PURPOSE as CONNECTION
from telemetry_service.sealing.keyring import UNBOUND
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.sealed_values import SealedValue


@dataclass(frozen=True, slots=True)
class RotatedKeys:
    """What was sealed again, and what there is now."""

    sealed_again: Counter[SealedKind]
    ledger_key_renewed: bool
    counts: SealedCounts


def rotate_keys(runtime: Runtime, actor: Actor) -> RotatedKeys:
    """Seal everything again that is not under the newest key; what cannot be opened stays as it is.

    If the ledger's key was under an older one, it is renewed: anyone who knows the older one may know it.

    Raises:
        ReplicaLacksKeyError: a running replica could not open what this would seal; nothing was changed.
    """
    _refuse_unless_known(runtime)
    renewed = _renew_ledger_key(runtime, actor)
    done: Counter[SealedKind] = Counter()
    for kind in SealedKind:
        done[kind] = _seal_all(runtime, kind, actor, newest=True)
    _rekey_connection(runtime)
    with runtime.database.write() as tx:
        tx.stamps.seal_again()
    with runtime.database.read() as tx:
        return RotatedKeys(+done, renewed, count_sealed(runtime, tx))


def bind_sealed_values(runtime: Runtime) -> None:
    """Bind what an older version sealed to its row and installation, under the key that it is under."""
    with runtime.database.read() as tx:
        if not tx.sealed_values.any_begins(UNBOUND):
            return
    for kind in SealedKind:
        _seal_all(runtime, kind, SERVICE, newest=False)


def _refuse_unless_known(runtime: Runtime) -> None:
    newest = runtime.keys.ids[0].hex()
    with runtime.database.read() as tx:
        running = running_key_lists(runtime, tx)
    if any(newest not in keys.split() for keys in running):
        raise ReplicaLacksKeyError


def _renew_ledger_key(runtime: Runtime, actor: Actor) -> bool:
    """Let a new key sign from here on if the present one is sealed under an older key of the list."""
    with runtime.database.write() as tx:
        stored = tx.ledger.keys()
        sealed = stored.sealed.get(stored.signs or "")
        if sealed is None or sealed[1:].startswith(runtime.keys.ids[0]) or not runtime.signer.can_sign(stored):
            return False
        tx.ledger.rotate_key(runtime.clock.now(), actor)
        runtime.failpoint(Failpoint.KEYS_ROTATED)
    return True


def _seal_all(runtime: Runtime, kind: SealedKind, actor: Actor, *, newest: bool) -> int:
    """Seal all values of a kind again that are not under the newest key, or only those that are not bound."""
    chosen = {"but": runtime.keys.newest_head} if newest else {"beginning": UNBOUND}
    after: Any = None
    done = 0
    while True:
        with runtime.database.read() as tx:
            found = tx.sealed_values.some(kind, after, STEP, **chosen)
        if not found:
            return done
        done += _seal_some(runtime, kind, found, actor, newest=newest)
        runtime.failpoint(Failpoint.KEYS_ROTATED)
        after = found[-1].key


def _seal_some(runtime: Runtime, kind: SealedKind, found: Sequence[SealedValue], actor: Actor, *, newest: bool) -> int:
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        installation = tx.installation.sealed_for()
        done = sum(_seal_one(runtime, tx, kind, value, installation, newest=newest) for value in found)
        if done:
            said = {"of": kind.value, "values": done, "reason": "rotated" if newest else "bound"}
            tx.ledger.note(now, actor, Kind.SEALED_AGAIN, said)
        runtime.failpoint(Failpoint.KEYS_ROTATED)
    return done


def _seal_one(
    runtime: Runtime, tx: Transaction, kind: SealedKind, value: SealedValue, installation: UUID, *, newest: bool
) -> bool:
    place = place_of(runtime, kind, value, installation)
    if place is None:
        return False
    keys = runtime.keys
    again = keys.seal(keys.open(value.sealed, place), place) if newest else keys.bind(value.sealed, place)
    return tx.sealed_values.replace(kind, value, again)


def _rekey_connection(runtime: Runtime) -> None:
    """Renew the digests that the present connection is compared with. Those of others cannot be made again."""
    present, *earlier = runtime.keys.digests(runtime.present_connection(), CONNECTION)
    if not earlier:
        return
    with runtime.database.write() as tx:
        if tx.installation.connection_digest() in earlier:
            tx.installation.remember_connection(present)
        tx.sealed_values.rekey_connection(present, earlier)
