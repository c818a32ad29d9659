"""*Test Connection*: a signed message without telemetry, step by step."""

from dataclasses import replace

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.domain.connection_check import ConnectionCheck, OnStep, ignore_step
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.locks import Setting
from telemetry_service.domain.obstacles import bars_test, settings_changed
from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.pipeline.changed_rows import changed_in
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import open_snapshot
from telemetry_service.pipeline.stages.log_lines import log_connection_test
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.sealer import seal_ping
from telemetry_service.storage.database import Transaction


def check_connection(
    runtime: Runtime,
    actor: Actor,
    api_key: str | None = None,
    on_step: OnStep = ignore_step,
) -> ConnectionCheck:
    """Test the connection with the stored API key, or with an unsaved one.

    ``on_step`` is called with each step as it begins. A test with the stored key affects the health; one with another
    key counts only once that key is saved. If a test with the stored key succeeds, held transmissions become due,
    because the connection has evidently changed.

    Raises:
        TelemetryDisabledError: telemetry is off.
        NotConfiguredError: the API key or the License Server is missing.
        KeyUnusableError: the stored API key cannot be opened.
        SettingsChangedError: someone has changed the database, so it may be off, and the key another one.
        NotVerifiedYetError: the ledger has to be verified before anyone can tell.
    """
    used_key = _key_to_try(runtime, api_key)
    result = _try(runtime, used_key, on_step)
    stored = _note(runtime, actor, result, key_id(used_key))
    log_connection_test(result, stored_key=stored)
    return result


def try_connection(runtime: Runtime, api_key: str | None = None, on_step: OnStep = ignore_step) -> ConnectionCheck:
    """Do the same without recording it. Raises the same errors."""
    return _try(runtime, _key_to_try(runtime, api_key), on_step)


def _key_to_try(runtime: Runtime, api_key: str | None) -> str:
    with open_snapshot(runtime) as snapshot:
        setup = snapshot.setup
        bar = bars_test(setup)
        if bar is None:  # The row of the settings says whether telemetry is on, and has the key.
            changed = changed_in(runtime, snapshot.tx, snapshot.state)
            bar = settings_changed(replace(setup, changed=changed)) if changed else None
        if bar is not None:
            raise bar.refusal()
        return api_key or snapshot.api_key


def _try(runtime: Runtime, api_key: str, on_step: OnStep) -> ConnectionCheck:
    now = runtime.clock.now()
    assert runtime.client is not None  # noqa: S101 - else it would be barred
    result = runtime.client.check_connection(seal_ping(time_ordered_id(now), int(now.timestamp()), api_key), on_step)
    return replace(result, key_locked=Setting.API_KEY in runtime.deployment.locked)


def _note(runtime: Runtime, actor: Actor, result: ConnectionCheck, tested_key_id: str) -> bool:
    """Record the result; return whether the tested key is the stored one. Another one counts only once it is saved."""
    now = runtime.clock.now()
    verdict = "ok" if result.cause is None else result.cause.value

    def note(tx: Transaction) -> bool:
        stored = tx.configuration.get(lock=True).api_key
        saved = stored is not None and stored.key_id == tested_key_id
        tx.ledger.note(now, actor, Kind.CONNECTION_TESTED, {"result": verdict, "key": "saved" if saved else "unsaved"})
        if not saved:
            tx.exchanges.tested_typed(tested_key_id, ok=result.ok, cause=result.cause)
            return False
        if result.ok:
            tx.transmissions.make_due(frozenset({State.HELD}), now, AttemptTrigger.CONNECTION_CHANGED)
        tx.exchanges.tested(now, ok=result.ok, cause=result.cause)
        return True

    return runtime.database.write_again(note)
