"""Renews the key that signs the ledger."""

from telemetry_service.domain.actor import Actor
from telemetry_service.pipeline.queries.ledger import LedgerKeys, read_ledger_keys
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now


def rotate_ledger_key(runtime: Runtime, actor: Actor) -> LedgerKeys:
    """Let a new key sign from here on, and seal all keys under the newest ENCRYPTION_KEY.

    The old key signs the line that announces the new one, so anyone who trusts the old key can follow.

    Raises:
        KeyUnusableError: the old key cannot be opened with ENCRYPTION_KEY.
    """
    with runtime.database.write() as tx:
        tx.ledger.rotate_key(runtime.clock.now(), actor)
    return read_now(runtime, read_ledger_keys)
