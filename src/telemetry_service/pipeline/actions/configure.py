"""Saves the configuration in one step: effective at once in every replica, audited, never overwriting a newer one."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.configuration import Configuration, ConfigurationPatch, StoredConfiguration
from telemetry_service.domain.consequences import Consequences
from telemetry_service.domain.errors import (
    ConfirmationRequiredError,
    KeyUnusableError,
    LockedByDeploymentError,
    NotConfiguredError,
    RowUnreadableError,
    StaleConfigurationError,
)
from telemetry_service.domain.fact_entries import settings_as_said
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.schedule import next_run_after
from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.actions.approve_rows import approve_rows, approved_rows
from telemetry_service.pipeline.actions.follow_switch import follow_switch
from telemetry_service.pipeline.api_key import is_stored, open_api_key, seal_api_key
from telemetry_service.pipeline.api_key_overlap import (
    Ended,
    OldApiKey,
    begin_overlap,
    end_overlap,
    naming_key,
    read_overlap,
)
from telemetry_service.pipeline.changed_rows import changed_now, distrust_older
from telemetry_service.pipeline.queries.configuration import ConfigurationView, read_configuration
from telemetry_service.pipeline.queries.consequences import read_consequences
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.prepare_again import Reason, prepare_waiting_again
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.storage.database import Transaction

Check = Callable[[Snapshot, Configuration], None]
"""Checks a save, given the state before it and the new values."""

AsSeen = Callable[[int], bool]
"""Whether the caller has seen this version of the configuration."""


def _any(_version: int) -> bool:
    return True


def save_configuration(  # noqa: PLR0913 - all that one step saves
    runtime: Runtime,
    wanted: Configuration | ConfigurationPatch,
    seen: int | AsSeen,
    actor: Actor,
    api_key: str | None = None,
    check: Check | None = None,
    *,
    overlap: bool = False,
) -> ConfigurationView:
    """Save what is ``wanted``, and the API key if given, in one step; for ``overlap`` see ``set_api_key``.

    ``check`` runs in the transaction of the save, and raises an error to prevent it. A save that changes nothing
    makes no new version and is no entry.

    Raises:
        StaleConfigurationError: the configuration is no longer the version that the caller has seen.
        LockedByDeploymentError: it would turn on telemetry, which the deployment has locked off.
    """
    if wanted.enabled is False:
        read_up_to_now(runtime)  # What is in the source by now belongs to the period that ends.
    now = runtime.clock.now()
    replaced = False
    with runtime.database.write() as tx:
        before, readable = _before(tx, now)
        if not (seen(before.version) if callable(seen) else seen == before.version):
            raise StaleConfigurationError
        values = _unlocked(runtime, before.values, wanted)
        if check is not None:
            check(Snapshot(runtime, tx, now), values)
        changed = changed_now(runtime, tx)
        _apply(runtime, tx, before.values, values, now, changed)
        if api_key is not None:
            replaced = _replace_api_key(runtime, tx, api_key, now, actor, overlap=overlap)
        elif values.anonymize_pii and not before.values.anonymize_pii:
            _anonymize_waiting(runtime, tx, actor)
        changes = _changes(before.values if readable else None, values)
        if changes or changed:
            approved = approved_rows(Snapshot(runtime, tx, now), changed)
            said = {"changes": changes, "settings": settings_as_said(values), **approved}
            tx.ledger.note(now, actor, Kind.SETTINGS, said)
        view = read_configuration(Snapshot(runtime, tx, now))
    if replaced:
        log_event(Event.API_KEY_SET, actor=actor.label)
    if changes or changed or replaced:
        log_event(Event.CONFIGURATION_SAVED, actor=actor.label, changed=tuple(changes))
    return view


def try_save(snapshot: Snapshot, wanted: Configuration | ConfigurationPatch, as_seen: AsSeen) -> Consequences:
    """Return what a save would change and lose, without saving it.

    Raises:
        StaleConfigurationError: the configuration is no longer a version that the caller has seen.
        LockedByDeploymentError: it would turn on telemetry, which the deployment has locked off.
    """
    stored = snapshot.configuration
    if not as_seen(stored.version):
        raise StaleConfigurationError
    values = _unlocked(snapshot.runtime, stored.values, wanted)
    if not snapshot.runtime.deployment.enabled:
        values = values.model_copy(update={"enabled": False})
    return read_consequences(snapshot, values)


def refuse_if_something_is_lost(snapshot: Snapshot, after: Configuration) -> None:
    """Refuse an unconfirmed save, in the transaction of the save, before anything is changed.

    This includes what was counted since the settings were shown.

    Raises:
        ConfirmationRequiredError: something would be lost; the sentence says how much.
    """
    with suppress(RowUnreadableError):  # If there is no such period, nothing of it is lost.
        snapshot.tx.periods.lock_open()  # Nothing is counted until the save is done.
    found = read_consequences(snapshot, after)
    if found.sentences:
        raise ConfirmationRequiredError(found)


def set_api_key(
    runtime: Runtime, api_key: str, actor: Actor, as_seen: AsSeen = _any, *, overlap: bool = False
) -> ConfigurationView:
    """Save a new API key. Payloads held for the old key are tried at once.

    With ``overlap``, the old key is still tried where the new one is not accepted yet, for a day at most; without, it
    is destroyed now. Saving the present key again makes no new version and is no entry.

    Raises:
        StaleConfigurationError: the configuration is no longer a version that the caller has seen.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        _lock_as_seen(tx, as_seen)
        distrust_older(runtime, tx)
        replaced = _replace_api_key(runtime, tx, api_key, now, actor, overlap=overlap)
        view = read_configuration(Snapshot(runtime, tx, now))
    if replaced:
        log_event(Event.API_KEY_SET, actor=actor.label)
    return view


