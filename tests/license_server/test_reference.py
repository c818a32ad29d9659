"""The reference License Server, with code of its own, accepts what is sealed and sent here."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.clock import SystemClock, time_ordered_id
from telemetry_service.domain.outcome import Accepted, Held, Rejected
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint
from telemetry_service.reference.background import ReferenceProcess, temporary_options
from telemetry_service.reference.options import Grant
from telemetry_service.sealing.identity import pseudonym
from telemetry_service.sealing.receipt import ReceiptKey
from telemetry_service.sealing.sealer import payload_bytes, seal, seal_ping
from tests.license_server.conftest import API_KEY
from tests.sealing.payloads import payload

CUSTOMER = "cus_NffrFeUfNV2Hib"
WRONG_KEY = "another-key-than-the-one-it-knows"


@pytest.fixture(scope="module")
def now() -> datetime:
    """The real moment, as the License Server checks timestamps against it."""
    return SystemClock().now()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Iterator[ReferenceProcess]:
    """A License Server of its own process, with TLS."""
    options = temporary_options(
        tmp_path_factory.mktemp("reference"), now, [Grant(api_key=API_KEY, customer_id=CUSTOMER)]
    )
    with ReferenceProcess(options) as running:
        yield running


@pytest.fixture(scope="module")
def client(reference: ReferenceProcess) -> LicenseServerClient:
    return LicenseServerClient(Endpoint(reference.url, Path(reference.ca_file)))


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("customer", [CUSTOMER, pseudonym(API_KEY, CUSTOMER)], ids=["clear", "pseudonym"])
def test_it_accepts_a_transmission_once_and_signs_for_it(
    reference: ReferenceProcess, client: LicenseServerClient, now: datetime, *, encrypted: bool, customer: str
) -> None:
    transmission_id, timestamp = time_ordered_id(now), int(now.timestamp())
    sealed = seal(payload_bytes(payload(customer_id=customer)), transmission_id, timestamp, API_KEY, encrypted)
    first, second = (client.transmit(sealed.message, (), now) for _ in range(2))
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert (first.duplicate, second.duplicate) == (False, True)
    receipt_key = ReceiptKey.parse(reference.public_key)
    assert first.receipt is not None
    assert receipt_key.verify(first.receipt, transmission_id, {sealed.payload_sha256})
    assert not receipt_key.verify(first.receipt, transmission_id, {sealed.body_sha256} - {sealed.payload_sha256})


def test_it_refuses_a_wrong_key_and_another_payload_under_one_id(client: LicenseServerClient, now: datetime) -> None:
    transmission_id, timestamp = time_ordered_id(now), int(now.timestamp())
    plaintext = payload_bytes(payload(customer_id=CUSTOMER))
    wrong = seal(plaintext, transmission_id, timestamp, WRONG_KEY, encrypt=True)
    assert client.transmit(wrong.message, (), now) == Held(Cause.API_KEY_NOT_ACCEPTED, 401)
    right = seal(plaintext, transmission_id, timestamp, API_KEY, encrypt=True)
    assert isinstance(client.transmit(right.message, (), now), Accepted)
    changed = payload_bytes(payload(customer_id=CUSTOMER, bouncer_count=99))
    other = seal(changed, transmission_id, timestamp, API_KEY, encrypt=True)
    assert client.transmit(other.message, (), now) == Rejected(Cause.ID_CONFLICT, 409)


def test_it_passes_a_connection_test_with_the_right_key_only(client: LicenseServerClient, now: datetime) -> None:
    right, wrong = (seal_ping(time_ordered_id(now), int(now.timestamp()), key) for key in (API_KEY, WRONG_KEY))
    assert client.check_connection(right).ok
    assert client.check_connection(wrong).cause is Cause.API_KEY_NOT_ACCEPTED
