"""All values that are sealed under ENCRYPTION_KEY: under which key each of them is, and whether it can be opened."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.domain.sealed_kind import SealedKind
from telemetry_service.pipeline import api_key, api_key_overlap, customer, ledger_signer, verification
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.keyring import UNBOUND, Place
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.sealed_values import SealedValue

ALIVE = timedelta(minutes=2)
"""A process without a heartbeat for this long has ended, or cannot write anything either."""

STEP = 200
"""Values that are read at a time."""

_PURPOSES: dict[SealedKind, Callable[[Any], tuple[str, ...]]] = {
    SealedKind.API_KEY: lambda _row: (api_key.PURPOSE,),
    SealedKind.OLD_API_KEY: lambda _row: (api_key_overlap.PURPOSE,),
    SealedKind.CUSTOMER: lambda transmission_id: (customer.purpose_of(transmission_id),),
    SealedKind.LEDGER_KEY: ledger_signer.purposes_of,
    SealedKind.VERDICT: lambda _row: (verification.PURPOSE,),
}


@dataclass(frozen=True, slots=True)
class SealedCounts:
    """How many sealed values there are of each kind."""

    newest: Counter[SealedKind] = field(default_factory=Counter)
    """Under the newest key."""
    older: Counter[SealedKind] = field(default_factory=Counter)
    """Under an older one of the list, which must stay in it."""
    unbound: Counter[SealedKind] = field(default_factory=Counter)
    """Not bound to this installation yet. They are counted above as well."""
    unreadable: Counter[SealedKind] = field(default_factory=Counter)
    """Under a key that is not in the list, changed, or copied from another row or database."""


def count_sealed(runtime: Runtime, tx: Transaction) -> SealedCounts:
    """Open every sealed value, and count."""
    counts, installation = SealedCounts(), tx.installation.sealed_for()
    newest = runtime.keys.ids[0]
    for kind in SealedKind:
        for value in _all(tx, kind):
            if place_of(runtime, kind, value, installation) is None:
                counts.unreadable[kind] += 1
                continue
            (counts.newest if value.sealed[1:].startswith(newest) else counts.older)[kind] += 1
            if value.sealed.startswith(UNBOUND):
                counts.unbound[kind] += 1
    return counts


def running_key_lists(runtime: Runtime, tx: Transaction) -> tuple[str, ...]:
    """Return the IDs of the keys that each running process has, in hex, newest first."""
    return tx.heartbeats.encryption_keys(runtime.clock.now() - ALIVE)


def place_of(runtime: Runtime, kind: SealedKind, value: SealedValue, installation: UUID) -> Place | None:
    """Return the place for which a value can be opened in its row; None if it cannot."""
    for purpose in _PURPOSES[kind](value.key):
        try:
            runtime.keys.open(value.sealed, place := Place(purpose, installation))
        except KeyUnusableError:
            continue
        return place
    return None


def _all(tx: Transaction, kind: SealedKind) -> Iterator[SealedValue]:
    found = tx.sealed_values.some(kind, None, STEP)
    while found:
        yield from found
        found = tx.sealed_values.some(kind, found[-1].key, STEP)
