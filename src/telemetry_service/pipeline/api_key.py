"""The API key at rest: sealed under ENCRYPTION_KEY, opened only where it is used."""

from datetime import datetime
from hmac import compare_digest
from uuid import UUID

from telemetry_service.domain.configuration import ApiKeyFact, hint_of
from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.domain.locks import Setting
from telemetry_service.domain.obstacles import api_key_unusable, no_api_key
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.keyring import Place
from telemetry_service.storage.configuration import SealedApiKey
from telemetry_service.storage.database import Transaction

PURPOSE = "api-key"


def seal_api_key(runtime: Runtime, tx: Transaction, api_key: str, now: datetime) -> SealedApiKey:
    """Return the key as it is stored."""
    installation = tx.installation.sealed_for()
    sealed = runtime.keys.seal(api_key.encode(), Place(PURPOSE, installation))
    return SealedApiKey(sealed, ApiKeyFact(key_id(api_key), hint_of(api_key), now), installation)


def open_api_key(runtime: Runtime, stored: SealedApiKey | None, transmission_id: UUID | None = None) -> str:
    """Return the API key unencrypted.

    A key that cannot be opened is logged here for all callers, with the ``transmission_id`` that could not be sent.

    Raises:
        NotConfiguredError: no API key is stored.
        KeyUnusableError: the stored API key cannot be opened.
    """
    locked = Setting.API_KEY in runtime.deployment.locked
    if stored is None:
        raise no_api_key(key_locked=locked)
    try:
        return _opened(runtime, stored)
    except KeyUnusableError as error:
        log_event(Event.API_KEY_UNREADABLE, transmission_id=transmission_id, code=error.code)
        raise api_key_unusable(key_locked=locked) from None


def is_stored(runtime: Runtime, tx: Transaction, api_key: str) -> bool:
    """Whether this is the API key that is stored, sealed under the newest key of ``ENCRYPTION_KEY``."""
    stored = tx.configuration.sealed_api_key()
    newest = stored is not None and stored.sealed.startswith(runtime.keys.newest_head)
    return newest and holds(runtime, tx, api_key)


def holds(runtime: Runtime, tx: Transaction, api_key: str) -> bool:
    """Whether this is the API key that is stored, sealed under any key."""
    stored = tx.configuration.sealed_api_key()
    try:
        return stored is not None and compare_digest(_opened(runtime, stored), api_key)
    except KeyUnusableError:
        return False


def _opened(runtime: Runtime, stored: SealedApiKey) -> str:
    opened = runtime.keys.open(stored.sealed, Place(PURPOSE, stored.installation)).decode()
    if key_id(opened) != stored.fact.key_id:  # Someone has put an older one in its place.
        raise KeyUnusableError
    return opened
