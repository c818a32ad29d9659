"""Each thing that may be wrong with a transmission, and that it is refused with its own status and code.

Whatever is refused here is signed rightly unless the signature is the point, and leaves no trace.
"""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.reference.sender import (
    API_KEY,
    JOSE,
    PING,
    Draft,
    Line,
    Message,
    canonical,
    encrypt,
    key_id,
    payload,
    pseudonym,
    refusal,
    refuse,
    sign,
)
from tests.support.each import each


def good() -> Message:
    return Draft(canonical(payload())).signed()


@each(
    "header", ["X-Telemetry-Id", "X-Telemetry-Timestamp", "X-Telemetry-Signature", "X-Telemetry-Key-Id", "Content-Type"]
)
def test_each_header_of_the_protocol_is_needed(line: Line, header: str) -> None:
    assert refuse(line, good().without(header)) == (400, "header-malformed")


@each(
    ("header", "value"),
    [
        ("X-Telemetry-Id", "not-a-uuid"),
        ("X-Telemetry-Id", "0F8FAD5B-D9CB-469F-A165-70867728950E"),
        ("X-Telemetry-Timestamp", "1e9"),
        ("X-Telemetry-Timestamp", "-1"),
        ("X-Telemetry-Timestamp", "0"),
        ("X-Telemetry-Timestamp", "9" * 400),
        ("X-Telemetry-Key-Id", "0" * 15),
    ],
)
def test_a_header_must_have_its_form(line: Line, header: str, value: str) -> None:
    assert refuse(line, good().but(header, value)) == (400, "header-malformed")


def test_a_header_must_not_stand_there_twice(line: Line) -> None:
    message = good()
    response = line.client.post(
        line.server.url + message.path,
        content=message.body,
        headers=[*message.headers.items(), ("X-Telemetry-Id", message.headers["X-Telemetry-Id"])],
    )
    assert refusal(response) == (400, "header-malformed")


def test_an_unknown_api_key_is_not_accepted(line: Line) -> None:
    stranger = Draft(canonical(payload()), api_key="ck_test_nobody-knows-it").signed()
    assert refuse(line, stranger) == (401, "key-unknown")


def test_a_signature_by_another_key_is_not_accepted(line: Line) -> None:
    message = Draft(canonical(payload()), api_key="ck_test_nobody-knows-it").signed()
    assert refuse(line, message.but("X-Telemetry-Key-Id", key_id(API_KEY))) == (401, "signature-invalid")


def test_every_listed_signature_has_to_be_right(line: Line) -> None:
    message = good()
    right = message.headers["X-Telemetry-Signature"]
    wrong = sign("ck_test_nobody-knows-it", uuid4(), 1, message.body)
    for listed in (f"{right} {wrong}", f"{wrong} {right}", f"{right} v1,", f"{right}  {right}", f"{right},{right}"):
        assert refuse(line, message.but("X-Telemetry-Signature", listed)) == (401, "signature-invalid")


def test_another_version_of_signature_is_not_accepted(line: Line) -> None:
    message = good()
    other = message.headers["X-Telemetry-Signature"].replace("v1,", "v1a,")
    assert refuse(line, message.but("X-Telemetry-Signature", other)) == (401, "signature-invalid")


def test_one_signature_has_one_text(line: Line) -> None:
    """Base64 of 32 bytes leaves two bits over: texts that differ in them alone decode to the same bytes."""
    message = good()
    right = message.headers["X-Telemetry-Signature"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = right[:-2] + alphabet[alphabet.index(right[-2]) ^ 1] + "="
    assert refuse(line, message.but("X-Telemetry-Signature", twin)) == (401, "signature-invalid")


@pytest.mark.parametrize("seconds_late", [-360, 360, 86_400])
def test_a_timestamp_beyond_five_minutes_is_refused(line: Line, seconds_late: int) -> None:
    message = Draft(canonical(payload()), seconds_late=seconds_late).signed()
    assert refuse(line, message) == (400, "timestamp-out-of-tolerance")


def test_a_stranger_learns_nothing_but_that_he_is_one(line: Line) -> None:
    """Body, content type and timestamp are looked at only when the signature held."""
    message = Draft(b"nonsense", "text/plain", seconds_late=86_400).signed()
    assert refuse(line, message.but("X-Telemetry-Signature", "v1,AAAA")) == (401, "signature-invalid")


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=utf-8", "application/JSON"])
def test_there_are_two_content_types(line: Line, content_type: str) -> None:
    assert refuse(line, Draft(canonical(payload()), content_type).signed()) == (415, "content-type-unsupported")


def test_a_body_larger_than_any_payload_is_refused(line: Line) -> None:
    assert refuse(line, Draft(b"x" * (256 * 1024 + 1)).signed()) == (413, "body-too-large")
    assert refuse(line, Draft(b"x" * 10_000_000).signed()) == (413, "body-too-large")


@each(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"NaN",
        b'{"total_events":Infinity}',
        b'\xef\xbb\xbf{"a":1}',
        b"[" * 100_000,
        b'{"a":' + b"1" * 5_000 + b"}",
        canonical(payload()).replace(b"{", b'{"tier":"trial",', 1),
        canonical(payload()).replace(b'"paired_count":9', b'"paired_count":9,"paired_count":9'),
    ],
)
def test_what_is_no_json_or_names_a_member_twice_is_refused(line: Line, body: bytes) -> None:
    assert refuse(line, Draft(body).signed()) == (400, "json-malformed")


