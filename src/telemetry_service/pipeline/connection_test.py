"""*Test Connection*: a signed message without telemetry, step by step."""

from telemetry_service.domain.activity import Action
from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.domain.connection import ConnectionTest, Told, tell_nobody
from telemetry_service.domain.errors import LicenseServerMissingError, TelemetryDisabledError
from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.installation import Installation
from telemetry_service.pipeline.log_lines import log_connection_test
from telemetry_service.sealing.sealer import seal_ping


def test_connection(
    installation: Installation,
    actor: str,
    api_key: str | None = None,  # noqa: PT028 - no test of pytest's
    told: Told = tell_nobody,  # noqa: PT028 - no test of pytest's
) -> ConnectionTest:
    """Test the connection with the stored API key, or with one that is not saved yet.

    ``told`` hears of each step as it begins. Only a test with the stored key counts for the health:
    another one says nothing about what is configured. One that succeeds also wakes what is held,
    for the connection has evidently changed.
    Raises :class:`TelemetryDisabledError`, :class:`NotConfiguredError` or :class:`KeyUnusableError`.
    """
    result = try_connection(installation, api_key, told)
    _note(installation, actor, result, stored_key=api_key is None)
    log_connection_test(result, stored_key=api_key is None)
    return result


test_connection.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


def try_connection(installation: Installation, api_key: str | None = None, told: Told = tell_nobody) -> ConnectionTest:
    """Do the same, and note nothing: for whoever only looks. Raises the same."""
    client = installation.client
    with installation.database.read() as tx:
        if not installation.enabled(tx.configuration.get()):
            raise TelemetryDisabledError
        if client is None:
            raise LicenseServerMissingError
        used_key = api_key or open_api_key(installation, tx)
    now = installation.clock.now()
    return client.test(seal_ping(time_ordered_id(now), int(now.timestamp()), used_key), told)


def _note(installation: Installation, actor: str, result: ConnectionTest, *, stored_key: bool) -> None:
    now = installation.clock.now()
    verdict = "ok" if result.cause is None else result.cause.value
    with installation.database.write() as tx:
        tx.activity.note(now, actor, Action.CONNECTION_TESTED, result=verdict, key="saved" if stored_key else "unsaved")
        if not stored_key:
            return
        if result.ok:
            tx.transmissions.wake(frozenset({State.HELD}), now, AttemptTrigger.CONNECTION_CHANGED)
        tx.contacts.tested(now, ok=result.ok, cause=result.cause)
