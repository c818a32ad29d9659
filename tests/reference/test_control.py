"""The control interface: there for who knows its token, and only where there is one."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from telemetry_service.domain.clock import SystemClock
from telemetry_service.reference.background import ReferenceProcess
from tests.reference.conftest import options_in
from tests.reference.sender import API_KEY, CUSTOMER, Draft, Line, canonical, connect, key_id, payload, refusal
from tests.support.each import each

ADDRESSES = [
    ("GET", "/_control/faults"),
    ("PUT", "/_control/faults"),
    ("PUT", "/_control/clock"),
    ("GET", "/_control/journal"),
    ("POST", "/_control/keys"),
    ("POST", "/_control/keys/revoke"),
]


def authorization(line: Line) -> dict[str, str]:
    return {"Authorization": f"Bearer {line.server.options.control_token}"}


@each(("method", "path"), ADDRESSES)
def test_who_does_not_know_the_token_is_turned_away(line: Line, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic abc"}):
        response = line.client.request(method, line.server.url + path, headers=headers)
        assert refusal(response) == (401, "control-token-invalid")


def test_without_a_token_there_is_no_control_interface(tmp_path: Path) -> None:
    options = options_in(tmp_path).model_copy(update={"control_token": None})
    with ReferenceProcess(options) as server, connect(server.ca_file) as client:
        for method, path in ADDRESSES:
            response = client.request(method, server.url + path, headers={"Authorization": "Bearer None"})
            assert refusal(response) == (404, "not-found")


def test_a_key_can_be_added_and_revoked_and_added_again(mortal: Line) -> None:
    later = "ck_test_a-later-key-0123456789"
    draft = Draft(canonical(payload()), api_key=later)
    assert mortal.send(draft.signed()).status_code == 401
    assert mortal.server.add_key(later, CUSTOMER) == key_id(later)
    assert mortal.send(draft.signed()).status_code == 200
    mortal.server.revoke_key(later)
    assert mortal.send(draft.signed()).status_code == 401
    mortal.server.add_key(later, CUSTOMER)
    assert mortal.send(draft.signed()).json()["status"] == "duplicate"


def test_a_revoked_key_stays_revoked_when_the_server_starts_again(mortal: Line) -> None:
    mortal.server.revoke_key(API_KEY)
    mortal.server.stop()
    mortal.server.start()
    assert refusal(mortal.send(Draft(canonical(payload())).signed())) == (401, "key-unknown")


def test_a_key_belongs_to_one_customer(line: Line) -> None:
    response = line.client.post(
        f"{line.server.url}/_control/keys",
        json={"api_key": API_KEY, "customer_id": "cus_SomebodyElse"},
        headers=authorization(line),
    )
    assert refusal(response) == (422, "control-input-invalid")


def test_a_key_that_is_not_there_cannot_be_revoked(line: Line) -> None:
    response = line.client.post(
        f"{line.server.url}/_control/keys/revoke", json={"key_id": "0" * 16}, headers=authorization(line)
    )
    assert refusal(response) == (404, "not-found")


def test_the_journal_can_be_read_over_the_network(line: Line) -> None:
    draft = Draft(canonical(payload()))
    line.send(draft.signed())
    response = line.client.get(f"{line.server.url}/_control/journal", headers=authorization(line))
    shown = {entry["transmission_id"]: entry for entry in response.json()["transmissions"]}
    assert shown[str(draft.transmission_id)]["payload"] == draft.body.decode()
    assert API_KEY not in response.text


def test_a_clock_set_back_keeps_its_five_minutes(mortal: Line) -> None:
    """The past weeks of a demo are verified as strictly as what happens today."""
    mortal.server.set_clock(timedelta(days=-40))
    draft = Draft(canonical(payload()), seconds_late=40 * 86_400)
    assert refusal(mortal.send(Draft(draft.body).signed())) == (400, "timestamp-out-of-tolerance")
    response = mortal.send(draft.signed())
    assert response.status_code == 200
    assert abs(SystemClock().now() - parsedate_to_datetime(response.headers["Date"]) - timedelta(days=40)) < timedelta(
        minutes=5
    )
    entry = mortal.journal(draft.transmission_id)
    assert entry is not None
    age = SystemClock().now() - datetime.fromisoformat(entry.received_at)
    assert abs(age - timedelta(days=40)) < timedelta(minutes=5)
    mortal.server.set_clock(timedelta(0))
    assert refusal(mortal.send(draft.signed())) == (400, "timestamp-out-of-tolerance")
