"""Saves what the deployment sets in the place of an administrator, at each start and when the file of a key changes.

It approves no row that someone else has changed: only a person does that.
"""

from datetime import datetime

from telemetry_service.domain.actor import DEPLOYMENT
from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.configured import Configured
from telemetry_service.domain.fact_entries import settings_as_said
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.locks import Setting
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.actions.write_settings import (
    anonymize_waiting,
    changes_between,
    replace_api_key,
    said_locks,
    write_settings,
)
from telemetry_service.pipeline.api_key import holds
from telemetry_service.pipeline.changed_rows import distrust_older
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.stamps import CONFIGURATION


def apply_configured(runtime: Runtime, configured: Configured) -> None:
    """Save it, unless it is saved already: then nothing is written. Safe in any number of replicas at once.

    If someone else has changed the row, there is an entry in any case, so that they cannot put back what it was.

    Raises:
        RowUnreadableError: the configuration cannot be read, so only a person can replace it.
        StorageUnavailableError: the database cannot be written.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        stored = tx.configuration.get(lock=True)
        api_key = _other_key(runtime, tx, configured)
        after = configured.values.applied_to(stored.values)
        distrust_older(runtime, tx)
        doubted = bool(configured.locked) and tx.stamps.doubts(CONFIGURATION)
        if api_key is None and after == stored.values and not doubted:
            return
        if doubted:
            tx.stamps.void(CONFIGURATION)  # What is right now may have been otherwise, and be put back.
        changes = _save(runtime, tx, stored.values, after, now, said_again=doubted)
        if api_key is not None:
            replace_api_key(runtime, tx, api_key, now, DEPLOYMENT, overlap=True)
    if api_key is not None:
        log_event(Event.API_KEY_SET, actor=DEPLOYMENT.label)
    log_event(Event.CONFIGURATION_SAVED, actor=DEPLOYMENT.label, changed=tuple(changes))


def other_settings(runtime: Runtime, tx: Transaction) -> tuple[Setting, ...]:
    """Return what the deployment sets, and is saved otherwise."""
    different = runtime.configured.different(tx.configuration.get().values)
    return different if _other_key(runtime, tx, runtime.configured) is None else (*different, Setting.API_KEY)


def _other_key(runtime: Runtime, tx: Transaction, configured: Configured) -> str | None:
    """Return the deployment's key if another one is stored, or none that can be opened."""
    if configured.api_key is None:
        return None
    api_key = configured.api_key.get_secret_value()
    return None if holds(runtime, tx, api_key) else api_key


def _save(
    runtime: Runtime,
    tx: Transaction,
    before: Configuration,
    after: Configuration,
    now: datetime,
    *,
    said_again: bool,
) -> dict[str, str]:
    changes = changes_between(before, after)
    if changes or said_again:
        write_settings(runtime, tx, before, after, now)
        if after.anonymize_pii and not before.anonymize_pii:
            anonymize_waiting(runtime, tx, DEPLOYMENT)
        said = {"changes": changes, "settings": settings_as_said(after), **said_locks(runtime)}
        tx.ledger.note(now, DEPLOYMENT, Kind.SETTINGS, said)
    return changes
