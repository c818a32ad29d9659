"""Writes what was decided into the configuration: the settings and the API key, with what follows from them.

The caller has locked the configuration, and writes the entry about the settings.
"""

from datetime import datetime

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError, RowUnreadableError
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.schedule import next_run_after
from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.pipeline.actions.approve_rows import Before, approve_rows
from telemetry_service.pipeline.actions.follow_switch import follow_switch
from telemetry_service.pipeline.api_key import is_stored, seal_api_key
from telemetry_service.pipeline.api_key_overlap import (
    Ended,
    OldApiKey,
    begin_overlap,
    end_overlap,
    naming_key,
    read_overlap,
)
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.prepare_again import Reason, prepare_waiting_again
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.stamps import CONFIGURATION

LOCKS = "locked_settings"
"""The name of the locks in entries."""


def write_settings(  # noqa: PLR0913 - the change, and by whom
    runtime: Runtime,
    tx: Transaction,
    before: Configuration,
    after: Configuration,
    now: datetime,
    approves: Before | None = None,
    *,
    by_person: bool = False,
) -> None:
    """Write the settings, and approve the rows that someone else has changed, if there are any."""
    # Every transaction takes its locks in one order: configuration, period, schedule, transmissions, last exchange.
    if approves or before != after:
        tx.configuration.save(after, now)
    if approves:
        approve_rows(runtime, tx, now, approves)
    follow_switch(runtime, tx, now, after if by_person else None)
    # A tick that is already due still runs: it would be lost if the next one replaced it.
    if after.frequency is not before.frequency and not _run_is_due(tx, now):
        tx.schedule.plan(next_run_after(after.frequency, now))


def anonymize_waiting(runtime: Runtime, tx: Transaction, actor: Actor) -> None:
    """Replace the customer ID in waiting payloads, because the settings say so from now on."""
    try:
        api_key = naming_key(runtime, tx, runtime.clock.now())
    except (NotConfiguredError, KeyUnusableError):
        return  # Without a key there is no pseudonym, and nothing is sent. The next key prepares them again.
    prepare_waiting_again(runtime, tx, api_key, actor, Reason.ANONYMIZED)


def replace_api_key(
    runtime: Runtime, tx: Transaction, api_key: str, now: datetime, actor: Actor, *, overlap: bool
) -> bool:
    """Replace the API key; False if it is the present one, which stays as it is.

    If someone else has changed its row, it is replaced in any case: they could put back what it was.
    """
    replaces = not is_stored(runtime, tx, api_key) or tx.stamps.doubts(CONFIGURATION)
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
        replaced = {"key_id": key.fact.key_id, "before": before.key_id if before else None}
        said = {**replaced, **until, **said_locks(runtime)}
        tx.ledger.note(now, actor, Kind.KEY_SET, said)
    return replaces


def said_locks(runtime: Runtime) -> dict[str, Value]:
    """Return what the entries about settings and key say of the deployment's locks: the latest one knows."""
    return {LOCKS: [setting.value for setting in runtime.deployment.locked_settings]}


def changes_between(before: Configuration | None, after: Configuration) -> dict[str, str]:
    """Name what changed, as ``old -> new``; every value is one of a closed set. None is what could not be read."""
    new = after.model_dump(mode="json")
    old = before.model_dump(mode="json") if before else dict.fromkeys(new, "unreadable")
    return {name: f"{old[name]} -> {new[name]}".lower() for name in new if old[name] != new[name]}


def _run_is_due(tx: Transaction, now: datetime) -> bool:
    try:
        return tx.schedule.next_run_at() <= now
    except RowUnreadableError:
        return False


def _overlap(runtime: Runtime, tx: Transaction, new_key_id: str, now: datetime) -> OldApiKey | None:
    """Keep what the new key replaces. Saving the present key again leaves everything as it is.

    What someone else has made of the row is not kept: it may be a key that was destroyed.
    """
    if tx.stamps.doubts(CONFIGURATION):
        return None
    before = tx.configuration.sealed_api_key()
    if before is not None and before.fact.key_id == new_key_id:
        return read_overlap(runtime, tx, now)
    return begin_overlap(runtime, tx, before, new_key_id, now)
