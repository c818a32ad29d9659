"""*Test Connection*: a signed message without telemetry, step by step."""

from telemetry_service.domain.activity import Action
from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.domain.connection import ConnectionTest, OnStep, ignore_step
from telemetry_service.domain.obstacles import bars_test
from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.installation import Installation
from telemetry_service.pipeline.log_lines import log_connection_test
from telemetry_service.pipeline.situation import read_setup
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.sealer import seal_ping


def check_connection(
    installation: Installation,
    actor: str,
    api_key: str | None = None,
    on_step: OnStep = ignore_step,
) -> ConnectionTest:
    """Test the connection with the stored API key, or with one that is not saved yet.

    ``on_step`` is called with each step as it begins. A test with the stored key counts for the health; one with
    another key says nothing about what is configured, and counts once that very key is saved. One with the stored key
    that succeeds also wakes what is held, for the connection has evidently changed.
    Raises :class:`TelemetryDisabledError`, :class:`NotConfiguredError` or :class:`KeyUnusableError`.
    """
    used_key = _key_to_try(installation, api_key)
    result = _try(installation, used_key, on_step)
    stored = _note(installation, actor, result, key_id(used_key))
    log_connection_test(result, stored_key=stored)
    return result


def try_connection(
    installation: Installation, api_key: str | None = None, on_step: OnStep = ignore_step
) -> ConnectionTest:
    """Do the same, and note nothing: for whoever only looks. Raises the same."""
    return _try(installation, _key_to_try(installation, api_key), on_step)


def _key_to_try(installation: Installation, api_key: str | None) -> str:
    with installation.database.read() as tx:
        bar = bars_test(read_setup(installation, tx))
        if bar is not None:
            raise bar.refusal()
        return api_key or open_api_key(installation, tx)


def _try(installation: Installation, api_key: str, on_step: OnStep) -> ConnectionTest:
    now = installation.clock.now()
    assert installation.client is not None  # noqa: S101 - else it would be barred
    return installation.client.check_connection(seal_ping(time_ordered_id(now), int(now.timestamp()), api_key), on_step)


def _note(installation: Installation, actor: str, result: ConnectionTest, tested_key_id: str) -> bool:
    """Note the verdict; return whether the tested key is the stored one. Another one counts only once it is saved."""
    now = installation.clock.now()
    verdict = "ok" if result.cause is None else result.cause.value
    with installation.database.write() as tx:
        stored = tx.configuration.get(lock=True).api_key
        saved = stored is not None and stored.key_id == tested_key_id
        tx.activity.note(now, actor, Action.CONNECTION_TESTED, result=verdict, key="saved" if saved else "unsaved")
        if not saved:
            tx.contacts.tested_typed(tested_key_id, ok=result.ok, cause=result.cause)
            return False
        if result.ok:
            tx.transmissions.wake(frozenset({State.HELD}), now, AttemptTrigger.CONNECTION_CHANGED)
        tx.contacts.tested(now, ok=result.ok, cause=result.cause)
    return True
