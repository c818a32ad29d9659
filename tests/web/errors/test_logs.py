"""What callers send is not logged, and every line and response of a request has its ID."""

import logging
from uuid import UUID

import pytest

from telemetry_service.identity.scopes import Scope
from telemetry_service.web.http.server import server_config
from tests.support.each import each
from tests.support.log_lines import lines_in
from tests.support.running import Running, problem_in

SECRET = "ck_live_canary_4711"


def test_there_is_no_access_log(shared: Running) -> None:
    assert server_config(shared.app, "127.0.0.1", 0).access_log is False
    assert logging.getLogger("uvicorn.access").disabled


def test_what_callers_send_is_not_logged(shared: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        shared.call(Scope.READ, "GET", f"telemetry/history?cursor={SECRET}")
        shared.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": f"{SECRET} "})
        shared.call(Scope.REPORT, "POST", "usage", json={"reports": [SECRET]})
        shared.client.get(f"/{SECRET}", headers={"Authorization": f"Bearer {SECRET}"})
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert SECRET not in "\n".join(ours)
    assert SECRET not in str(lines_in(caplog))


@each("path", ["/healthz", "/nothing-is-here", "/api/v1/telemetry/config", "/login", "/readyz"])
def test_every_response_has_a_time_ordered_id(shared: Running, path: str) -> None:
    ids = [shared.client.get(path).headers.get_list("X-Request-Id") for _ in range(2)]
    assert [len(one) for one in ids] == [1, 1]
    first, second = (UUID(one[0]) for one in ids)
    assert first.version == second.version == 7
    assert first != second


@pytest.mark.parametrize("given", ["a", "trace-4711.x_Y", "x" * 64])
def test_an_id_that_a_caller_gives_is_kept(shared: Running, given: str) -> None:
    response = shared.client.get("/api/v1/telemetry/config", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given
    assert problem_in(response)["request_id"] == given


@each("given", ["", "two words", "x" * 65, "a/b", "<script>", "ä".encode(), "a\tb"])
def test_an_id_of_another_form_is_replaced(shared: Running, given: str | bytes) -> None:
    raw = given if isinstance(given, bytes) else given.encode()
    response = shared.client.get("/api/v1/telemetry/config", headers=[(b"X-Request-Id", raw)])
    assert UUID(response.headers["X-Request-Id"]).version == 7
    assert problem_in(response)["request_id"] == response.headers["X-Request-Id"]


def test_two_ids_are_none(shared: Running) -> None:
    response = shared.client.get("/healthz", headers=[("X-Request-Id", "one"), ("X-Request-Id", "two")])
    assert UUID(response.headers["X-Request-Id"]).version == 7
