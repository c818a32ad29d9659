"""The customer that a waiting payload was made for. Whoever is the customer later has nothing to do with it.

Its clear ID is kept sealed in the transmission's row, because its pseudonym follows the API key for as long as nothing
of the payload can have arrived.
"""

from uuid import UUID

from pydantic import ValidationError

from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError
from telemetry_service.domain.payload import PreparedPayload
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.identity import pseudonym
from telemetry_service.storage.database import Transaction

_CLEAR = "cus_"


def seal_customer(runtime: Runtime, transmission_id: UUID, customer_id: str) -> bytes:
    """Return the customer's ID as it is kept with a transmission; in another's row it could not be opened."""
    return runtime.keys.seal(customer_id.encode(), _purpose(transmission_id))


def customer_of(runtime: Runtime, tx: Transaction, transmission_id: UUID, prepared: str) -> str | None:
    """Return the clear ID of the customer that a transmission was made for; ``prepared`` is its name in the payload.

    None where it is not known: what was prepared under a pseudonym then leaves under that very one.
    """
    if prepared.startswith(_CLEAR):
        return prepared
    sealed = tx.transmissions.sealed_customer(transmission_id)
    if sealed is None:
        return None
    try:
        return runtime.keys.open(sealed, _purpose(transmission_id)).decode()
    except KeyUnusableError:
        return None


def adopt_customers(runtime: Runtime, tx: Transaction) -> None:
    """Keep the customer of what version 0.1.0 left waiting, where it certainly is the present one.

    It is where the payload's pseudonym is the present customer's under the present API key. Otherwise the key or the
    customer has changed since, no one can tell which, and the stored pseudonym is final: the License Server knows it
    under every key that was ever the customer's, and under another customer the counts must not leave.
    """
    waiting = tx.transmissions.without_customer()
    customer_id = runtime.customer_id(tx.license.get())
    if not waiting or customer_id is None:
        return
    try:
        present = pseudonym(open_api_key(runtime, tx.configuration.sealed_api_key()), customer_id)
    except (NotConfiguredError, KeyUnusableError):
        return
    for transmission_id, payload in waiting:
        if _name_in(payload) == present:
            sealed = seal_customer(runtime, transmission_id, customer_id)
            tx.transmissions.keep_customer(transmission_id, sealed)


def _name_in(payload: bytes) -> str | None:
    try:
        return PreparedPayload.model_validate_json(payload).customer_id
    except ValidationError:
        return None  # It is set aside when it is to be sent.


def _purpose(transmission_id: UUID) -> str:
    return f"transmission-customer/{transmission_id}"
