"""What never left is nowhere called sent: not in the tab, not by REST. What may have left is not said to have."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.stages.tick import run_due_tick
from telemetry_service.web.tab import paths
from tests.support import faults
from tests.support.fault_server import FaultServer, Mode
from tests.support.license_server import API_KEY, CUSTOMER
from tests.support.running import Running
from tests.web.api.test_facts import report, send

LEFT = (
    "What was sent",
    "As sent by",
    "as sent over the network",
    "Sent and accepted",
    "Sent again",
    "Records sent</dt>",
)
"""The words that claim that something was sent."""


@pytest.fixture
def far_side(tmp_path: Path) -> Iterator[FaultServer]:
    with FaultServer(tmp_path, faults.accept) as server:
        yield server


@pytest.fixture
def connected(sqlite_url: str, far_side: FaultServer) -> Iterator[Running]:
    environment = {
        "TELEMETRY_LICENSE_SERVER_URL": far_side.url,
        "TELEMETRY_LICENSE_SERVER_CA_FILE": str(far_side.ca_pem_path),
        "TELEMETRY_CUSTOMER_ID": CUSTOMER,
    }
    with Running(sqlite_url, environment) as running:
        assert running.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": API_KEY}).is_success
        send(running, report())
        yield running


def press(service: Running, path: str, **fields: str) -> str:
    """Press a button of the tab without JavaScript and return the page that it leads to."""
    cookies, proof = service.log_in()
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    origin = {"Sec-Fetch-Site": "same-origin"}
    response = service.client.post(path, headers=headers | origin, data={"csrf_token": proof, **fields})
    assert response.status_code == 303, response.text
    shown = service.client.get(response.headers["location"], headers=headers)
    assert shown.status_code == 200
    return shown.text


def version_shown(service: Running) -> str:
    """Open the dialog of *Send Now* and return what it names as shown."""
    cookies, _proof = service.log_in()
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    found = re.search(r'name="shown" value="([^"]*)"', service.client.get(paths.SEND_NOW, headers=headers).text)
    assert found is not None
    return found[1]


def send_and_retry(service: Running) -> tuple[str, str, bool | None]:
    """Return what the tab shows after *Send Now* and after *Retry*, and what REST says of the last attempt."""
    key = "01980000-0000-7000-8000-000000000001"
    sent = press(service, paths.SEND_NOW, request_key=key, shown=version_shown(service))
    listed = service.call(Scope.READ, "GET", "telemetry/history").json()["transmissions"]
    transmission_id = listed[0]["transmission_id"]
    retried = press(service, paths.retry(transmission_id), drawer="1")
    attempts = service.call(Scope.READ, "GET", f"telemetry/history/{transmission_id}").json()["attempts"]
    assert len({attempt["request_written"] for attempt in attempts}) == 1
    return sent, retried, attempts[-1]["request_written"]


@pytest.mark.parametrize(
    "mode", [None, faults.certificate_of_unknown_authority, faults.tls_1_1_only, faults.speak_plaintext]
)
def test_what_ended_before_the_request_was_written_is_not_called_sent(
    connected: Running, far_side: FaultServer, mode: Mode | None
) -> None:
    if mode is None:
        far_side.refuse()
    else:
        far_side.mode = mode
    sent, retried, written = send_and_retry(connected)
    assert written is False
    for page in (sent, retried):
        assert [claim for claim in LEFT if claim in page] == []
        assert "What was prepared but not sent" in page
        assert "nothing was sent" in page
        assert "Not sent. The payload is kept" in page
        assert "Records to send</dt>" in page
    assert far_side.requests == []


def test_what_may_have_left_is_not_said_to_have_arrived_nor_to_have_stayed(
    connected: Running, far_side: FaultServer
) -> None:
    far_side.mode = faults.reset_after_reading
    sent, retried, written = send_and_retry(connected)
    assert written is None
    for page in (sent, retried):
        assert "What may have been sent" in page
        assert "No response, so whether it arrived is unknown." in page
        assert "What was sent" not in page
        assert "nothing was sent" not in page


def test_what_got_a_response_was_sent(connected: Running, far_side: FaultServer) -> None:
    far_side.mode = faults.reply(422)
    sent, retried, written = send_and_retry(connected)
    assert written is True
    assert "Not accepted. It will be retried." in sent
    assert "Sent again, but not accepted." in retried
    for page in (sent, retried):
        assert "What was sent" in page
        assert "as sent over the network" in page
        assert "Records sent</dt>" in page


def test_before_its_first_attempt_nothing_is_said_to_have_left(connected: Running) -> None:
    runtime = connected.context.runtime
    with runtime.database.read() as tx:
        due = tx.schedule.next_run_at()
    connected.clock.advance(due - connected.clock.now())
    run_due_tick(runtime)
    cookies, _proof = connected.log_in()
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    listed = connected.call(Scope.READ, "GET", "telemetry/history").json()["transmissions"]
    page = connected.client.get(paths.transmission(listed[0]["transmission_id"]), headers=headers).text
    assert "What will be sent" in page
    assert [claim for claim in LEFT if claim in page] == []
