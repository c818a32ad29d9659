"""No other site can use the administrator's session."""

import httpx
import pytest

from telemetry_service.identity.scopes import Scope
from tests.support.each import each
from tests.support.running import PASSWORD, Running, code_in, problem_in

REMOVE_KEY = "/api/v1/telemetry/config/api-key"
READ = "/api/v1/telemetry/config"
SAVE = "/settings/general/telemetry/appearance"


def _cookie(cookies: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def _forbidden(response: httpx.Response) -> bool:
    return response.status_code == 403 and code_in(response) == "request-forgery"


def test_a_change_needs_the_csrf_token_of_its_session(shared: Running) -> None:
    cookies, proof = shared.log_in()
    _other, anothers_proof = shared.log_in()
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": anothers_proof}, {"X-CSRF-Token": "A" * 43}):
        assert _forbidden(shared.client.delete(REMOVE_KEY, headers=_cookie(cookies) | headers))
    assert shared.client.delete(REMOVE_KEY, headers=_cookie(cookies) | {"X-CSRF-Token": proof}).status_code == 200


def test_reading_needs_no_csrf_token(shared: Running) -> None:
    cookies, _proof = shared.log_in()
    assert shared.client.get(READ, headers=_cookie(cookies)).status_code == 200


@each(
    "said",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Sec-Fetch-Site": "anything-new"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
    ],
)
def test_a_change_from_another_site_is_refused_even_with_the_token(shared: Running, said: dict[str, str]) -> None:
    cookies, proof = shared.log_in()
    headers = _cookie(cookies) | {"X-CSRF-Token": proof} | said
    assert _forbidden(shared.client.delete(REMOVE_KEY, headers=headers))


def test_a_change_from_its_own_page_passes(shared: Running) -> None:
    cookies, proof = shared.log_in()
    origin = str(shared.client.base_url).rstrip("/")
    behind_a_proxy = {"Sec-Fetch-Site": "same-origin", "Origin": "https://console.example"}
    for own in ({"Origin": origin}, {"Sec-Fetch-Site": "same-origin", "Origin": origin}, behind_a_proxy):
        headers = _cookie(cookies) | {"X-CSRF-Token": proof} | own
        assert shared.client.delete(REMOVE_KEY, headers=headers).status_code == 200


def test_another_site_cannot_even_read_the_api_with_a_session(shared: Running) -> None:
    cookies, _proof = shared.log_in()
    assert _forbidden(shared.client.get(READ, headers=_cookie(cookies) | {"Sec-Fetch-Site": "cross-site"}))


def test_a_form_may_carry_the_token_in_a_field(shared: Running) -> None:
    cookies, proof = shared.log_in()
    for fields, passes in (({"csrf_token": proof}, True), ({"csrf_token": "x"}, False), ({}, False)):
        response = shared.client.post(SAVE, data={"theme": "dark", **fields}, headers=_cookie(cookies))
        assert (response.status_code == 403) is not passes


def test_a_form_with_two_tokens_or_a_file_for_one_is_refused(shared: Running) -> None:
    cookies, _proof = shared.log_in()
    response = shared.client.post(SAVE, files={"csrf_token": ("x", b"x")}, headers=_cookie(cookies))
    assert response.status_code == 403


def test_another_site_cannot_log_somebody_in(shared: Running) -> None:
    login = {"name": "admin", "password": PASSWORD}
    for said in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        response = shared.client.post("/login", data=login, headers=said)
        assert response.status_code == 403
        assert "set-cookie" not in response.headers


def test_a_token_in_a_header_needs_no_csrf_token(shared: Running) -> None:
    response = shared.call(Scope.ADMIN, "DELETE", REMOVE_KEY, headers={"Origin": "https://console.example"})
    assert response.status_code == 200


def test_the_session_cookie_is_out_of_reach_of_scripts(shared: Running) -> None:
    response = shared.client.post("/login", data={"name": "admin", "password": PASSWORD})
    shared.client.cookies.clear()
    (cookie,) = (one for one in response.headers.get_list("set-cookie") if one.startswith("telemetry_session="))
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    ("headers", "with_token", "said"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, True, "Sec-Fetch-Site"),
        ({"Sec-Fetch-Site": "same-site", "Origin": "null"}, True, "Sec-Fetch-Site"),
        ({"Origin": "null"}, True, "Origin is null"),
        ({"Origin": "http://console.example"}, True, "Origin and Host differ"),
        ({"Origin": "http://console.example:8080"}, True, "Origin and Host differ"),
        ({}, False, "no CSRF token"),
        ({"X-CSRF-Token": "A" * 43}, False, "another session,"),
    ],
)
def test_a_refusal_says_which_check_it_was(
    shared: Running, headers: dict[str, str], said: str, *, with_token: bool
) -> None:
    cookies, proof = shared.log_in()
    token = {"X-CSRF-Token": proof} if with_token else {}
    response = shared.client.delete(REMOVE_KEY, headers=_cookie(cookies) | token | headers)
    assert _forbidden(response)
    detail = problem_in(response)["detail"]
    assert said in detail
    # A page that was reloaded ten times is still of another host than the proxy says.
    assert ("Reload" in detail) is ("token" in said or "session" in said)
    assert "console.example" not in response.text


def test_a_proxy_that_rewrites_host_is_reported_on_the_login_page_too(shared: Running) -> None:
    login = {"name": "admin", "password": PASSWORD}
    response = shared.client.post("/login", data=login, headers={"Origin": "http://console.example"})
    assert response.status_code == 403
    assert "Origin and Host differ" in response.text
    assert "proxy_set_header Host" in response.text
    assert "Reload" not in response.text


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://console.internal", "console.internal:80"),
        ("https://console.internal", "Console.Internal:443"),
        ("https://console.internal:8443", "console.internal:8443"),
    ],
)
def test_the_usual_port_makes_no_other_host(shared: Running, origin: str, host: str) -> None:
    cookies, proof = shared.log_in()
    headers = _cookie(cookies) | {"X-CSRF-Token": proof, "Origin": origin, "Host": host}
    assert shared.client.delete(REMOVE_KEY, headers=headers).status_code == 200
