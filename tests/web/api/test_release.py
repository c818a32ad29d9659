"""*Release*, *Withdraw* and *Accept without a receipt* by REST and in the tab, with and without JavaScript."""

import html
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import create_engine, text

from telemetry_service.identity.scopes import Scope
from tests.support import faults
from tests.support.connected import connected_service, connection_to
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.running import Running, code_in, fields_in
from tests.web.api.test_facts import report, send

H = "telemetry/history"
TAB = "/settings/general/telemetry"
WHY = {"reason": "Reviewed with the works council"}


@pytest.fixture
def environment() -> dict[str, str]:
    return {"TELEMETRY_RELEASE": "manual"}


@pytest.fixture
def service(
    database_url: str, clock: FrozenClock, license_server: LicenseServer, environment: dict[str, str]
) -> Iterator[Running]:
    """A service that is configured and has something to send."""
    with connected_service(database_url, connection_to(license_server) | environment, clock) as running:
        send(running, report())
        yield running


def prepare(service: Running, status: int = 202) -> dict[str, Any]:
    response = service.call(Scope.ADMIN, "POST", "telemetry/send-now")
    assert response.status_code == status, response.text
    made: dict[str, Any] = response.json()
    return made


def decide(service: Running, made: dict[str, Any], decision: str, **body: Any) -> httpx.Response:  # noqa: ANN401
    path = f"{H}/{made['transmission_id']}/{decision}"
    return service.call(Scope.ADMIN, "POST", path, json=body or WHY)


def test_send_now_answers_202_and_a_release_sends_it_once(service: Running, license_server: LicenseServer) -> None:
    made = prepare(service)
    assert (made["status"], made["state"]) == ("waiting", "awaiting_release")
    assert license_server.journal() == ()
    for _ in range(2):
        released = decide(service, made, "release")
        assert (released.status_code, released.json()["state"]) == (200, "success")
    assert [entry.times_received for entry in license_server.journal()] == [1]


def test_what_was_withdrawn_is_final(service: Running) -> None:
    made = prepare(service)
    for _ in range(2):
        assert decide(service, made, "withdraw").json()["state"] == "withdrawn"
    for decision in ("release", "accept-without-receipt"):
        assert code_in(decide(service, made, decision)) == "withdrawn"
    retried = service.call(Scope.ADMIN, "POST", f"{H}/{made['transmission_id']}/retry")
    assert code_in(retried) == "withdrawn"
    listed = service.call(Scope.READ, "GET", f"{H}?status=withdrawn").json()["transmissions"]
    assert [row["transmission_id"] for row in listed] == [made["transmission_id"]]
    exported = service.call(Scope.READ, "GET", f"{H}/export?format=csv&status=withdrawn").text
    assert "withdrawn" in exported
    metrics = service.call(Scope.READ, "GET", "/metrics").text
    assert 'telemetry_transmissions{state="withdrawn"} 1.0' in metrics
    assert 'telemetry_transmissions{state="awaiting_release"} 0.0' in metrics


def test_each_decision_needs_a_reason_and_a_transmission(service: Running) -> None:
    made = prepare(service)
    for decision in ("release", "withdraw", "accept-without-receipt"):
        for body in ({"reason": ""}, {"reason": "x" * 501}, {"reasons": "x"}):
            refused = decide(service, made, decision, **body)
            assert (refused.status_code, fields_in(refused) != []) == (422, True), body
        assert code_in(decide(service, made, decision, reason="two\nlines")) == "reason-invalid"
        assert code_in(decide(service, {"transmission_id": str(uuid4())}, decision)) == "not-found"
    assert code_in(decide(service, made, "accept-without-receipt")) == "receipt-not-missing"
    retried = service.call(Scope.ADMIN, "POST", f"{H}/{made['transmission_id']}/retry")
    assert (retried.status_code, code_in(retried)) == (409, "awaiting-release")


def test_what_may_have_arrived_is_not_withdrawn(service: Running, license_server: LicenseServer) -> None:
    made = prepare(service)
    license_server.trouble(Trouble(before=reply(503)))
    decide(service, made, "release")
    refused = decide(service, made, "withdraw")
    assert (refused.status_code, code_in(refused)) == (409, "may-have-arrived")


@pytest.mark.parametrize("environment", [{"TELEMETRY_REQUIRE_RECEIPT": "true"}], ids=["a receipt is required"])
def test_a_receipt_that_is_required_and_missing_is_decided_on(service: Running, license_server: LicenseServer) -> None:
    license_server.server.mode = faults.accept_with()
    made = prepare(service, 200)
    assert (made["state"], made["cause"]["code"], made["next_attempt_at"]) == ("held", "receipt_missing", None)
    health = service.call(Scope.READ, "GET", "telemetry/health").json()
    assert (health["status"], health["code"]) == ("warning", "receipt_missing")
    accepted = decide(service, made, "accept-without-receipt").json()
    assert (accepted["state"], accepted["receipt_verified"]) == ("success", False)


class Browser:
    """A browser without JavaScript."""

    def __init__(self, service: Running) -> None:
        self._service = service
        self._cookies, self._token = service.log_in()

    def get(self, path: str) -> httpx.Response:
        return self._call("GET", path)

    def post(self, path: str, **form: str) -> httpx.Response:
        return self._call("POST", path, data={"csrf_token": self._token, **form})

    def _call(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookie, "Origin": str(self._service.client.base_url).rstrip("/")}
        return self._service.client.request(method, path, headers=headers, **request)


