"""Whether the latest acceptance can be proved by its receipt."""

from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.pipeline.prepared import accepted_without_receipt
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction


def last_receipt_unverified(runtime: Runtime, tx: Transaction) -> bool:
    """Whether a key is pinned, and the last acceptance came without a receipt that it verifies.

    An administrator's decision to do without one is no longer reported.
    """
    pinned = runtime.receipt_keys
    try:
        last = tx.transmissions.last_receipt()
    except RowUnreadableError:
        return True
    if pinned is None or last is None:
        return False
    valid = (
        last.receipt is not None and pinned.read(last.receipt, last.transmission_id, last.payload_digests) is not None
    )
    return not valid and not accepted_without_receipt(runtime, tx, last.transmission_id)
