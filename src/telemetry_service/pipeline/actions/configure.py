"""Saves the configuration in one step: effective at once in every replica, audited, and never over a newer one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from telemetry_service.domain.activity import Action
from telemetry_service.domain.configuration import Configuration, StoredConfiguration
from telemetry_service.domain.errors import LockedByDeploymentError, StaleConfigurationError
from telemetry_service.domain.schedule import next_run_after
from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.domain.verdict import Verdict
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.actions.follow_switch import follow_switch
from telemetry_service.pipeline.api_key import open_api_key, seal_api_key
from telemetry_service.pipeline.queries.situation import read_verdict
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction

MOST_COUNTED = 100_000
"""Rows of a purge that are counted before it: each look at the settings counts, and recording is not to notice."""

Check = Callable[[Transaction, StoredConfiguration, Configuration], None]
"""Looks at the configuration before a save and after it."""


@dataclass(frozen=True, slots=True)
class ConfigurationView:
    """The configuration with what only the service knows."""

    stored: StoredConfiguration
    enabled: bool
    """The effective switch: the administrator's, unless the deployment has locked it off."""
    locked: bool
    license_server_configured: bool
    verdict: Verdict

    @property
    def next_run_at(self) -> datetime | None:
        """When the next period closes; null while telemetry is off."""
        return self.verdict.next_run_at

    @property
    def next_send_at(self) -> datetime | None:
        """When something is sent next, be it a retry; None where nothing is."""
        return self.verdict.next_send_at

    @property
    def values(self) -> Configuration:
        """The values as they work: while the deployment locks telemetry off, the switch is off."""
        return self.stored.values.model_copy(update={"enabled": self.enabled})


def read_configuration(runtime: Runtime) -> ConfigurationView:
    """Return the configuration as it stands."""
    with runtime.database.read() as tx:
        return _view(runtime, tx)


def save_configuration(
    runtime: Runtime,
    values: Configuration,
    expected_version: int,
    actor: str,
    api_key: str | None = None,
    check: Check | None = None,
) -> ConfigurationView:
    """Save all values, and the API key where one is given, in one step.

    ``check`` looks at what the save would do, in the transaction that does it, and raises where it must not.

    Raises :class:`StaleConfigurationError` where the configuration is not the version that was
    seen, and :class:`LockedByDeploymentError` where it would have on what the deployment locks off.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        before = tx.configuration.get(lock=True)
        if before.version != expected_version:
            raise StaleConfigurationError
        values = _unlocked(runtime, before.values, values)
        if check is not None:
            check(tx, before, values)
        _apply(runtime, tx, before.values, values, now)
        if api_key is not None:
            _replace_api_key(runtime, tx, api_key, now)
            tx.activity.note(now, actor, Action.API_KEY_SET)
        changes = _changes(before.values, values)
        tx.activity.note(now, actor, Action.CONFIGURATION_SAVED, **changes)
        view = _view(runtime, tx)
    if api_key is not None:
        log_event(Event.API_KEY_SET, actor=actor)
    log_event(Event.CONFIGURATION_SAVED, actor=actor, changed=tuple(changes))
    return view


def set_api_key(runtime: Runtime, api_key: str, actor: str) -> ConfigurationView:
    """Save a new API key. Payloads held for the old key are tried at once."""
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.configuration.get(lock=True)
        _replace_api_key(runtime, tx, api_key, now)
        tx.activity.note(now, actor, Action.API_KEY_SET)
        view = _view(runtime, tx)
    log_event(Event.API_KEY_SET, actor=actor)
    return view


def remove_api_key(runtime: Runtime, actor: str) -> ConfigurationView:
    """Forget the API key. Nothing can be sent until another one is set."""
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        present = tx.configuration.get(lock=True).api_key is not None
        if present:
            tx.configuration.set_api_key(None, now)
            tx.contacts.connection_changed()
            tx.activity.note(now, actor, Action.API_KEY_REMOVED)
        view = _view(runtime, tx)
    if present:
        log_event(Event.API_KEY_REMOVED, actor=actor)
    return view


def reveal_api_key(runtime: Runtime, actor: str) -> str:
    """Return the API key in clear; audited. Raises :class:`NotConfiguredError` or :class:`KeyUnusableError`."""
    with runtime.database.write() as tx:
        api_key = open_api_key(runtime, tx)
        tx.activity.note(runtime.clock.now(), actor, Action.API_KEY_REVEALED)
    log_event(Event.API_KEY_REVEALED, actor=actor)
    return api_key


def rows_to_purge(runtime: Runtime, retention_days: int) -> int:
    """Return how many rows a purge with ``retention_days`` would delete at this moment.

    More than :data:`MOST_COUNTED` are not counted: what is returned then is one more than that.
    """
    with runtime.database.read() as tx:
        return count_rows_to_purge(runtime, tx, retention_days)


def count_rows_to_purge(runtime: Runtime, tx: Transaction, retention_days: int) -> int:
    """Return the same in a transaction of the caller's."""
    return tx.retention.count(runtime.clock.now() - timedelta(days=retention_days), MOST_COUNTED + 1)


def _unlocked(runtime: Runtime, before: Configuration, after: Configuration) -> Configuration:
    """Return what may be saved: while the deployment locks the switch off, the administrator's own stays as it was."""
    if runtime.deployment.enabled:
        return after
    if after.enabled:
        raise LockedByDeploymentError
    return after.model_copy(update={"enabled": before.enabled})


def _apply(runtime: Runtime, tx: Transaction, before: Configuration, after: Configuration, now: datetime) -> None:
    # Every transaction takes its locks in one order: configuration, period, schedule, transmissions, contact.
    tx.configuration.save(after, now)
    follow_switch(runtime, tx, now)
    # A tick that is due already is still run: it would be lost if the next one took its place.
    if after.frequency is not before.frequency and tx.schedule.next_run_at() > now:
        tx.schedule.plan(next_run_after(after.frequency, now))


def _replace_api_key(runtime: Runtime, tx: Transaction, api_key: str, now: datetime) -> None:
    before, key = tx.configuration.get().api_key, seal_api_key(runtime, api_key, now)
    tx.configuration.set_api_key(key, now)
    tx.transmissions.wake(frozenset({State.HELD}), now, AttemptTrigger.CONNECTION_CHANGED)
    latest = tx.contacts.record().last_exchange
    same = before is not None and before.key_id == key.fact.key_id
    if not same or (latest is not None and not latest.ok):
        # Of another key nothing is known; and whoever saves the same one again after a failure has changed something.
        tx.contacts.connection_changed()
    tx.contacts.key_saved(key.fact.key_id, now)


def _changes(before: Configuration, after: Configuration) -> dict[str, str]:
    """Name what changed, as ``old -> new``; every value is one of a closed set."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return {name: f"{old[name]} -> {new[name]}".lower() for name in new if old[name] != new[name]}


def _view(runtime: Runtime, tx: Transaction) -> ConfigurationView:
    stored = tx.configuration.get()
    return ConfigurationView(
        stored=stored,
        enabled=runtime.enabled(stored),
        locked=not runtime.deployment.enabled,
        license_server_configured=runtime.client is not None,
        verdict=read_verdict(runtime, tx, runtime.clock.now()),
    )
