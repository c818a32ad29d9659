"""Only a valid answer about our own transmission is an acceptance."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, Cause, LicenseNews, Outcome, Rejected
from telemetry_service.sealing.encoding import to_base64url
from tests.license_server.conftest import TRANSMISSION_ID
from tests.support import faults
from tests.support.fault_server import FaultServer

Transmit = Callable[..., Outcome]

HEADER = {"alg": "EdDSA"}
CLAIMS = {
    "transmission_id": str(TRANSMISSION_ID),
    "payload_sha256": "ab" * 32,
    "received_at": "2026-11-15T02:03:18.000Z",
}


def receipt_of(header: object = HEADER, claims: object = CLAIMS, signature: bytes = b"s" * 64) -> str:
    """Write a receipt; whether its signature is right, the answer's reader does not ask."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return b".".join(map(to_base64url, parts)).decode()


RECEIPT = receipt_of()
MALFORMED = Rejected(Cause.ANSWER_MALFORMED, 200)


def test_a_duplicate_is_a_success(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.accept_with(status="duplicate")
    assert transmit() == Accepted(200, duplicate=True)


def test_receipt_and_license_are_passed_on_unverified(server: FaultServer, transmit: Transmit) -> None:
    posture = {"tier": "enterprise", "license_status": "active", "expires_at": "2027-01-01T01:00:00+01:00"}
    server.mode = faults.accept_with(receipt=RECEIPT, license=posture)
    news = LicenseNews("enterprise", "active", datetime(2027, 1, 1, tzinfo=UTC))
    outcome = transmit()
    assert outcome == Accepted(200, duplicate=False, receipt=RECEIPT, receipt_verified=None, license=news)
    assert isinstance(outcome, Accepted)
    assert outcome.license is not None
    assert outcome.license.expires_at is not None
    assert outcome.license.expires_at.tzinfo is UTC


@pytest.mark.parametrize("header", [HEADER, {"alg": "Ed25519"}, HEADER | {"typ": "JWT", "kid": "2026-11"}])
def test_a_receipt_may_name_its_key(server: FaultServer, transmit: Transmit, header: dict[str, str]) -> None:
    server.mode = faults.accept_with(receipt=receipt_of(header))
    assert transmit() == Accepted(200, duplicate=False, receipt=receipt_of(header))


@pytest.mark.parametrize(
    "receipt",
    [
        pytest.param(receipt_of(claims=CLAIMS | {"iss": "https://license.example/v1"}), id="issuer"),
        pytest.param(receipt_of(claims=CLAIMS | {"received_at": "https://license.example"}), id="no moment"),
        pytest.param(receipt_of(claims=CLAIMS | {"transmission_id": "https://license.example"}), id="no UUID"),
        pytest.param(receipt_of(claims=CLAIMS | {"payload_sha256": "https://license.example"}), id="no digest"),
        pytest.param(receipt_of(claims={}), id="nothing"),
        pytest.param(receipt_of(HEADER | {"jku": "https://license.example/keys"}), id="address of its keys"),
        pytest.param(receipt_of(HEADER | {"kid": "https://license.example/keys"}), id="address as a key's name"),
        pytest.param(receipt_of({"alg": "none"}), id="no algorithm"),
        pytest.param(receipt_of(signature=b"https://license.example"), id="no signature"),
        pytest.param("aHR0cHM.Ly9saWNlbnNl.LmV4YW1wbGU", id="no JSON"),
        pytest.param("A.A.A", id="no base64"),
    ],
)
def test_a_receipt_in_which_anything_else_stands_is_passed_over_for_it_would_be_shown(
    server: FaultServer, transmit: Transmit, receipt: str
) -> None:
    server.mode = faults.accept_with(receipt=receipt)
    assert transmit() == Accepted(200, duplicate=False, receipt=None)


def test_a_license_that_never_ends_is_passed_on(server: FaultServer, transmit: Transmit) -> None:
    posture = {"tier": "trial", "license_status": "trial", "expires_at": None}
    server.mode = faults.accept_with(license=posture)
    assert transmit() == Accepted(200, duplicate=False, license=LicenseNews("trial", "trial", None))


def test_members_that_a_later_server_may_add_do_no_harm(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.accept_with(announcement="something new")
    assert transmit() == Accepted(200, duplicate=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"transmission_id": ...},
        {"transmission_id": None},
        {"transmission_id": "0193b2f6-7a00-7000-8000-000000000002"},
        {"transmission_id": 7},
        {"status": ...},
        {"status": "ok"},
        {"status": "ACCEPTED"},
        {"status": True},
        {"received_at": ...},
        {"received_at": "yesterday"},
        {"received_at": "2026-11-15T02:03:18"},
        {"received_at": 1763172197},
        {"receipt": "no receipt"},
        {"receipt": "a.b"},
        {"receipt": "a.b.c\n"},
        {"receipt": "a.b." + "c" * 5000},
        {"receipt": {"token": RECEIPT}},
        {"license": {"tier": "<script>", "license_status": "active", "expires_at": None}},
        {"license": {"tier": "trial", "license_status": "whatever", "expires_at": None}},
        {"license": {"tier": "trial", "license_status": "trial", "expires_at": "never"}},
        {"license": {"tier": "trial", "license_status": "trial", "expires_at": "0001-01-01T00:00:00+23:59"}},
        {"license": "trial"},
    ],
)
def test_an_answer_with_anything_wrong_is_no_acceptance(
    server: FaultServer, transmit: Transmit, changes: dict[str, object]
) -> None:
    server.mode = faults.accept_with(**changes)
    assert transmit() == MALFORMED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"null",
        b"[]",
        b"{}",
        b'"accepted"',
        b"\xff\xfe{\x00}\x00",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"1" * 50_000,
        b"<html><body>Please log in to the hotel's network</body></html>",
    ],
)
def test_a_200_that_is_not_our_protocol_is_no_acceptance(server: FaultServer, transmit: Transmit, body: bytes) -> None:
    server.mode = faults.reply(200, body)
    assert transmit() == MALFORMED


