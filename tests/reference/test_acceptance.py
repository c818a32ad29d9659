"""What a License Server accepts, sent and checked with stock libraries that it does not use itself."""

import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import OctKey
from jwcrypto import jwk, jws

from tests.reference.sender import (
    API_KEY,
    CUSTOMER,
    JOSE,
    PING,
    Draft,
    Line,
    canonical,
    encrypt,
    hkdf,
    key_id,
    payload,
    pseudonym,
)


def claims_of(receipt: str, public_key: str) -> dict[str, str]:
    """What a receipt says, after jwcrypto has verified it."""
    token = jws.JWS()
    token.deserialize(receipt)
    token.verify(jwk.JWK(kty="OKP", crv="Ed25519", x=public_key), alg="EdDSA")
    claims: dict[str, str] = json.loads(token.payload)
    return claims


def test_a_payload_in_clear_is_accepted_and_stands_in_the_journal(line: Line) -> None:
    draft = Draft(canonical(payload()))
    response = line.send(draft.signed())
    assert response.status_code == 200
    assert response.json()["status"] == "accepted"
    assert response.json()["transmission_id"] == str(draft.transmission_id)
    entry = line.journal(draft.transmission_id)
    assert entry is not None
    assert (entry.payload, entry.customer_id, entry.times_received) == (draft.body, CUSTOMER, 1)
    assert entry.body_sha256 == entry.payload_sha256 == hashlib.sha256(draft.body).hexdigest()
    assert (entry.encrypted, entry.key_id) == (False, key_id(API_KEY))


def test_a_payload_encrypted_by_jwcrypto_is_opened(line: Line) -> None:
    plaintext = canonical(payload())
    draft = Draft(encrypt(plaintext, API_KEY), JOSE)
    assert line.send(draft.signed()).json()["status"] == "accepted"
    entry = line.journal(draft.transmission_id)
    assert entry is not None
    assert entry.encrypted
    assert entry.payload == plaintext
    assert entry.body_sha256 == hashlib.sha256(draft.body).hexdigest()


def test_a_payload_encrypted_by_joserfc_is_opened(line: Line) -> None:
    plaintext = canonical(payload())
    header = {"alg": "dir", "enc": "A256GCM", "kid": key_id(API_KEY), "cty": "json"}
    content_key = OctKey.import_key(hkdf(API_KEY, "control-core-telemetry/jwe/v1"))
    draft = Draft(joserfc_jwe.encrypt_compact(header, plaintext, content_key).encode(), JOSE)
    assert line.send(draft.signed()).json()["status"] == "accepted"
    entry = line.journal(draft.transmission_id)
    assert entry is not None
    assert entry.payload == plaintext


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_receipt_says_which_payload_was_received_and_when(line: Line, *, encrypted: bool) -> None:
    plaintext = canonical(payload())
    draft = Draft(encrypt(plaintext, API_KEY), JOSE) if encrypted else Draft(plaintext)
    response = line.send(draft.signed()).json()
    assert claims_of(response["receipt"], line.server.public_key) == {
        "transmission_id": str(draft.transmission_id),
        "payload_sha256": hashlib.sha256(plaintext).hexdigest(),
        "received_at": response["received_at"],
        "license": response["license"],
    }


def test_a_receipt_does_not_verify_under_another_key(line: Line) -> None:
    receipt = line.send(Draft(canonical(payload())).signed()).json()["receipt"]
    stranger = base64.urlsafe_b64encode(b"\x01" * 32).rstrip(b"=").decode()
    with pytest.raises(jws.InvalidJWSSignature):
        claims_of(receipt, stranger)


def test_a_response_carries_the_license_of_the_customer(line: Line) -> None:
    response = line.send(Draft(canonical(payload())).signed()).json()
    assert response["license"] == {"tier": "trial", "license_status": "trial", "expires_at": "2027-01-31T00:00:00.000Z"}


def test_the_same_transmission_again_is_a_duplicate_with_the_first_receipt(line: Line) -> None:
    draft = Draft(canonical(payload()))
    first, second = line.send(draft.signed()).json(), line.send(draft.signed()).json()
    assert second == first | {"status": "duplicate"}
    entry = line.journal(draft.transmission_id)
    assert entry is not None
    assert (entry.times_received, entry.conflicts) == (2, 0)


