"""The service's own sealing and client, against the License Server that shares no code with them."""

from uuid import UUID, uuid4

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.outcome import Accepted, Held, LicenseUpdate, Rejected, Retrying
from telemetry_service.domain.payload import TelemetryAggregatePayload
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint
from telemetry_service.reference.faults import Drop, Faults, Garbage, ResponseStatus
from telemetry_service.sealing.identity import pseudonym as sealed_pseudonym
from telemetry_service.sealing.receipt import ReceiptKey
from telemetry_service.sealing.sealer import Sealed, payload_bytes, seal, seal_ping
from tests.reference.sender import API_KEY, CUSTOMER, Line, canonical, payload, pseudonym


@pytest.fixture(scope="module")
def client(line: Line) -> LicenseServerClient:
    return LicenseServerClient(Endpoint(line.server.url, line.server.ca_file, None, "control-core-telemetry/0.0.1"))


def unix_now() -> int:
    return int(SystemClock().now().timestamp())


def sealed(transmission_id: UUID | None = None, *, encrypt: bool = True, api_key: str = API_KEY) -> Sealed:
    valid = TelemetryAggregatePayload.model_validate_json(
        canonical(payload(customer_id=sealed_pseudonym(API_KEY, CUSTOMER)))
    )
    return seal(payload_bytes(valid), transmission_id or uuid4(), unix_now(), api_key, encrypt)


@pytest.mark.parametrize("encrypt", [True, False])
def test_what_the_service_seals_is_verified_opened_and_kept(
    line: Line, client: LicenseServerClient, *, encrypt: bool
) -> None:
    sent = sealed(encrypt=encrypt)
    outcome = client.transmit(sent.message, (), SystemClock().now())
    assert isinstance(outcome, Accepted)
    assert not outcome.duplicate
    entry = line.journal(sent.message.transmission_id)
    assert entry is not None
    assert (entry.payload_sha256, entry.body_sha256) == (sent.payload_sha256, sent.body_sha256)
    assert (entry.customer_id, entry.encrypted) == (CUSTOMER, encrypt)


def test_the_receipt_verifies_under_the_pinned_key(line: Line, client: LicenseServerClient) -> None:
    sent = sealed()
    outcome = client.transmit(sent.message, (), SystemClock().now())
    assert isinstance(outcome, Accepted)
    assert outcome.receipt is not None
    pinned = ReceiptKey.parse(line.server.public_key)
    assert pinned.verify(outcome.receipt, sent.message.transmission_id, {sent.payload_sha256})
    assert not pinned.verify(outcome.receipt, uuid4(), {sent.payload_sha256})
    assert isinstance(outcome.license, LicenseUpdate)


def test_the_service_and_its_far_side_name_a_customer_alike() -> None:
    assert sealed_pseudonym(API_KEY, CUSTOMER) == pseudonym(API_KEY, CUSTOMER)


def test_an_accept_then_die_ends_in_a_duplicate(faulty: Line, client: LicenseServerClient) -> None:
    transmission_id = uuid4()
    faulty.server.set_faults(Faults(failure=Drop(), after_storing=True))
    lost = client.transmit(sealed(transmission_id).message, (), SystemClock().now())
    assert isinstance(lost, Retrying)
    faulty.server.set_faults(Faults())
    found = client.transmit(sealed(transmission_id).message, (), SystemClock().now())
    assert isinstance(found, Accepted)
    assert found.duplicate == (faulty.journal(transmission_id) is not None)


def test_a_conflict_with_a_body_of_our_own_is_an_acceptance(client: LicenseServerClient) -> None:
    transmission_id = uuid4()
    first = sealed(transmission_id)
    client.transmit(first.message, (), SystemClock().now())
    other = TelemetryAggregatePayload.model_validate_json(canonical(payload(bouncer_count=20)))
    second = seal(payload_bytes(other), transmission_id, unix_now(), API_KEY, encrypt=True)
    ours = client.transmit(second.message, {first.body_sha256}, SystemClock().now())
    assert isinstance(ours, Accepted)
    not_ours = client.transmit(second.message, (), SystemClock().now())
    assert not_ours == Rejected(Cause.ID_CONFLICT, 409)


def test_the_service_understands_each_kind_of_refusal(faulty: Line, client: LicenseServerClient) -> None:
    now = SystemClock().now()
    stranger = sealed(api_key="ck_test_nobody-knows-it").message
    assert client.transmit(stranger, (), now) == Held(Cause.API_KEY_NOT_ACCEPTED, 401)
    faulty.server.set_faults(Faults(failure=ResponseStatus(status=503, retry_after="600")))
    busy = client.transmit(sealed().message, (), now)
    assert isinstance(busy, Retrying)
    assert busy.retry_after is not None
    assert (busy.cause, busy.retry_after.total_seconds()) == (Cause.BUSY, 600)
    faulty.server.set_faults(Faults(failure=Garbage()))
    assert client.transmit(sealed().message, (), now) == Rejected(Cause.RESPONSE_MALFORMED, 200)


def test_the_connection_test_of_the_service_passes(client: LicenseServerClient) -> None:
    assert client.check_connection(seal_ping(uuid4(), unix_now(), API_KEY)).ok
    refused = client.check_connection(seal_ping(uuid4(), unix_now(), "ck_test_nobody-knows-it"))
    assert refused.cause is Cause.API_KEY_NOT_ACCEPTED
