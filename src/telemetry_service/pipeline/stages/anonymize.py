"""The last look at the name in a payload: the customer ID does not leave while the settings say that a pseudonym does.

Waiting payloads are prepared again once anonymization is on. But which of them wait, and which may have arrived, is
looked up in rows then, which someone may have changed for that moment.
"""

from contextlib import suppress
from uuid import UUID

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError
from telemetry_service.domain.stored_payload import read_stored
from telemetry_service.pipeline.api_key_overlap import naming_key
from telemetry_service.pipeline.customer import names_customer
from telemetry_service.pipeline.prepared import has_arrived_perhaps
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.prepare_again import Reason, prepare_one_again
from telemetry_service.storage.database import Transaction


class CustomerNamedError(Exception):
    """A payload has the customer ID as plain text, although it could still get a pseudonym."""


def refuse_customer(runtime: Runtime, tx: Transaction, transmission_id: UUID, payload: bytes) -> None:
    """Let no payload leave that has the customer ID, unless it may have arrived: then its bytes never change.

    Raises:
        CustomerNamedError: nothing of it can have arrived.
    """
    named = (read_stored(payload) or {}).get("customer_id")
    if names_customer(named) and not has_arrived_perhaps(runtime, tx, transmission_id):
        raise CustomerNamedError


def anonymize(runtime: Runtime, transmission_id: UUID) -> None:
    """Prepare such a payload again. Without an API key there is no pseudonym, and nothing is sent."""
    now = runtime.clock.now()
    with suppress(NotConfiguredError, KeyUnusableError), runtime.database.write() as tx:
        tx.configuration.get(lock=True)  # Before the transmission, in the order of every transaction.
        api_key = naming_key(runtime, tx, now)
        prepare_one_again(runtime, tx, transmission_id, api_key, SERVICE, Reason.ANONYMIZED)
