"""Each switch of the License Server, and that all is well again once it is off."""

import json
import time
from uuid import uuid4

import httpx
import pytest
from jwcrypto import jwk, jws

from telemetry_service.reference.faults import Drop, Failure, Faults, Garbage, Hang, ResponseStatus, Slow
from tests.reference.sender import PING, Draft, Line, canonical, payload, refusal
from tests.support.each import each


def draft() -> Draft:
    return Draft(canonical(payload()))


def receives(line: Line, sent: Draft) -> httpx.Response | None:
    """Send, and return the response; None if there is none in a short time."""
    message = sent.signed()
    try:
        return line.client.post(
            line.server.url + message.path,
            content=message.body,
            headers=message.headers,
            timeout=httpx.Timeout(5, read=1),
        )
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.ReadTimeout):
        return None


def stored(line: Line, sent: Draft) -> bool:
    """Whether a transmission gets into the journal: a sender that gave up may have been quicker than the server."""
    for _ in range(300):
        if line.journal(sent.transmission_id) is not None:
            return True
        time.sleep(0.1)
    return False


FAILURES: dict[str, Failure] = {
    "busy": ResponseStatus(status=503, retry_after="120"),
    "broken": ResponseStatus(status=500),
    "hang": Hang(),
    "drop": Drop(),
    "another page": Garbage(),
    "torn JSON": Garbage(content_type="application/json", body='{"status": "accep'),
}
each_failure = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())


@each_failure
def test_a_failure_before_storing_leaves_nothing_behind(faulty: Line, failure: Failure) -> None:
    sent = draft()
    faulty.server.set_faults(Faults(failure=failure))
    response = receives(faulty, sent)
    assert response is None or "received_at" not in response.text
    assert faulty.journal(sent.transmission_id) is None


@each_failure
def test_a_failure_after_storing_makes_the_next_attempt_a_duplicate(faulty: Line, failure: Failure) -> None:
    sent = draft()
    faulty.server.set_faults(Faults(failure=failure, after_storing=True))
    response = receives(faulty, sent)
    assert response is None or "received_at" not in response.text
    assert stored(faulty, sent)
    faulty.server.set_faults(Faults())
    assert faulty.send(sent.signed()).json()["status"] == "duplicate"


@each("status", [200, 201, 204, 302, 400, 401, 403, 408, 409, 425, 429, 500, 502, 503, 504, 599])
def test_any_status_can_be_asked_for(faulty: Line, status: int) -> None:
    faulty.server.set_faults(Faults(failure=ResponseStatus(status=status, location="https://127.0.0.1:1/")))
    response = faulty.send(draft().signed())
    assert (response.status_code, response.headers["Location"]) == (status, "https://127.0.0.1:1/")


@each("failure", [ResponseStatus(status=204), ResponseStatus(status=304), Garbage(status=204)])
def test_a_status_without_content_leaves_the_connection_to_the_next_request(faulty: Line, failure: Failure) -> None:
    for _ in range(20):
        faulty.server.set_faults(Faults(failure=failure))
        assert faulty.send(draft().signed()).content == b""
        faulty.server.set_faults(Faults())
        assert faulty.send(draft().signed()).status_code == 200


def test_retry_after_stands_as_it_was_asked_for(faulty: Line) -> None:
    for wish in ("120", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "soon"):
        faulty.server.set_faults(Faults(failure=ResponseStatus(retry_after=wish)))
        response = faulty.send(draft().signed())
        assert refusal(response) == (503, "switched")
        assert response.headers["Retry-After"] == wish


def test_garbage_is_what_was_asked_for(faulty: Line) -> None:
    faulty.server.set_faults(Faults(failure=Garbage(status=201, content_type="text/plain", body="hello")))
    response = faulty.send(draft().signed())
    assert (response.status_code, response.headers["Content-Type"], response.text) == (201, "text/plain", "hello")


