"""Each step gives the answer that other software gives."""

import json
from typing import Any
from uuid import UUID

from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.derivation import derive_key
from telemetry_service.sealing.identity import key_id, pseudonym
from telemetry_service.sealing.jwe import encrypt
from telemetry_service.sealing.receipt import ReceiptKey
from telemetry_service.sealing.signature import sign

Known = dict[str, Any]


def test_canonical_json_of_the_sample_of_rfc_8785() -> None:
    sample = r"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    assert canonical_json(json.loads(sample)).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_canonical_json_sorts_members_by_utf_16_as_rfc_8785_does() -> None:
    members = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    assert list(json.loads(canonical_json(members)).values()) == [2, 4, 6, 7, 1, 5, 3]


def test_key_derivation_of_test_case_3_of_rfc_5869() -> None:
    assert derive_key(b"\x0b" * 22, purpose="").hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    )


def test_content_key(known: Known) -> None:
    assert derive_key(known["api_key"].encode(), "control-core-telemetry/jwe/v1").hex() == known["content_key"]


def test_key_id(known: Known) -> None:
    assert key_id(known["api_key"]) == known["key_id"]


def test_pseudonym(known: Known) -> None:
    assert pseudonym(known["api_key"], known["customer_id"]) == known["pseudonym"]


def test_signature(known: Known) -> None:
    transmission_id, body = UUID(known["transmission_id"]), known["signed_body"].encode()
    assert sign(known["api_key"], transmission_id, known["timestamp"], body) == known["signature"]


def test_encrypted_body(known: Known) -> None:
    sealed = encrypt(known["plaintext"].encode(), known["api_key"], bytes.fromhex(known["iv"]))
    assert sealed.decode() == known["jwe"]


def test_receipt(known: Known) -> None:
    transmission_id, digests = UUID(known["transmission_id"]), {known["plaintext_sha256"]}
    for pinned in (known["receipt_key"], known["receipt_key"] + "=", known["receipt_key_pem"]):
        assert ReceiptKey.parse(pinned).verify(known["receipt"], transmission_id, digests)
