"""A sealed attempt is verified and opened by stock libraries, and holds nothing but the payload."""

import hashlib
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import OctKey
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from standardwebhooks import Webhook, WebhookVerificationError

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.configuration import API_KEY_PATTERN
from telemetry_service.domain.errors import PayloadContradictionError
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.payload import TelemetryAggregatePayload
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.derivation import derive_key
from telemetry_service.sealing.jwe import encrypt
from telemetry_service.sealing.sealer import payload_bytes, seal, seal_ping
from tests.sealing.payloads import example_members, payload
from tests.support.each import each

API_KEY = "an-api-key-of-the-tests-of-sealing"
TRANSMISSION_ID = UUID("0193b2f6-7a00-7000-8000-0000000000a1")
TIMESTAMP = 1_763_172_197
PLAINTEXT = payload_bytes(payload())

API_KEYS = st.from_regex(API_KEY_PATTERN, fullmatch=True)


def content_key(api_key: str) -> bytes:
    return derive_key(api_key.encode(), "control-core-telemetry/jwe/v1")


def opened_by_jwcrypto(body: bytes, api_key: str) -> bytes:
    token = JWE(algs=["dir", "A256GCM"])
    token.deserialize(body.decode(), JWK(kty="oct", k=to_base64url(content_key(api_key)).decode()))
    plaintext: bytes = token.payload
    return plaintext


def opened_by_joserfc(body: bytes, api_key: str) -> bytes:
    key = OctKey.import_key(content_key(api_key))
    plaintext = joserfc_jwe.decrypt_compact(body, key, algorithms=["dir", "A256GCM"]).plaintext
    assert plaintext is not None
    return plaintext


def verify_with_stock_library(message: SealedMessage, api_key: str) -> None:
    headers = {
        "webhook-id": str(message.transmission_id),
        "webhook-timestamp": str(message.timestamp),
        "webhook-signature": message.signature,
    }
    Webhook(api_key.encode()).verify(message.body, headers, json_parse=False)


@given(API_KEYS, st.binary(min_size=1, max_size=200))
def test_stock_libraries_open_what_was_encrypted(api_key: str, plaintext: bytes) -> None:
    body = encrypt(plaintext, api_key, iv=bytes(12))
    assert opened_by_jwcrypto(body, api_key) == plaintext
    assert opened_by_joserfc(body, api_key) == plaintext


@each("length", [0, 8, 11, 13, 16])
def test_an_iv_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        encrypt(b"{}", API_KEY, iv=bytes(length))


@given(API_KEYS, st.booleans())
def test_a_stock_verifier_accepts_the_signature_of_what_leaves(api_key: str, encrypted: bool) -> None:  # noqa: FBT001 - drawn
    now = int(SystemClock().now().timestamp())
    message = seal(PLAINTEXT, TRANSMISSION_ID, now, api_key, encrypted).message
    verify_with_stock_library(message, api_key)
    with pytest.raises(WebhookVerificationError):
        verify_with_stock_library(message, api_key + "x")


def test_an_encrypted_payload_is_the_canonical_one_inside() -> None:
    sealed = seal(PLAINTEXT, TRANSMISSION_ID, TIMESTAMP, API_KEY, encrypt=True, iv=bytes(12))
    plaintext = opened_by_jwcrypto(sealed.message.body, API_KEY)
    assert plaintext == canonical_json(example_members())
    assert sealed.message.content_type == "application/jose"
    assert sealed.encrypted
    assert sealed.payload_sha256 == hashlib.sha256(plaintext).hexdigest()
    assert sealed.body_sha256 == hashlib.sha256(sealed.message.body).hexdigest() != sealed.payload_sha256
    assert b"cus_" not in sealed.message.body


def test_a_clear_payload_is_sent_as_canonical_json() -> None:
    sealed = seal(PLAINTEXT, TRANSMISSION_ID, TIMESTAMP, API_KEY, encrypt=False)
    assert sealed.message.body == canonical_json(example_members())
    assert sealed.message.content_type == "application/json"
    assert not sealed.encrypted
    assert sealed.payload_sha256 == sealed.body_sha256 == hashlib.sha256(sealed.message.body).hexdigest()


def test_the_protected_header_is_exactly_that_of_the_protocol(known: dict[str, Any]) -> None:
    body = encrypt(b"{}", known["api_key"], iv=bytes(12))
    assert body.split(b".")[0] == to_base64url(known["protected_header"].encode())
    assert body.split(b".")[1] == b""


def test_each_attempt_has_a_fresh_iv() -> None:
    attempts = [seal(PLAINTEXT, TRANSMISSION_ID, TIMESTAMP, API_KEY, encrypt=True) for _ in range(20)]
    assert len({attempt.message.body.split(b".")[2] for attempt in attempts}) == 20
    assert len({attempt.message.body for attempt in attempts}) == 20


def test_what_version_0_1_0_sent_can_be_reproduced_from_its_iv() -> None:
    """It kept no bytes, and the first start takes its attempts over."""
    first, again = (
        seal(PLAINTEXT, TRANSMISSION_ID, TIMESTAMP, API_KEY, encrypt=True, iv=bytes(range(12))) for _ in range(2)
    )
    assert again == first


def test_the_head_of_the_ledger_is_told_in_a_header_where_somebody_may_echo_it() -> None:
    told = seal(PLAINTEXT, TRANSMISSION_ID, TIMESTAMP, API_KEY, encrypt=False, ledger="a" * 64).message
    untold = seal(PLAINTEXT, TRANSMISSION_ID, TIMESTAMP, API_KEY, encrypt=False).message
    assert told.headers() == {**untold.headers(), "X-Telemetry-Ledger": "a" * 64}


def test_a_ping_is_signed_and_holds_no_telemetry() -> None:
    ping = seal_ping(TRANSMISSION_ID, int(SystemClock().now().timestamp()), API_KEY)
    assert (ping.body, ping.content_type) == (b"{}", "application/json")
    verify_with_stock_library(ping, API_KEY)


def test_the_message_holds_nothing_of_the_key() -> None:
    sealed = seal(PLAINTEXT, TRANSMISSION_ID, TIMESTAMP, API_KEY, encrypt=True)
    assert API_KEY not in repr(sealed)


@each(
    ("member", "value"),
    [
        ("customer_id", "somebody@example.com"),
        ("deployment_version", "free text"),
        ("total_events", 7),
        ("total_events", 2**53),
        ("redeemed_extension_codes", ("free text",)),
        ("redeemed_extension_codes", ["EXT-30D-7Q2M"]),  # list
        ("transmitted_at", "now"),
        ("tier", "free text"),
    ],
)
def test_an_object_built_around_its_validators_does_not_leave(member: str, value: object) -> None:
    valid = payload()
    members = {name: getattr(valid, name) for name in TelemetryAggregatePayload.model_fields}
    forged = TelemetryAggregatePayload.model_construct(**members | {member: value})
    with pytest.raises(PayloadContradictionError) as raised:
        payload_bytes(forged)
    assert str(value) not in str(raised.value)


def test_a_payload_with_more_fields_than_the_list_does_not_leave() -> None:
    class Bigger(TelemetryAggregatePayload):
        policy_name: str

    bigger = Bigger.model_validate_json(json.dumps(example_members() | {"policy_name": "salaries"}))
    with pytest.raises(PayloadContradictionError):
        payload_bytes(bigger)
