"""Only a valid response about our own transmission is an acceptance."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, LicenseUpdate, Note, Outcome, Rejected
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.license_server.response import Response, outcome_of_transmission
from telemetry_service.sealing.sealer import seal_ping
from tests.license_server.conftest import API_KEY, NOW, TRANSMISSION_ID
from tests.support import faults
from tests.support.each import each
from tests.support.fault_server import FaultServer

Transmit = Callable[..., Outcome]

HEADER = {"alg": "EdDSA"}
CLAIMS = {
    "transmission_id": str(TRANSMISSION_ID),
    "payload_sha256": "ab" * 32,
    "received_at": "2026-11-15T02:03:18.000Z",
}


def receipt_of(header: object = HEADER, claims: object = CLAIMS, signature: bytes = b"s" * 64) -> str:
    """Write a receipt; the reader of the response does not check its signature."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return b".".join(map(to_base64url, parts)).decode()


RECEIPT = receipt_of()
MALFORMED = Rejected(Cause.RESPONSE_MALFORMED, 200)


def test_a_duplicate_is_a_success(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.accept_with(status="duplicate")
    assert transmit() == Accepted(200, duplicate=True)


MORE_CLAIMS = {
    "ledger": "cd" * 32,
    "license": {"tier": "gold", "license_status": "active", "expires_at": None},
    "iat": 1_763_172_198,
}


@pytest.mark.parametrize("claims", [{name: value} for name, value in MORE_CLAIMS.items()] + [MORE_CLAIMS])
def test_a_receipt_may_say_all_that_the_protocol_lists(
    server: FaultServer, transmit: Transmit, claims: dict[str, object]
) -> None:
    receipt = receipt_of(claims=CLAIMS | claims)
    server.mode = faults.accept_with(receipt=receipt)
    assert transmit() == Accepted(200, duplicate=False, receipt=receipt)


def test_receipt_and_license_are_passed_on_unverified(server: FaultServer, transmit: Transmit) -> None:
    posture = {"tier": "enterprise", "license_status": "active", "expires_at": "2027-01-01T01:00:00+01:00"}
    server.mode = faults.accept_with(receipt=RECEIPT, license=posture)
    update = LicenseUpdate("enterprise", "active", datetime(2027, 1, 1, tzinfo=UTC))
    outcome = transmit()
    assert outcome == Accepted(200, duplicate=False, receipt=RECEIPT, receipt_verified=None, license=update)
    assert isinstance(outcome, Accepted)
    assert outcome.license is not None
    assert outcome.license.expires_at is not None
    assert outcome.license.expires_at.tzinfo is UTC


@pytest.mark.parametrize(
    "header", [HEADER, {"alg": "Ed25519"}, HEADER | {"typ": "JWT", "kid": "2026-11"}, HEADER | {"typ": "receipt+jwt"}]
)
def test_a_receipt_may_name_its_key(server: FaultServer, transmit: Transmit, header: dict[str, str]) -> None:
    server.mode = faults.accept_with(receipt=receipt_of(header))
    assert transmit() == Accepted(200, duplicate=False, receipt=receipt_of(header))


NO_RECEIPT, HEADER_REFUSED, CLAIM_REFUSED = (
    Note.RECEIPT_DROPPED,
    Note.RECEIPT_HEADER_NOT_ALLOWED,
    Note.RECEIPT_CLAIM_NOT_ALLOWED,
)


@each(
    ("receipt", "note"),
    [
        (receipt_of(claims=CLAIMS | {"iss": "https://license.example/v1"}), CLAIM_REFUSED),  # issuer
        (receipt_of(claims=CLAIMS | {"received_at": "https://license.example"}), CLAIM_REFUSED),  # no moment
        (receipt_of(claims=CLAIMS | {"transmission_id": "https://license.example"}), CLAIM_REFUSED),  # no UUID
        (receipt_of(claims=CLAIMS | {"payload_sha256": "https://license.example"}), CLAIM_REFUSED),  # no digest
        (receipt_of(claims={}), CLAIM_REFUSED),  # nothing
        (receipt_of(HEADER | {"jku": "https://license.example/keys"}), HEADER_REFUSED),  # address of its keys
        (receipt_of(HEADER | {"kid": "https://license.example/keys"}), HEADER_REFUSED),  # address as a key's name
        (receipt_of({"alg": "none"}), HEADER_REFUSED),  # no algorithm
        (receipt_of(signature=b"https://license.example"), NO_RECEIPT),  # no signature
        ("aHR0cHM.Ly9saWNlbnNl.LmV4YW1wbGU", NO_RECEIPT),  # no JSON
        ("A.A.A", NO_RECEIPT),  # no base64
        (receipt_of(claims=CLAIMS | {"license": {"tier": "see https://license.example"}}), CLAIM_REFUSED),  # free text
        (receipt_of(claims=CLAIMS | {"ledger": "https://license.example"}), CLAIM_REFUSED),  # no head of a ledger
        (receipt_of(claims=CLAIMS | {"iat": "https://license.example"}), CLAIM_REFUSED),  # no time
        (receipt_of(HEADER | {"typ": "https://license.example"}), HEADER_REFUSED),  # address as a type
        ("", NO_RECEIPT),  # an empty text
        ("no receipt", NO_RECEIPT),  # two words
        ("a.b", NO_RECEIPT),  # two parts
        (RECEIPT + "\n", NO_RECEIPT),  # a line end
        ("a.b." + "c" * 5000, NO_RECEIPT),  # too long
        ({"token": RECEIPT}, NO_RECEIPT),  # an object
        (7, NO_RECEIPT),  # a number
    ],
)
def test_a_receipt_in_which_anything_else_stands_is_passed_over_and_the_note_says_why(
    server: FaultServer, transmit: Transmit, receipt: object, note: Note
) -> None:
    server.mode = faults.accept_with(receipt=receipt)
    assert transmit() == Accepted(200, duplicate=False, receipt=None, notes=(note,))


def test_a_license_that_never_ends_is_passed_on(server: FaultServer, transmit: Transmit) -> None:
    posture = {"tier": "trial", "license_status": "trial", "expires_at": None}
    server.mode = faults.accept_with(license=posture)
    assert transmit() == Accepted(200, duplicate=False, license=LicenseUpdate("trial", "trial", None))


GOLD = {"tier": "gold", "license_status": "active", "expires_at": None}


@each(
    ("block", "update", "note"),
    [
        (GOLD, LicenseUpdate("unknown", "active", None), Note.LICENSE_VALUE_UNKNOWN),
        (GOLD | {"tier": "<script>"}, LicenseUpdate("unknown", "active", None), Note.LICENSE_VALUE_UNKNOWN),
        (GOLD | {"tier": "Trial"}, LicenseUpdate("unknown", "active", None), Note.LICENSE_VALUE_UNKNOWN),
        (
            {"tier": "trial", "license_status": "paused", "expires_at": None},
            LicenseUpdate("trial", "unknown", None),
            Note.LICENSE_VALUE_UNKNOWN,
        ),
        ({}, None, Note.LICENSE_DROPPED),
        ({"tier": "trial"}, None, Note.LICENSE_DROPPED),
        ({"tier": "trial", "license_status": None}, None, Note.LICENSE_DROPPED),
        ({"tier": "", "license_status": "active"}, None, Note.LICENSE_DROPPED),
        ({"tier": 7, "license_status": "active"}, None, Note.LICENSE_DROPPED),
        (GOLD | {"expires_at": "never"}, None, Note.LICENSE_DROPPED),
        (GOLD | {"expires_at": 1_763_172_198}, None, Note.LICENSE_DROPPED),
        (GOLD | {"expires_at": "0001-01-01T00:00:00+23:59"}, None, Note.LICENSE_DROPPED),
        ("trial", None, Note.LICENSE_DROPPED),
        ([], None, Note.LICENSE_DROPPED),
        (False, None, Note.LICENSE_DROPPED),
    ],
)
def test_a_license_that_is_new_or_unreadable_undoes_no_acceptance_and_is_noted(
    server: FaultServer, transmit: Transmit, block: object, update: LicenseUpdate | None, note: Note
) -> None:
    server.mode = faults.accept_with(license=block)
    assert transmit() == Accepted(200, duplicate=False, license=update, notes=(note,))


@each(
    "moment",
    [
        "2026-11-15T02:03:18Z",
        "2026-11-15T02:03:18.0000000Z",
        "2026-11-15T02:03:18.123456789+01:00",
        "2026-11-15t02:03:18z",
        "2026-11-15T02:03:18-00:00",
        "2026-12-31T23:59:60Z",
    ],
)
def test_the_moment_of_receipt_is_any_that_rfc_3339_has(server: FaultServer, transmit: Transmit, moment: str) -> None:
    server.mode = faults.accept_with(received_at=moment, receipt=receipt_of(claims=CLAIMS | {"received_at": moment}))
    outcome = transmit()
    assert isinstance(outcome, Accepted)
    assert (outcome.receipt is not None, outcome.notes) == (True, ())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=10,
)
LICENSES = ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        "tier": st.sampled_from(["trial", "enterprise", "gold"]) | ANYTHING,
        "license_status": st.sampled_from(["active", "grace", "paused"]) | ANYTHING,
        "expires_at": st.sampled_from(["2027-01-01T00:00:00Z", "never"]) | ANYTHING,
        "seats": ANYTHING,
    },
)
RECEIPTS = ANYTHING | st.just(RECEIPT) | st.builds(receipt_of, ANYTHING, ANYTHING, st.binary(max_size=70))
OPTIONAL = st.fixed_dictionaries({}, optional={"license": LICENSES, "receipt": RECEIPTS, "announcement": ANYTHING})


