"""The published vectors are what the code makes, and the code reads them; the far side, which shares none, does too."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from starlette.datastructures import Headers

from telemetry_service.domain import bundle
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, LicenseUpdate
from telemetry_service.domain.payload import TelemetryAggregatePayload
from telemetry_service.domain.receipt import claims_of_receipt, claims_of_refusal
from telemetry_service.domain.receipts_file import read_receipts_file
from telemetry_service.license_server.response import Response, outcome_of_transmission
from telemetry_service.reference import derivation
from telemetry_service.reference.authentication import ApiKey, authenticate, ledger_of
from telemetry_service.reference.encryption import open_jwe
from telemetry_service.reference.refusals import RefusalError
from telemetry_service.reference.strict_json import require_canonical
from telemetry_service.sealing.receipt import ReceiptKey
from telemetry_service.sealing.sealer import Sealed, payload_bytes, seal
from telemetry_service.sealing.signature import sign
from tests.protocol.files import VECTORS

API_KEY, SENT = VECTORS["api_key"], VECTORS["transmission"]
TRANSMISSION_ID, TIMESTAMP = UUID(VECTORS["transmission_id"]), VECTORS["timestamp"]
KEY = ApiKey(VECTORS["key_id"], VECTORS["customer_id"], API_KEY)
NOW = datetime(2026, 11, 15, tzinfo=UTC)
HEAD = SENT["headers"]["X-Telemetry-Ledger"]


@pytest.fixture(scope="module")
def sealed() -> Sealed:
    """The transmission of the vectors, sealed by the service."""
    payload = TelemetryAggregatePayload.model_validate_json(SENT["payload"])
    iv = bytes.fromhex(SENT["iv"])
    return seal(payload_bytes(payload), TRANSMISSION_ID, TIMESTAMP, API_KEY, encrypt=True, iv=iv, ledger=HEAD)


def test_the_service_sends_exactly_the_published_transmission(sealed: Sealed) -> None:
    assert sealed.message.headers() == SENT["headers"]
    assert sealed.message.body.decode() == SENT["body"]
    assert sealed.payload.decode() == SENT["payload"]
    assert (sealed.payload_sha256, sealed.body_sha256) == (SENT["payload_sha256"], SENT["body_sha256"])
    clear = sign(API_KEY, TRANSMISSION_ID, TIMESTAMP, SENT["payload"].encode())
    assert clear == SENT["clear_signature"]


def test_the_reference_license_server_verifies_and_opens_it() -> None:
    headers, body = Headers(SENT["headers"]), SENT["body"].encode()
    assert authenticate(headers, body, lambda named: KEY if named == KEY.key_id else None, TIMESTAMP).key is KEY
    assert ledger_of(headers) == HEAD
    opened = open_jwe(body, API_KEY, KEY.key_id)
    assert opened.decode() == SENT["payload"]
    require_canonical(opened)
    assert json.loads(opened)["customer_id"] == derivation.pseudonym(API_KEY, KEY.customer_id) == VECTORS["pseudonym"]
    assert derivation.key_id(API_KEY) == VECTORS["key_id"]
    with pytest.raises(RefusalError):
        authenticate(headers, body + b"A", lambda _named: KEY, TIMESTAMP)


def test_the_service_reads_the_published_response(sealed: Sealed) -> None:
    response = Response(200, None, None, json.dumps(SENT["response"]).encode())
    outcome = outcome_of_transmission(response, sealed.message, (), NOW)
    expires = datetime(2026, 3, 7, tzinfo=UTC)
    update = LicenseUpdate("professional", "active", expires)
    assert outcome == Accepted(200, duplicate=False, receipt=SENT["response"]["receipt"], license=update)


def test_the_service_takes_the_published_conflict_for_an_acceptance(sealed: Sealed) -> None:
    response = Response(409, None, None, json.dumps(SENT["conflict"]).encode())
    outcome = outcome_of_transmission(response, sealed.message, (), NOW)
    assert outcome == Accepted(409, duplicate=True)


def test_the_published_receipt_and_refusal_are_verified_and_say_what_stands_beside_them() -> None:
    pinned = ReceiptKey.parse(VECTORS["receipt_key"])
    receipt, refusal = SENT["response"]["receipt"], VECTORS["refusal"]["token"]
    assert pinned.read(receipt, TRANSMISSION_ID, {SENT["payload_sha256"]}) == SENT["receipt_claims"]
    assert claims_of_receipt(receipt) == SENT["receipt_claims"]
    assert pinned.signed(refusal)
    assert claims_of_refusal(refusal) == VECTORS["refusal"]["claims"]
    file = read_receipts_file(json.dumps(VECTORS["receipts_file"]).encode())
    assert (file.receipts, file.refused) == ((receipt,), (refusal,))


def test_the_published_bundle_is_the_one_that_the_service_writes(sealed: Sealed) -> None:
    document = json.loads(VECTORS["bundle"])
    (carried,) = document["transmissions"]
    message: SealedMessage = sealed.message
    assert base64.b64decode(carried["body_b64"]) == message.body
    assert document["format"] == bundle.FORMAT
    assert document["ledger_head"] == HEAD
    assert bundle.written([message], HEAD).decode() == VECTORS["bundle"]
    assert hashlib.sha256(message.body).hexdigest() == VECTORS["refusal"]["claims"]["body_sha256"]
