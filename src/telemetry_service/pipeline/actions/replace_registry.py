"""Replaces the registry of bouncers as a whole, for those who declare it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.errors import RegistryFullError, StaleBouncersError
from telemetry_service.domain.fact_entries import of_registry
from telemetry_service.domain.facts import (
    WARNINGS_SHOWN,
    Environment,
    FactWarning,
    NamedRegistration,
    RegisteredBouncer,
    Registry,
    RegistryChange,
    WarningCode,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.runtime import Runtime

AsSeen = Callable[[tuple[RegisteredBouncer, ...]], bool]


def replace_registry(
    runtime: Runtime, wanted: Registry, actor: Actor, as_seen: AsSeen, *, dry_run: bool = False
) -> RegistryChange:
    """Make the registry what is ``wanted``, and return what that changes. A ``dry_run`` only returns it.

    Raises:
        RegistryFullError: these are more bouncers than the deployment allows.
        StaleBouncersError: the registry was changed since the caller read it.
    """
    now = runtime.clock.now()
    if len(wanted.bouncers) > runtime.deployment.max_bouncers:
        raise RegistryFullError
    with runtime.database.write() as tx:
        tx.bouncers.lock()
        present = tx.bouncers.all()
        if not as_seen(present):
            raise StaleBouncersError
        change = _change(present, wanted.bouncers)
        if change.changes_something and not dry_run:
            named = {one.bouncer_id: one for one in wanted.bouncers}
            added, changed = ([named[name] for name in names] for names in (change.added, change.changed))
            tx.bouncers.replace(added, changed, change.removed, now)
            tx.ledger.note(now, actor, Kind.FACTS, of_registry(change))
        return change


def _change(present: Sequence[RegisteredBouncer], wanted: Sequence[NamedRegistration]) -> RegistryChange:
    before = {one.bouncer_id: (one.environment, one.pair_id) for one in present}
    after = {one.bouncer_id: (one.environment, one.pair_id) for one in wanted}
    both = before.keys() & after.keys()
    changed = tuple(sorted(name for name in both if before[name] != after[name]))
    return RegistryChange(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=changed,
        unchanged=len(both) - len(changed),
        warnings=tuple(_doubled(wanted))[:WARNINGS_SHOWN],
    )


def _doubled(wanted: Sequence[NamedRegistration]) -> Iterator[FactWarning]:
    """Warn of each production bouncer that shares its pair with another one."""
    pairs: defaultdict[str, list[str]] = defaultdict(list)
    for one in wanted:
        if one.environment is Environment.PRODUCTION:
            pairs[one.pair_id].append(one.bouncer_id)
    for names in pairs.values():
        for name in names if len(names) > 1 else ():
            yield FactWarning(WarningCode.PAIR_HAS_TWO_PRODUCTION_BOUNCERS, name)