def test_a_slow_server_responds_in_the_end(faulty: Line) -> None:
    faulty.server.set_faults(Faults(failure=Slow(seconds=1.5)))
    sent = draft()
    assert receives(faulty, sent) is None
    assert faulty.send(sent.signed()).json()["status"] in {"accepted", "duplicate"}


def test_a_failure_occurs_as_often_as_requested(faulty: Line) -> None:
    faulty.server.set_faults(Faults(failure=ResponseStatus(status=502), remaining=2))
    assert [faulty.send(draft().signed()).status_code for _ in range(4)] == [502, 502, 200, 200]


def test_a_failure_affects_connection_tests_unless_they_are_excluded(faulty: Line) -> None:
    faulty.server.set_faults(Faults(failure=ResponseStatus(status=502)))
    assert faulty.send(Draft(b"{}", path=PING).signed()).status_code == 502
    faulty.server.set_faults(Faults(failure=ResponseStatus(status=502), pings=False, remaining=1))
    assert faulty.send(Draft(b"{}", path=PING).signed()).status_code == 200
    assert faulty.send(draft().signed()).status_code == 502


def test_what_is_refused_anyway_is_refused_before_a_failure_after_storing(faulty: Line) -> None:
    faulty.server.set_faults(Faults(failure=Drop(), after_storing=True))
    response = faulty.send(Draft(canonical(payload(tier="platinum"))).signed())
    assert refusal(response) == (422, "schema-violated")


def test_single_transmissions_can_be_refused(faulty: Line) -> None:
    poisoned, other = draft(), draft()
    faulty.server.set_faults(Faults(refused_ids={poisoned.transmission_id: 422, uuid4(): 400}))
    assert refusal(faulty.send(poisoned.signed())) == (422, "switched")
    assert faulty.send(other.signed()).json()["status"] == "accepted"
    assert faulty.journal(poisoned.transmission_id) is None


def test_a_receipt_can_be_left_out(faulty: Line) -> None:
    faulty.server.set_faults(Faults(receipt="absent"))
    response = faulty.send(draft().signed()).json()
    assert response["status"] == "accepted"
    assert "receipt" not in response


def test_a_receipt_can_be_forged(faulty: Line) -> None:
    faulty.server.set_faults(Faults(receipt="forged"))
    token = jws.JWS()
    token.deserialize(faulty.send(draft().signed()).json()["receipt"])
    with pytest.raises(jws.InvalidJWSSignature):
        token.verify(jwk.JWK(kty="OKP", crv="Ed25519", x=faulty.server.public_key), alg="EdDSA")


def test_a_receipt_can_be_for_another_payload(faulty: Line) -> None:
    sent = draft()
    faulty.server.set_faults(Faults(receipt="other_payload"))
    token = jws.JWS()
    token.deserialize(faulty.send(sent.signed()).json()["receipt"])
    token.verify(jwk.JWK(kty="OKP", crv="Ed25519", x=faulty.server.public_key), alg="EdDSA")
    entry = faulty.journal(sent.transmission_id)
    assert entry is not None
    assert json.loads(token.payload)["payload_sha256"] != entry.payload_sha256


@each(
    "faults",
    [
        {"failure": {"kind": "explode"}},
        {"failure": {"kind": "status", "status": 99}},
        {"failure": {"kind": "slow", "seconds": -1}},
        {"failure": {"kind": "status", "retry_after": "1\r\nX: y"}},
        {"remaining": 0},
        {"receipt": "lost"},
        {"unknown": True},
    ],
)
def test_faults_are_a_closed_type(faulty: Line, faults: dict[str, object]) -> None:
    token = faulty.server.options.control_token
    response = faulty.client.put(
        f"{faulty.server.url}/_control/faults", json=faults, headers={"Authorization": f"Bearer {token}"}
    )
    assert refusal(response) == (422, "control-input-invalid")
    assert faulty.send(draft().signed()).status_code == 200