def test_a_member_that_stands_there_twice_makes_an_answer_invalid(server: FaultServer, transmit: Transmit) -> None:
    members = f'"transmission_id":"{TRANSMISSION_ID}","received_at":"2026-11-15T02:03:18Z","status":"accepted"'
    server.mode = faults.reply(200, b"{%b}" % members.encode())
    assert transmit() == Accepted(200, duplicate=False)
    server.mode = faults.reply(200, b'{%b,"status":"accepted"}' % members.encode())
    assert transmit() == MALFORMED


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
def test_an_answer_in_a_content_coding_is_refused_unread(server: FaultServer, transmit: Transmit, coding: str) -> None:
    server.mode = faults.accept_encoded(coding)
    assert transmit() == MALFORMED


def conflict(transmission_id: object, digest: object) -> bytes:
    return json.dumps({"transmission_id": str(transmission_id), "body_sha256": digest}).encode()


def test_a_conflict_about_a_body_of_ours_is_an_acceptance(
    server: FaultServer, transmit: Transmit, message: SealedMessage
) -> None:
    earlier = hashlib.sha256(b"an earlier attempt").hexdigest()
    server.mode = faults.reply(409, conflict(TRANSMISSION_ID, earlier))
    assert transmit(known_bodies=(earlier,)) == Accepted(409, duplicate=True)
    assert transmit() == Rejected(Cause.ID_CONFLICT, 409)
    server.mode = faults.reply(409, conflict(TRANSMISSION_ID, hashlib.sha256(message.body).hexdigest()))
    assert transmit() == Accepted(409, duplicate=True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        conflict("0193b2f6-7a00-7000-8000-000000000002", "ab" * 32),
        conflict(TRANSMISSION_ID, "cd" * 32),
        conflict(TRANSMISSION_ID, None),
        b'{"body_sha256":"%b"}' % (b"ab" * 32),
    ],
)
def test_any_other_conflict_is_one(server: FaultServer, transmit: Transmit, body: bytes) -> None:
    server.mode = faults.reply(409, body)
    assert transmit(known_bodies=("ab" * 32,)) == Rejected(Cause.ID_CONFLICT, 409)
