"""Saves the configuration in one step: effective at once in every replica, audited, never overwriting a newer one."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.configuration import Configuration, ConfigurationPatch, StoredConfiguration
from telemetry_service.domain.consequences import Consequences
from telemetry_service.domain.errors import (
    ConfirmationRequiredError,
    RowUnreadableError,
    SettingLockedError,
    StaleConfigurationError,
)
from telemetry_service.domain.fact_entries import settings_as_said
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.locks import Setting
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.actions.approve_rows import Before, approved_rows
from telemetry_service.pipeline.actions.write_settings import (
    anonymize_waiting,
    changes_between,
    replace_api_key,
    said_locks,
    write_settings,
)
from telemetry_service.pipeline.api_key import holds, open_api_key
from telemetry_service.pipeline.api_key_overlap import (
    Ended,
    end_overlap,
)
from telemetry_service.pipeline.changed_rows import changed_now, distrust_older
from telemetry_service.pipeline.queries.configuration import ConfigurationView, read_configuration
from telemetry_service.pipeline.queries.consequences import read_consequences
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.signed_numbers import known_numbers
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.pipeline.verification import read_verification
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.stamps import Stamped

Check = Callable[[Snapshot, Configuration], None]
"""Checks a save, given the state before it and the new values."""

AsSeen = Callable[[int], bool]
"""Whether the caller has seen this version of the configuration."""


def any_version(_version: int) -> bool:
    """Accept whichever version there is."""
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
        SettingLockedError: it would change what the deployment sets.
        NotVerifiedYetError: something in the database has changed a row between two steps; nothing was saved.
    """
    if wanted.enabled is False:
        read_up_to_now(runtime)  # What is in the source by now belongs to the period that ends.
    now = runtime.clock.now()
    replaced = False
    with runtime.database.write() as tx:
        before, replaced_rows = _before(tx, now)
        if not (seen(before.version) if callable(seen) else seen == before.version):
            raise StaleConfigurationError
        values = _permitted(runtime, before.values, wanted)
        if check is not None:
            check(Snapshot(runtime, tx, now), values)
        changed = changed_now(runtime, tx)
        approves = _approval(runtime, tx, replaced_rows) if changed else None
        write_settings(runtime, tx, before.values, values, now, approves, by_person=True)
        if api_key is not None:
            _check_key(runtime, tx, api_key)
            # The key that someone has put into the row may be one that was destroyed, so it does not overlap.
            replaced = replace_api_key(runtime, tx, api_key, now, actor, overlap=overlap and not changed)
        elif values.anonymize_pii and (changed or not before.values.anonymize_pii):
            anonymize_waiting(runtime, tx, actor)
        changes = changes_between(before.values if replaced_rows is None else None, values)
        if changes or changed:
            approved = approved_rows(Snapshot(runtime, tx, now), changed)
            said = {"changes": changes, "settings": settings_as_said(values), **approved, **said_locks(runtime)}
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
        SettingLockedError: it would change what the deployment sets.
    """
    stored = snapshot.configuration
    if not as_seen(stored.version):
        raise StaleConfigurationError
    values = _permitted(snapshot.runtime, stored.values, wanted)
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
    runtime: Runtime, api_key: str, actor: Actor, as_seen: AsSeen = any_version, *, overlap: bool = False
) -> ConfigurationView:
    """Save a new API key. Payloads held for the old key are tried at once.

    With ``overlap``, the old key is still tried where the new one is not accepted yet, for a day at most; without, it
    is destroyed now. Saving the present key again makes no new version and is no entry, unless someone else has changed
    its row.

    Raises:
        StaleConfigurationError: the configuration is no longer a version that the caller has seen.
        SettingLockedError: the deployment sets the API key.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        _lock_as_seen(tx, as_seen)
        _check_key(runtime, tx, api_key)
        distrust_older(runtime, tx)
        replaced = replace_api_key(runtime, tx, api_key, now, actor, overlap=overlap)
        view = read_configuration(Snapshot(runtime, tx, now))
    if replaced:
        log_event(Event.API_KEY_SET, actor=actor.label)
    return view


def remove_api_key(runtime: Runtime, actor: Actor, as_seen: AsSeen = any_version) -> ConfigurationView:
    """Forget the API key. Nothing can be sent until another one is set.

    If someone has changed its row, the key is removed even if the row has none: it could be put back.

    Raises:
        StaleConfigurationError: the configuration is no longer a version that the caller has seen.
        SettingLockedError: the deployment sets the API key.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        stored = _lock_as_seen(tx, as_seen)
        present = stored.api_key is not None or ChangedRow.SETTINGS in changed_now(runtime, tx)
        if present:
            _check_key(runtime, tx, None)
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


def _permitted(runtime: Runtime, before: Configuration, wanted: Configuration | ConfigurationPatch) -> Configuration:
    """Return what may be saved. While the deployment locks telemetry off, the saved switch stays unchanged."""
    deployment = runtime.deployment
    shown = before if deployment.enabled else before.model_copy(update={"enabled": False})
    after = wanted.applied_to(shown)
    refused = [it for it in deployment.locked if getattr(after, it, None) != getattr(shown, it, None)]
    if refused:
        raise SettingLockedError.of(refused)
    return after if deployment.enabled else after.model_copy(update={"enabled": before.enabled})


def _check_key(runtime: Runtime, tx: Transaction, api_key: str | None) -> None:
    """Refuse another API key, or none, in the place of the one that the deployment sets."""
    if Setting.API_KEY in runtime.deployment.locked and not (api_key and holds(runtime, tx, api_key)):
        raise SettingLockedError.of((Setting.API_KEY,))


def _before(tx: Transaction, now: datetime) -> tuple[StoredConfiguration, tuple[Stamped, ...] | None]:
    """Return the configuration before a save, locked.

    If it cannot be read, the save replaces it: then also all rows that have stamps, as they were before that.
    """
    try:
        return tx.configuration.get(lock=True), None
    except RowUnreadableError:
        rows = tx.stamps.all()
        return tx.configuration.start_over(now), rows


def _approval(runtime: Runtime, tx: Transaction, rows: tuple[Stamped, ...] | None) -> Before:
    numbers = known_numbers(runtime, tx, read_verification(runtime, tx))
    return Before(tx.stamps.all() if rows is None else rows, numbers)
