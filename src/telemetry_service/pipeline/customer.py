"""The customer that a waiting payload was made for, regardless of who the customer is later.

The customer ID is stored sealed in the transmission's row, because the pseudonym depends on the API key until the
payload may have arrived.
"""

import json
from uuid import UUID

from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.identity import pseudonym
from telemetry_service.sealing.keyring import Place
from telemetry_service.storage.database import Transaction

_CLEAR = "cus_"
_PSEUDONYM = "anon_"
"""The prefix of every pseudonym, and of no customer ID."""


def is_pseudonym(customer_id: str) -> bool:
    """Whether a customer ID is named by its pseudonym."""
    return customer_id.startswith(_PSEUDONYM)


def names_customer(customer_id: object) -> bool:
    """Whether it is the ID itself, as the License Server's own records have it."""
    return isinstance(customer_id, str) and customer_id.startswith(_CLEAR)


def seal_customer(runtime: Runtime, tx: Transaction, transmission_id: UUID, customer_id: str) -> bytes:
    """Return the customer ID sealed for a transmission; in another row it could not be opened."""
    return runtime.keys.seal(customer_id.encode(), _place(tx, transmission_id))


def customer_of(runtime: Runtime, tx: Transaction, transmission_id: UUID, prepared: str) -> str | None:
    """Return the ID of the customer that a transmission was made for; ``prepared`` is the name in the payload.

    None if it is not known: a payload that was prepared under a pseudonym is then sent under the same one.
    """
    if names_customer(prepared):
        return prepared
    sealed = tx.transmissions.sealed_customer(transmission_id)
    if sealed is None:
        return None
    try:
        return runtime.keys.open(sealed, _place(tx, transmission_id)).decode()
    except KeyUnusableError:
        return None


def adopt_customers(runtime: Runtime, tx: Transaction) -> None:
    """Store the customer of the transmissions that version 0.1.0 left waiting, if it is certainly the present one.

    That is certain if the payload's pseudonym is the present customer's under the present API key. Otherwise the key or
    the customer has changed since, it is unknown which, and the stored pseudonym is final: the License Server knows it
    under every key the customer ever had, and the counts must not be sent for another customer.
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
            sealed = seal_customer(runtime, tx, transmission_id, customer_id)
            tx.transmissions.keep_customer(transmission_id, sealed)


def _name_in(payload: bytes) -> str | None:
    try:
        named: str | None = json.loads(payload)["customer_id"]
    except (ValueError, KeyError, TypeError):
        return None  # It is refused when it is due.
    return named


def purpose_of(transmission_id: UUID) -> str:
    """Return what the customer of a transmission is sealed as."""
    return f"transmission-customer/{transmission_id}"


def _place(tx: Transaction, transmission_id: UUID) -> Place:
    return Place(purpose_of(transmission_id), tx.installation.sealed_for())
