"""Prepares waiting payloads again under a new API key, or once anonymization is on.

A pseudonym depends on the API key, and the License Server cannot know that of a mistyped key. So as long as nothing of
a payload can have arrived, it is prepared again for the same customer, in the transaction of the change. After that,
its bytes never change. Turning anonymization off never reveals a pseudonym.
"""

from contextlib import suppress
from enum import StrEnum
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.errors import PayloadChangedError, RowUnreadableError
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.stored_payload import read_stored
from telemetry_service.domain.transmissions import Transmission
from telemetry_service.pipeline.customer import customer_of, is_pseudonym
from telemetry_service.pipeline.missing_entries import is_held
from telemetry_service.pipeline.prepared import Prepared, has_arrived_perhaps, prepared_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.identity import pseudonym
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.expiry import WAITING


class Reason(StrEnum):
    """Why a payload was prepared again."""

    API_KEY_CHANGED = "api_key_changed"
    ANONYMIZED = "anonymized"
    TAKEN_OVER = "taken_over"
    REFUSED = "refused"


def prepare_waiting_again(runtime: Runtime, tx: Transaction, api_key: str, actor: Actor, reason: Reason) -> None:
    """Prepare every waiting payload again whose customer would be named otherwise under ``api_key`` now."""
    for transmission_id in tx.transmissions.waiting(frozenset(WAITING)):
        with suppress(RowUnreadableError):  # Someone has written into its row: it stays as it is, and is never sent.
            prepare_one_again(runtime, tx, transmission_id, api_key, actor, reason)


def prepare_one_again(  # noqa: PLR0913, PLR0917 - the change, by whom, and why
    runtime: Runtime,
    tx: Transaction,
    transmission_id: UUID,
    api_key: str,
    actor: Actor,
    reason: Reason,
    ended: int | None = None,
) -> bool:
    """Do so with one of them; whether it changed. A payload that someone changed stays as it is: it is never sent.

    ``ended`` is the number of the attempt whose outcome this transaction records.
    """
    transmission = tx.transmissions.lock(transmission_id)
    if transmission is None or not _may_change(runtime, tx, transmission_id, reason, ended):
        return False
    try:
        before = prepared_of(runtime, tx, transmission)
    except PayloadChangedError:
        return False
    document = read_stored(before.content) or {}
    prepared = document.get("customer_id")
    if not isinstance(prepared, str):
        return False  # It was no payload when it was taken over, and is refused when it is due.
    if reason is not Reason.REFUSED and is_pseudonym(prepared) and _is_restored(runtime, tx, before):
        return False
    named = _named(runtime, tx, transmission_id, prepared, api_key)
    if named == prepared:
        return False
    not_needed = set() if _is_restored(runtime, tx, before) else _not_needed(tx, transmission, prepared)
    digest = tx.evidence.keep(transmission_id, canonical_json({**document, "customer_id": named}))
    tx.transmissions.prepare_again(transmission_id, digest)
    tx.evidence.forget(transmission_id, not_needed)
    said: dict[str, Value] = {
        "prepared_sha256": digest,
        "schema_sha256": before.schema_sha256,
        "records": transmission.records_sent,
        "waits_for": None if before.waits_for is None else before.waits_for.value,
        "replaces": transmission.prepared_sha256,
        "reason": reason.value,
    }
    tx.ledger.note(runtime.clock.now(), actor, Kind.PREPARED, said, transmission_id)
    return True


def _may_change(runtime: Runtime, tx: Transaction, transmission_id: UUID, reason: Reason, ended: int | None) -> bool:
    """Whether nothing of it can have arrived, by its entries: someone may have added an attempt to its rows.

    If the License Server refuses the customer of exactly these bytes under the present key, it has not accepted them
    before either: it knows the customer's pseudonyms under every key that the customer had.
    """
    return reason is Reason.REFUSED or not has_arrived_perhaps(runtime, tx, transmission_id, ended)


def _is_restored(runtime: Runtime, tx: Transaction, before: Prepared) -> bool:
    """Whether it waited in a backup that was restored: its ID may have arrived with exactly these bytes since.

    The License Server knows its pseudonym under every key of the customer, so nothing is lost. A customer ID that has
    no pseudonym yet gets one all the same.
    """
    return before.restored or is_held(runtime, tx)


def _not_needed(tx: Transaction, transmission: Transmission, prepared: str) -> set[str]:
    """Return the digests of the bytes that never left: the ledger proves what replaces them without them.

    What an attempt has sent is kept, whatever became of it. Of an attempt that wrote no request, the bytes with the
    customer ID as plain text are not.
    """
    digests = {transmission.prepared_sha256}
    if is_pseudonym(prepared):
        return digests
    unsent = (it for it in tx.transmissions.attempts(transmission.transmission_id) if it.request_written is False)
    return digests | {digest for it in unsent for digest in (it.payload_sha256, it.body_sha256)}


def _named(runtime: Runtime, tx: Transaction, transmission_id: UUID, prepared: str, api_key: str) -> str:
    anonymize = tx.configuration.get().values.anonymize_pii
    if not is_pseudonym(prepared) and not anonymize:
        return prepared
    customer_id = customer_of(runtime, tx, transmission_id, prepared)
    return prepared if customer_id is None else pseudonym(api_key, customer_id)
