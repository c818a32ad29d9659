"""A refused caller leaves a line with the address that the call came from, and never with what was typed."""

import httpx
import pytest

from telemetry_service.identity.scopes import Scope
from tests.log.conftest import PASSWORD, Deployment, login

OTHER_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("options", "address"),
    [((), "127.0.0.1"), (("--trusted-proxy", "127.0.0.1"), "203.0.113.9")],
    ids=["direct", "proxy"],
)
def test_refused_logins_and_calls_leave_a_line_with_the_address(
    deployment: Deployment, options: tuple[str, ...], address: str
) -> None:
    came_from = {"X-Forwarded-For": "203.0.113.9"}
    with deployment.program(*options) as service:
        url = service.wait_for_url()
        for number in range(1, 6):
            assert login(url, "canary typed 4711", came_from).status_code == 401
            assert service.wait_for_event("login_failed", failures=number)["address"] == address
        assert login(url, PASSWORD, came_from).status_code == 429
        assert service.wait_for_event("login_blocked")["address"] == address

        config = f"{url}/api/v1/telemetry/config"
        bad = f"cct_abcdefghijkl_{'canary' * 8}"[:60]
        for headers, credential in (
            (_bearer(bad), "token"),
            ({}, "none"),
            ({"Cookie": "telemetry_session=x"}, "session"),
        ):
            assert httpx.get(config, headers=headers | came_from, trust_env=False).status_code == 401
            line = service.wait_for_event("access_denied", credential=credential)
            assert (line["address"], line["route"]) == (address, "get_config")

        assert (
            deployment.call(url, Scope.READ, "DELETE", "telemetry/config/api-key", headers=came_from).status_code == 403
        )
        line = service.wait_for_event("scope_missing")
        assert (line["address"], line["actor"], line["level"]) == (address, "token:t-read", "warning")

        assert login(url, PASSWORD, came_from | OTHER_SITE).status_code == 403
        assert service.wait_for_event("csrf_refused")["address"] == address

        response = httpx.put(config, headers=came_from, content=b"x" * 100_000, trust_env=False)
        assert response.status_code == 413
        line = service.wait_for_event("request_refused", code="body-too-large")
        assert (line["address"], line["status"]) == (address, 413)
        theirs = [line for line in service.lines if line["event"] not in {"forwarded_not_trusted", "login_succeeded"}]
        assert all("request_id" in line for line in theirs if "address" in line)
        written = service.errors
    for typed in ("canary", PASSWORD, bad, "elsewhere"):
        assert typed not in written


def test_a_login_leaves_a_line_too(deployment: Deployment) -> None:
    with deployment.program() as service:
        assert login(service.wait_for_url(), PASSWORD).status_code == 303
        line = service.wait_for_event("login_succeeded")
        assert (line["address"], line["level"]) == ("127.0.0.1", "info")


def test_a_flood_of_refused_calls_is_a_handful_of_lines(deployment: Deployment) -> None:
    with deployment.program() as service:
        url = service.wait_for_url()
        with httpx.Client(trust_env=False) as client:
            for _ in range(300):
                client.get(f"{url}/api/v1/telemetry/config", headers=_bearer("x"))
        denied = [line for line in service.lines if line["event"] == "access_denied"]
    assert 1 <= len(denied) <= 40  # 10 a minute and address; a slow machine may see the next minutes too.


def test_a_call_that_cannot_be_done_says_why(deployment: Deployment) -> None:
    with deployment.program() as service:
        url = service.wait_for_url()
        response = deployment.call(url, Scope.REPORT, "POST", "usage", json={"reports": ["canary"]})
        line = service.wait_for_event("call_refused", request_id=response.headers["X-Request-Id"])
        assert (line["code"], line["status"], line["level"]) == ("input-invalid", 422, "info")
        assert "canary" not in service.errors