@given(OPTIONAL)
def test_nothing_optional_undoes_an_acceptance(optional: dict[str, object]) -> None:
    message = seal_ping(TRANSMISSION_ID, 1_763_172_197, API_KEY)
    required = {"transmission_id": str(TRANSMISSION_ID), "status": "accepted", "received_at": "2026-11-15T02:03:18Z"}
    body = json.dumps(optional | required).encode()
    outcome = outcome_of_transmission(Response(200, None, None, body), message, (), NOW)
    assert isinstance(outcome, Accepted)
    assert outcome.receipt in {None, RECEIPT}
    if outcome.license is not None:
        assert outcome.license.tier in set(Tier)
        assert outcome.license.license_status in set(LicenseStatus)
    dropped = {NO_RECEIPT, HEADER_REFUSED, CLAIM_REFUSED} & set(outcome.notes)
    assert bool(dropped) is (optional.get("receipt") is not None and outcome.receipt is None)


@each(
    ("text", "notes"),
    [
        ('"license":{"tier":"trial","tier":"gold","license_status":"active"}', (Note.LICENSE_DROPPED,)),
        (f'"receipt":"{RECEIPT}","receipt":"{RECEIPT}"', (Note.RECEIPT_DROPPED,)),
        ('"announcement":1,"announcement":2', ()),
        ('"announcement":' + "9" * 6000, ()),
        ('"announcement":"\\ud800"', ()),
        ('"announcement":' + "[" * 2000 + "]" * 2000, ()),
        ('"announcement":' + '{"a]":' * 5000 + '"}"' + "}" * 5000, ()),
        ('"license":' + "[" * 2000 + "]" * 2000, (Note.LICENSE_DROPPED,)),
        ('"receipt":' + "[" * 2000 + "]" * 2000, (Note.RECEIPT_DROPPED,)),
    ],
)
def test_an_optional_member_that_is_odd_undoes_no_acceptance(
    server: FaultServer, transmit: Transmit, text: str, notes: tuple[Note, ...]
) -> None:
    members = f'"transmission_id":"{TRANSMISSION_ID}","received_at":"2026-11-15T02:03:18Z","status":"accepted"'
    server.mode = faults.reply(200, f"{{{members},{text}}}".encode())
    assert transmit() == Accepted(200, duplicate=False, notes=notes)