def remove_api_key(runtime: Runtime, actor: Actor, as_seen: AsSeen = _any) -> ConfigurationView:
    """Forget the API key. Nothing can be sent until another one is set.

    Raises:
        StaleConfigurationError: the configuration is no longer a version that the caller has seen.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        present = _lock_as_seen(tx, as_seen).api_key is not None
        if present:
            distrust_older(runtime, tx)
            tx.configuration.set_api_key(None, now)
            tx.exchanges.connection_changed()
            tx.ledger.note(now, actor, Kind.KEY_REMOVED)
            end_overlap(runtime, tx, now, actor, Ended.REMOVED)
        view = read_configuration(Snapshot(runtime, tx, now))
    if present:
        log_event(Event.API_KEY_REMOVED, actor=actor.label)
    return view


def reveal_api_key(runtime: Runtime, actor: Actor) -> str:
    """Return the API key unencrypted; audited.

    Raises:
        NotConfiguredError: no API key is stored.
        KeyUnusableError: the stored API key cannot be opened.
    """
    with runtime.database.write() as tx:
        api_key = open_api_key(runtime, tx.configuration.sealed_api_key())
        tx.ledger.note(runtime.clock.now(), actor, Kind.KEY_REVEALED)
    log_event(Event.API_KEY_REVEALED, actor=actor.label)
    return api_key


def _lock_as_seen(tx: Transaction, as_seen: AsSeen) -> StoredConfiguration:
    stored = tx.configuration.get(lock=True)
    if not as_seen(stored.version):
        raise StaleConfigurationError
    return stored


def _unlocked(runtime: Runtime, before: Configuration, wanted: Configuration | ConfigurationPatch) -> Configuration:
    """Return what may be saved: while the deployment locks telemetry off, the saved switch stays unchanged."""
    if runtime.deployment.enabled:
        return wanted.applied_to(before)
    after = wanted.applied_to(before.model_copy(update={"enabled": False}))
    if after.enabled:
        raise LockedByDeploymentError
    return after.model_copy(update={"enabled": before.enabled})


def _apply(
    runtime: Runtime,
    tx: Transaction,
    before: Configuration,
    after: Configuration,
    now: datetime,
    changed: tuple[ChangedRow, ...],
) -> None:
    # Every transaction takes its locks in one order: configuration, period, schedule, transmissions, last exchange.
    if changed or before != after:
        tx.configuration.save(after, now)
    if changed:
        approve_rows(runtime, tx, now)
    follow_switch(runtime, tx, now)
    # A tick that is already due still runs: it would be lost if the next one replaced it.
    if after.frequency is not before.frequency and not _run_is_due(tx, now):
        tx.schedule.plan(next_run_after(after.frequency, now))


def _before(tx: Transaction, now: datetime) -> tuple[StoredConfiguration, bool]:
    """Return the configuration before a save, locked, and whether it could be read; if not, the save replaces it."""
    try:
        return tx.configuration.get(lock=True), True
    except RowUnreadableError:
        return tx.configuration.start_over(now), False


def _run_is_due(tx: Transaction, now: datetime) -> bool:
    try:
        return tx.schedule.next_run_at() <= now
    except RowUnreadableError:
        return False


def _anonymize_waiting(runtime: Runtime, tx: Transaction, actor: Actor) -> None:
    try:
        api_key = naming_key(runtime, tx, runtime.clock.now())
    except (NotConfiguredError, KeyUnusableError):
        return  # Without a key there is no pseudonym, and nothing is sent. The next key prepares them again.
    prepare_waiting_again(runtime, tx, api_key, actor, Reason.ANONYMIZED)


def _replace_api_key(
    runtime: Runtime, tx: Transaction, api_key: str, now: datetime, actor: Actor, *, overlap: bool
) -> bool:
    """Replace the API key; False if it is the present one, which stays as it is."""
    replaces = not is_stored(runtime, tx, api_key)
    before, key = tx.configuration.get().api_key, seal_api_key(runtime, tx, api_key, now)
    old = _overlap(runtime, tx, key.fact.key_id, now) if overlap else None
    if old is None:
        end_overlap(runtime, tx, now, actor, Ended.REPLACED)
    if replaces:
        tx.configuration.set_api_key(key, now)
    tx.transmissions.make_due(frozenset({State.HELD}), now, AttemptTrigger.CONNECTION_CHANGED)
    latest = tx.exchanges.record().last_exchange
    same = before is not None and before.key_id == key.fact.key_id
    if not same or (latest is not None and not latest.ok):
        # Nothing is known about another key; and saving the same key again after a failure counts as a change.
        tx.exchanges.connection_changed()
    tx.exchanges.key_saved(key.fact.key_id, now)
    if old is None:  # Else the name under the old key is known, and can be sent under both.
        prepare_waiting_again(runtime, tx, api_key, actor, Reason.API_KEY_CHANGED)
    if replaces:
        until = {} if old is None else {"old_key_until": rfc3339(old.until)}
        said = {"key_id": key.fact.key_id, "before": before.key_id if before else None, **until}
        tx.ledger.note(now, actor, Kind.KEY_SET, said)
    return replaces


def _overlap(runtime: Runtime, tx: Transaction, new_key_id: str, now: datetime) -> OldApiKey | None:
    """Keep what the new key replaces. Saving the present key again leaves everything as it is."""
    before = tx.configuration.sealed_api_key()
    if before is not None and before.fact.key_id == new_key_id:
        return read_overlap(runtime, tx, now)
    return begin_overlap(runtime, tx, before, new_key_id, now)


def _changes(before: Configuration | None, after: Configuration) -> dict[str, str]:
    """Name what changed, as ``old -> new``; every value is one of a closed set. None is what could not be read."""
    new = after.model_dump(mode="json")
    old = before.model_dump(mode="json") if before else dict.fromkeys(new, "unreadable")
    return {name: f"{old[name]} -> {new[name]}".lower() for name in new if old[name] != new[name]}