def hidden(page: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return html.unescape(found[1])


def test_the_tab_asks_for_a_reason_and_releases_without_javascript(
    service: Running, license_server: LicenseServer
) -> None:
    browser, made = Browser(service), prepare(service)
    place = f"{TAB}/history/{made['transmission_id']}"
    drawer = browser.get(place).text
    assert "Waiting" in drawer
    assert made["prepared_sha256"] in drawer
    assert f"{place}/decide/release" in drawer
    assert f"{place}/decide/withdraw" in drawer
    asked = browser.get(f"{place}/decide/release").text
    shown = hidden(asked, "shown")
    assert shown == made["prepared_sha256"]
    refused = browser.post(f"{place}/decide/release", reason=" ", shown=shown)
    assert (refused.status_code, "The reason must have 1 to 500 characters." in refused.text) == (422, True)
    stale = browser.post(f"{place}/decide/release", reason="Why not", shown="0" * 64)
    assert (stale.status_code, license_server.journal()) == (422, ())
    done = browser.post(f"{place}/decide/release", reason="Why not", shown=shown)
    assert (done.status_code, done.headers["location"]) == (303, f"{place}?done=sent")
    assert len(license_server.journal()) == 1


def test_the_tab_withdraws_and_offers_nothing_more(service: Running) -> None:
    browser, made = Browser(service), prepare(service)
    place = f"{TAB}/history/{made['transmission_id']}"
    assert "cannot be undone" in browser.get(f"{place}/decide/withdraw").text
    assert browser.post(f"{place}/decide/withdraw", reason="Not needed").status_code == 303
    drawer = browser.get(place).text
    assert "Withdrawn" in drawer
    assert "/decide/" not in drawer
    assert "Withdrew a payload" in browser.get(f"{TAB}/activity").text


def test_while_telemetry_is_off_the_tab_offers_to_withdraw_only(service: Running) -> None:
    browser, made = Browser(service), prepare(service)
    tag = service.call(Scope.READ, "GET", "telemetry/config").headers["ETag"]
    values = {
        "enabled": False,
        "frequency": "weekly",
        "encrypt_payload": True,
        "anonymize_pii": True,
        "retention_days": 30,
    }
    saved = service.call(Scope.ADMIN, "PUT", "telemetry/config?confirm=true", json=values, headers={"If-Match": tag})
    assert saved.is_success, saved.text
    assert code_in(decide(service, made, "release")) == "telemetry-disabled"
    drawer = browser.get(f"{TAB}/history/{made['transmission_id']}").text
    assert "decide/release" not in drawer
    assert "decide/withdraw" in drawer


def test_what_has_timed_out_offers_no_withdrawal(service: Running, license_server: LicenseServer) -> None:
    browser, made = Browser(service), prepare(service)
    license_server.trouble(Trouble(after=lambda visit: visit.reset()))
    assert decide(service, made, "release").json()["state"] == "retrying"
    drawer = browser.get(f"{TAB}/history/{made['transmission_id']}").text
    assert "decide/" not in drawer
    refused = browser.post(f"{TAB}/history/{made['transmission_id']}/decide/withdraw", reason="Too late")
    assert "cannot be withdrawn" in html.unescape(refused.text)


def test_the_dialog_of_send_now_says_that_it_only_prepares(service: Running) -> None:
    asked = Browser(service).get(f"{TAB}/send-now").text
    assert "Prepared only" in asked


def put(service: Running, statement: str, **values: object) -> None:
    """Change the database as someone without any key may."""
    engine = create_engine(service.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


def test_what_someone_has_changed_says_how_it_ends(service: Running, license_server: LicenseServer) -> None:
    made, browser = prepare(service), Browser(service)
    details = f"{TAB}/history/{made['transmission_id']}"
    license_server.trouble(Trouble(before=reply(503)))
    decide(service, made, "release")
    put(service, "UPDATE evidence SET content = :changed", changed=b"{}")
    retried = service.call(Scope.ADMIN, "POST", f"{H}/{made['transmission_id']}/retry").json()
    assert (retried["state"], retried["cause"]["code"]) == ("held", "payload_changed")
    assert "Withdraw…" in browser.get(details).text
    asked = browser.get(f"{details}/decide/withdraw").text
    assert "The License Server may have it" in asked
    assert "Its extension codes may have been sent, so they count as sent." in asked
    assert decide(service, made, "withdraw").json()["state"] == "withdrawn"
    assert "not sent again; the License Server may have it" in browser.get(details).text


def test_what_waits_although_someone_has_freed_it_is_released(service: Running) -> None:
    made, browser = prepare(service), Browser(service)
    details = f"{TAB}/history/{made['transmission_id']}"
    for state, cause in (("held", "payload_changed"), ("awaiting_release", "from_backup")):
        put(service, "UPDATE telemetry_transmission_logs SET state = :state, cause = :cause", state=state, cause=cause)
        page = browser.get(details).text
        assert f"<code>{cause}</code>" in page
        assert "Release…" in page
    asked = browser.get(f"{details}/decide/withdraw").text
    assert "Its extension codes are included in the next payload." in asked
    shown = service.call(Scope.READ, "GET", f"{H}/{made['transmission_id']}").json()
    assert shown["cause"]["next_step"].endswith("Otherwise, release it.")
    put(service, "UPDATE telemetry_transmission_logs SET state = 'rejected', cause = NULL")
    assert decide(service, made, "release").json()["state"] == "success"