def test_members_that_a_later_server_may_add_do_no_harm(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.accept_with(announcement="something new")
    assert transmit() == Accepted(200, duplicate=False)


@each(
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
        {"received_at": "1763172197"},
        {"received_at": "2026-11-15"},
        {"received_at": "2026-11-15T25:03:18Z"},
    ],
)
def test_a_response_without_id_status_and_time_is_not_an_acceptance(
    server: FaultServer, transmit: Transmit, changes: dict[str, object]
) -> None:
    server.mode = faults.accept_with(**changes)
    assert transmit() == MALFORMED


@each(
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


def test_a_duplicate_member_makes_a_response_invalid(server: FaultServer, transmit: Transmit) -> None:
    members = f'"transmission_id":"{TRANSMISSION_ID}","received_at":"2026-11-15T02:03:18Z","status":"accepted"'
    server.mode = faults.reply(200, b"{%b}" % members.encode())
    assert transmit() == Accepted(200, duplicate=False)
    server.mode = faults.reply(200, b'{%b,"status":"accepted"}' % members.encode())
    assert transmit() == MALFORMED


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
def test_a_response_with_a_content_coding_is_refused_unread(
    server: FaultServer, transmit: Transmit, coding: str
) -> None:
    server.mode = faults.accept_encoded(coding)
    assert transmit() == MALFORMED


def conflict(transmission_id: object, digest: object) -> bytes:
    return json.dumps({"transmission_id": str(transmission_id), "body_sha256": digest}).encode()


def test_a_conflict_about_one_of_our_bodies_is_an_acceptance(
    server: FaultServer, transmit: Transmit, message: SealedMessage
) -> None:
    earlier = hashlib.sha256(b"an earlier attempt").hexdigest()
    server.mode = faults.reply(409, conflict(TRANSMISSION_ID, earlier))
    assert transmit(known_bodies=(earlier,)) == Accepted(409, duplicate=True)
    assert transmit() == Rejected(Cause.ID_CONFLICT, 409)
    server.mode = faults.reply(409, conflict(TRANSMISSION_ID, hashlib.sha256(message.body).hexdigest()))
    assert transmit() == Accepted(409, duplicate=True)


@each(
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