@each(
    "body",
    [
        json.dumps(payload()).encode(),
        json.dumps(payload(), separators=(",", ":")).encode(),
        canonical(payload()) + b"\n",
        canonical(payload()).replace(b'"healthy"', b'"\\u0068ealthy"'),
        canonical(payload()).replace(b":21,", b":21.0,"),
        canonical(payload()).replace(b":21,", b":2.1e1,"),
        canonical(payload()).replace(b":21,", b":-0,"),
        canonical(payload(total_events=2**53)),
        b'"\\ud800"',
    ],
)
@each("encrypted", [True, False])
def test_json_that_is_not_canonical_is_refused(line: Line, body: bytes, *, encrypted: bool) -> None:
    draft = Draft(encrypt(body, API_KEY), JOSE) if encrypted else Draft(body)
    assert refuse(line, draft.signed()) == (400, "json-not-canonical")


@each("body", [b"{}", b"[]", b"null", b"1", b'"text"', b"true"])
def test_json_that_is_no_payload_is_refused(line: Line, body: bytes) -> None:
    assert refuse(line, Draft(body).signed()) == (422, "schema-violated")


@each(
    "changes",
    [
        {"policy_name": "deny-all"},
        {"license_metrics": payload()["license_metrics"] | {"note": "free text"}},
        {"bouncer_count": "21"},
        {"bouncer_count": True},
        {"bouncer_count": -1},
        {"tier": "platinum"},
        {"date": "2026-02-30T00:00"},
        {"customer_id": "somebody@example.com"},
        {"instance_id": None},
        {"redeemed_extension_codes": ["EXT-30D-7Q2M", "EXT-30D-7Q2M"]},
        {"redeemed_extension_codes": ["with space"]},
        {"transmitted_at": "yesterday"},
    ],
)
def test_a_payload_outside_its_schema_is_refused(line: Line, changes: dict[str, Any]) -> None:
    assert refuse(line, Draft(canonical(payload(**changes))).signed()) == (422, "schema-violated")


@each("field", sorted(payload()))
def test_each_field_is_needed(line: Line, field: str) -> None:
    lacking = {name: value for name, value in payload().items() if name != field}
    response = line.send(Draft(canonical(lacking)).signed())
    assert refusal(response) == (422, "schema-violated")
    assert response.json()["errors"] == [{"field": field, "problem": "missing"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"sandbox_events": 41_005},
        {"successful_decisions": 184_221},
        {"active_reporting_bouncer_count": 22},
        {"bouncer_pairs": payload()["bouncer_pairs"] | {"total_pairs": 13}},
    ],
)
def test_numbers_that_contradict_each_other_are_refused(line: Line, changes: dict[str, Any]) -> None:
    assert refuse(line, Draft(canonical(payload(**changes))).signed()) == (422, "schema-violated")


def test_a_refusal_does_not_repeat_what_was_sent(line: Line) -> None:
    response = line.send(Draft(canonical(payload(canary_name="canary-value", tier="canary-tier"))).signed())
    assert "canary" not in response.text
    assert {"field": "tier", "problem": "enum"} in response.json()["errors"]


@pytest.mark.parametrize(
    "customer_id",
    [
        "cus_SomebodyElse",
        pseudonym(API_KEY, "cus_SomebodyElse"),
        pseudonym("ck_test_nobody-knows-it", "cus_Nq4Rz7WkX2"),
        "anon_" + "0" * 64,
    ],
)
def test_a_payload_of_another_customer_is_refused(line: Line, customer_id: str) -> None:
    message = Draft(canonical(payload(customer_id=customer_id))).signed()
    assert refuse(line, message) == (403, "customer-mismatch")


def test_a_second_payload_under_one_id_is_refused_with_the_digest_of_the_first(line: Line) -> None:
    first = Draft(encrypt(canonical(payload()), API_KEY), JOSE)
    second = Draft(canonical(payload(bouncer_count=20)), transmission_id=first.transmission_id)
    assert line.send(first.signed()).status_code == 200
    stored = line.journal(first.transmission_id)
    assert stored is not None
    response = line.send(second.signed())
    assert refusal(response) == (409, "id-conflict")
    assert response.json()["transmission_id"] == str(first.transmission_id)
    assert response.json()["body_sha256"] == stored.body_sha256
    after = line.journal(first.transmission_id)
    assert after is not None
    assert (after.payload, after.times_received, after.conflicts) == (stored.payload, 1, 1)


def test_a_connection_test_carries_nothing(line: Line) -> None:
    assert refuse(line, Draft(canonical(payload()), path=PING).signed()) == (422, "ping-not-empty")
    assert refuse(line, Draft(b"{}", JOSE, path=PING).signed()) == (415, "content-type-unsupported")
    stranger = Draft(b"{}", api_key="ck_test_nobody-knows-it", path=PING)
    assert refuse(line, stranger.signed()) == (401, "key-unknown")


def test_there_is_nothing_but_the_protocol(line: Line) -> None:
    response = line.client.get(line.server.url + "/v1/telemetry")
    assert refusal(response) == (405, "method-not-allowed")
    assert response.headers["Allow"] == "POST"
    assert refusal(line.client.get(line.server.url + "/")) == (404, "not-found")


def test_each_401_says_what_is_asked_for(line: Line) -> None:
    stranger = Draft(canonical(payload()), api_key="ck_test_nobody-knows-it").signed()
    assert line.send(stranger).headers["WWW-Authenticate"] == "ControlCoreTelemetry"