def test_a_later_attempt_of_the_same_transmission_is_a_duplicate_of_the_first(line: Line) -> None:
    transmission_id = uuid4()
    bodies = [canonical(payload(transmitted_at=f"2026-11-15T02:0{minute}:00.000Z")) for minute in (3, 4)]
    first = line.send(Draft(bodies[0], transmission_id=transmission_id).signed()).json()
    sealed = encrypt(bodies[1], API_KEY)
    second = line.send(Draft(sealed, JOSE, transmission_id=transmission_id).signed()).json()
    assert second == first | {"status": "duplicate"}
    entry = line.journal(transmission_id)
    assert entry is not None
    assert entry.payload == bodies[0]
    digest = claims_of(second["receipt"], line.server.public_key)["payload_sha256"]
    assert digest == hashlib.sha256(bodies[0]).hexdigest()


def test_a_pseudonym_is_recognized_as_the_customer(line: Line) -> None:
    draft = Draft(canonical(payload(customer_id=pseudonym(API_KEY, CUSTOMER))))
    assert line.send(draft.signed()).json()["status"] == "accepted"
    entry = line.journal(draft.transmission_id)
    assert entry is not None
    assert entry.customer_id == CUSTOMER


def test_a_stored_payload_keeps_the_pseudonym_of_a_key_that_was_replaced(mortal: Line) -> None:
    later = "ck_test_a-later-key-0123456789"
    mortal.server.add_key(later, CUSTOMER)
    mortal.server.revoke_key(API_KEY)
    body = canonical(payload(customer_id=pseudonym(API_KEY, CUSTOMER)))
    assert mortal.send(Draft(body).signed()).status_code == 401
    assert mortal.send(Draft(body, api_key=later).signed()).json()["status"] == "accepted"


def test_two_customers_may_come_upon_the_same_id(line: Line) -> None:
    other_key, other_customer = "ck_test_of-another-customer", "cus_Another1"
    line.server.add_key(other_key, other_customer)
    draft = Draft(canonical(payload()))
    other = Draft(
        canonical(payload(customer_id=other_customer)), transmission_id=draft.transmission_id, api_key=other_key
    )
    assert line.send(draft.signed()).json()["status"] == "accepted"
    assert line.send(other.signed()).json()["status"] == "accepted"


@pytest.mark.parametrize("seconds_late", [-240, 240])
def test_a_clock_may_be_off_by_less_than_five_minutes(line: Line, seconds_late: int) -> None:
    response = line.send(Draft(canonical(payload()), seconds_late=seconds_late).signed())
    assert response.json()["status"] == "accepted"


def test_a_list_of_right_signatures_is_accepted(line: Line) -> None:
    message = Draft(canonical(payload())).signed()
    right = message.headers["X-Telemetry-Signature"]
    assert line.send(message.but("X-Telemetry-Signature", f"{right} {right}")).json()["status"] == "accepted"


def test_the_largest_payload_fits_encrypted(line: Line) -> None:
    codes = [f"{number:04d}" + "x" * 60 for number in range(1_000)]
    draft = Draft(encrypt(canonical(payload(redeemed_extension_codes=codes)), API_KEY), JOSE)
    assert line.send(draft.signed()).json()["status"] == "accepted"


def test_a_connection_test_gets_a_response_and_leaves_no_trace(line: Line) -> None:
    draft = Draft(b"{}", path=PING)
    response = line.send(draft.signed())
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert line.journal(draft.transmission_id) is None


def test_the_same_transmission_from_many_sides_at_once_is_accepted_once(line: Line) -> None:
    draft = Draft(canonical(payload()))
    with ThreadPoolExecutor(8) as senders:
        statuses = [
            response.json()["status"] for response in senders.map(line.send, [draft.signed() for _ in range(24)])
        ]
    assert sorted(statuses) == ["accepted"] + ["duplicate"] * 23
    entry = line.journal(draft.transmission_id)
    assert entry is not None
    assert (entry.times_received, entry.conflicts) == (24, 0)
