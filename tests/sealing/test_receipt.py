"""A receipt counts only if the pinned License Server signed it, for this transmission and one of its payloads."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.sealing.receipt import ReceiptKey
from tests.support.each import each

# The protocol speaks of EdDSA, the name that RFC 8037 gave and RFC 9864 has since replaced by Ed25519.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

TRANSMISSION_ID = UUID("0193b2f6-7a00-7000-8000-0000000000a1")
DIGEST = "ab" * 32
CLAIMS = {"transmission_id": str(TRANSMISSION_ID), "payload_sha256": DIGEST, "received_at": "2026-11-15T02:03:18.000Z"}
HEADER = {"alg": "EdDSA"}


@pytest.fixture(scope="module")
def signer() -> OKPKey:
    """The License Server's key pair, and the stock library that signs with it."""
    return OKPKey.generate_key("Ed25519")


@pytest.fixture(scope="module")
def pinned(signer: OKPKey) -> ReceiptKey:
    return ReceiptKey.parse(signer.as_pem(private=False).decode())


def receipt(signer: OKPKey, claims: object = CLAIMS, header: dict[str, Any] = HEADER) -> str:
    return jws.serialize_compact(header, json.dumps(claims).encode(), signer, algorithms=["EdDSA", "Ed25519"])


def hand_made(signer: OKPKey, header: bytes, claims: bytes) -> str:
    """Sign what a stock library would refuse to write."""
    signed = to_base64url(header) + b"." + to_base64url(claims)
    return (signed + b"." + to_base64url(signer.private_key.sign(signed))).decode()  # type: ignore[union-attr]


def verified(pinned: ReceiptKey, token: str) -> bool:
    return pinned.verify(token, TRANSMISSION_ID, {"cd" * 32, DIGEST})


def test_a_receipt_signed_by_a_stock_library_is_verified(signer: OKPKey, pinned: ReceiptKey) -> None:
    assert verified(pinned, receipt(signer))
    assert verified(pinned, receipt(signer, header={"alg": "EdDSA", "typ": "JWT", "kid": "2026"}))
    assert verified(pinned, receipt(signer, header={"alg": "Ed25519"}))
    assert verified(pinned, receipt(signer, CLAIMS | {"note": "more"}))


def test_the_key_may_be_pinned_by_its_32_bytes(signer: OKPKey) -> None:
    public = signer.as_dict(private=False)["x"]
    assert isinstance(public, str)
    for text in (public, public + "=", f" {public}\n"):
        assert verified(ReceiptKey.parse(text), receipt(signer))


def test_somebody_elses_receipt_is_not(pinned: ReceiptKey) -> None:
    assert not verified(pinned, receipt(OKPKey.generate_key("Ed25519")))


@each(
    "changes",
    [
        {"transmission_id": "0193b2f6-7a00-7000-8000-0000000000a2"},
        {"transmission_id": None},
        {"payload_sha256": "ef" * 32},
        {"payload_sha256": [DIGEST]},
        {"payload_sha256": None},
        {"received_at": None},
        {"received_at": 7},
    ],
)
def test_a_receipt_for_something_else_is_not(signer: OKPKey, pinned: ReceiptKey, changes: dict[str, object]) -> None:
    assert not verified(pinned, receipt(signer, CLAIMS | changes))


def test_a_receipt_for_no_known_payload_is_not(signer: OKPKey, pinned: ReceiptKey) -> None:
    assert not pinned.verify(receipt(signer), TRANSMISSION_ID, ())


@given(st.data())
def test_a_receipt_with_anything_changed_is_not(signer: OKPKey, pinned: ReceiptKey, data: st.DataObject) -> None:
    token = receipt(signer)
    position = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.sampled_from("ABCabc019-_.= ").filter(lambda drawn: drawn != token[position]))
    assert not verified(pinned, token[:position] + character + token[position + 1 :])


@given(st.text(max_size=100) | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_anything_else_is_not(pinned: ReceiptKey, token: str) -> None:
    assert not verified(pinned, token)


@each(
    "header",
    [
        b'{"alg":"none"}',
        b'{"alg":"HS256"}',
        b'{"alg":"EdDSA","crit":["exp"],"exp":1}',
        b'{"alg":"EdDSA","alg":"EdDSA"}',
        b'{"alg":["EdDSA"]}',
        b"{}",
        b"[]",
        b"[" * 5000,
        b"no json",
    ],
)
def test_a_signed_receipt_with_another_header_is_not(signer: OKPKey, pinned: ReceiptKey, header: bytes) -> None:
    assert verified(pinned, hand_made(signer, b'{"alg":"EdDSA"}', json.dumps(CLAIMS).encode()))
    assert not verified(pinned, hand_made(signer, header, json.dumps(CLAIMS).encode()))


@each("claims", [b"", b"null", b"[]", b'"text"', b"\xff", b"[" * 50_000])
def test_a_signed_receipt_that_says_nothing_is_not(signer: OKPKey, pinned: ReceiptKey, claims: bytes) -> None:
    assert not verified(pinned, hand_made(signer, b'{"alg":"EdDSA"}', claims))


def test_a_signed_receipt_that_says_a_thing_twice_is_not(signer: OKPKey, pinned: ReceiptKey) -> None:
    twice = json.dumps(CLAIMS)[:-1] + f', "payload_sha256": "{DIGEST}"}}'
    assert not verified(pinned, hand_made(signer, b'{"alg":"EdDSA"}', twice.encode()))


@each(
    "text",
    [
        "",  # nothing
        "secret",  # text
        "A" * 44,  # 33 bytes
        "-----BEGIN PUBLIC KEY-----\nsecret\n-----END PUBLIC KEY-----\n",  # broken PEM
        RSAKey.generate_key(2048).as_pem(private=False).decode(),  # RSA
        ECKey.generate_key("P-256").as_pem(private=False).decode(),  # EC
        OKPKey.generate_key("Ed448").as_pem(private=False).decode(),  # Ed448
        OKPKey.generate_key("Ed25519").as_pem(private=True).decode(),  # private key
    ],
)
def test_what_is_no_ed25519_public_key_cannot_be_pinned(text: str) -> None:
    with pytest.raises(ValueError, match="not an Ed25519 public key") as raised:
        ReceiptKey.parse(text)
    assert not text or text not in str(raised.value)
