"""Replaces the registry of bouncers as a whole, for those who declare it. What the source registers is its own."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.errors import RegistryFullError, StaleBouncersError
from telemetry_service.domain.fact_entries import of_registry
from telemetry_service.domain.facts import (
    WARNINGS_SHOWN,
    BouncerRegistration,
    Environment,
    FactWarning,
    NamedRegistration,
    RegisteredBouncer,
    Registry,
    RegistryChange,
    WarningCode,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.actions.registrations import own_what_no_source_has, owned_by_source
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction

AsSeen = Callable[[tuple[RegisteredBouncer, ...]], bool]

_OfSource = Mapping[str, BouncerRegistration | None]
"""The bouncers that the source registers, each with what was reported of it."""


def replace_registry(
    runtime: Runtime, wanted: Registry, actor: Actor, as_seen: AsSeen, *, dry_run: bool = False
) -> RegistryChange:
    """Make the registry what is ``wanted``, and return what that changes. A ``dry_run`` only returns it.

    Raises:
        RegistryFullError: these are more bouncers than the deployment allows.
        StaleBouncersError: the registry was changed since the caller read it.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.bouncers.lock()
        present, of_source = tx.bouncers.all(), owned_by_source(runtime, tx)
        if not as_seen(present):
            raise StaleBouncersError
        if len(of_source.keys() | {one.bouncer_id for one in wanted.bouncers}) > runtime.deployment.max_bouncers:
            raise RegistryFullError
        change = _change(_reported(present, of_source), wanted.bouncers, of_source, present)
        if change.changes_something and not dry_run:
            own_what_no_source_has(runtime, tx)
            _write(tx, change, wanted.bouncers, of_source, now)
            tx.ledger.note(now, actor, Kind.FACTS, of_registry(change))
        return change


def _write(
    tx: Transaction, change: RegistryChange, wanted: Sequence[NamedRegistration], of_source: _OfSource, now: datetime
) -> None:
    named = {one.bouncer_id: one for one in wanted}
    for name in (*change.added, *change.changed, *change.removed):
        if name in of_source:
            tx.source_bouncers.report(name, named.get(name))
    added, changed, removed = (
        [name for name in names if name not in of_source] for names in (change.added, change.changed, change.removed)
    )
    tx.bouncers.replace([named[name] for name in added], [named[name] for name in changed], removed, now)


def _reported(present: Sequence[RegisteredBouncer], of_source: _OfSource) -> dict[str, tuple[Environment, str]]:
    """Return what is reported: what the source registers, as it was reported, if it was."""
    own = {one.bouncer_id: (one.environment, one.pair_id) for one in present if one.bouncer_id not in of_source}
    return own | {name: (it.environment, it.pair_id) for name, it in of_source.items() if it is not None}


def _change(
    before: Mapping[str, tuple[Environment, str]],
    wanted: Sequence[NamedRegistration],
    of_source: _OfSource,
    present: Sequence[RegisteredBouncer],
) -> RegistryChange:
    after = {one.bouncer_id: (one.environment, one.pair_id) for one in wanted}
    both = before.keys() & after.keys()
    changed = tuple(sorted(name for name in both if before[name] != after[name]))
    doubled, otherwise = _doubled(after, of_source, present), _otherwise(after, of_source, present)
    return RegistryChange(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=changed,
        unchanged=len(both) - len(changed),
        warnings=tuple(islice(chain(doubled, otherwise), WARNINGS_SHOWN)),
    )


def _otherwise(
    after: Mapping[str, tuple[Environment, str]], of_source: _OfSource, present: Sequence[RegisteredBouncer]
) -> Iterator[FactWarning]:
    """Warn of each bouncer that the source registers otherwise."""
    for one in present:
        name, its = one.bouncer_id, (one.environment, one.pair_id)
        if name in of_source and after.get(name, its) != its:
            yield FactWarning(WarningCode.SOURCE_REGISTERS_OTHERWISE, name)


def _doubled(
    after: Mapping[str, tuple[Environment, str]], of_source: _OfSource, present: Sequence[RegisteredBouncer]
) -> Iterator[FactWarning]:
    """Warn of each production bouncer that shares its pair with another one, which may be one of the source."""
    own = {one.bouncer_id: (one.environment, one.pair_id) for one in present if one.bouncer_id in of_source}
    pairs: defaultdict[str, list[str]] = defaultdict(list)
    for name, (environment, pair_id) in {**after, **own}.items():
        if environment is Environment.PRODUCTION:
            pairs[pair_id].append(name)
    for names in pairs.values():
        for name in names if len(names) > 1 else ():
            if name in after:
                yield FactWarning(WarningCode.PAIR_HAS_TWO_PRODUCTION_BOUNCERS, name)
