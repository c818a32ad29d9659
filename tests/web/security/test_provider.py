"""People log in at a real, certified OpenID provider, over TLS, as a browser does (finding I1)."""

import re
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from telemetry_service.domain.ledger import Kind
from telemetry_service.web.tab import paths
from tests.support.databases import RunDatabases
from tests.support.ledger import entries
from tests.support.provider import NEEDS_PROVIDER, OpenIdProviderProcess, follow
from tests.support.real_clock import RealClock
from tests.support.running import PASSWORD, Running

pytestmark = NEEDS_PROVIDER
_BOUND_SECONDS = 8


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[OpenIdProviderProcess]:
    folder = tmp_path_factory.mktemp("provider")
    with OpenIdProviderProcess(folder, f"http://127.0.0.1:{port}") as running:
        yield running


@pytest.fixture(scope="module")
def service(
    run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory, provider: OpenIdProviderProcess, port: int
) -> Iterator[Running]:
    """A service whose people log in at the provider, or with the password."""
    environment = provider.environment | {"TELEMETRY_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    database = run_databases.sqlite(tmp_path_factory.mktemp("with-provider"))
    with Running(database, environment=environment, clock=RealClock(), port=port) as running:
        yield running


@pytest.fixture
def browser(service: Running, provider: OpenIdProviderProcess) -> Iterator[httpx.Client]:
    with _browser(service, provider) as client:
        yield client


def _browser(service: Running, provider: OpenIdProviderProcess) -> httpx.Client:
    context = ssl.create_default_context(cafile=provider.ca_file)
    clicks = {"Sec-Fetch-Site": "none"}
    return httpx.Client(base_url=service.client.base_url, verify=context, trust_env=False, timeout=30, headers=clicks)


def _log_in(browser: httpx.Client, person: str = "ada", query: str = "") -> httpx.Response:
    return follow(browser, paths.PROVIDER_LOGIN + query, person)


def _csrf_token(page: httpx.Response) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text[-500:]
    return found[1]


def _sentence(page: httpx.Response) -> str:
    found = re.search(r'id="login-wrong".*?<span>(.*?)</span>', page.text, re.DOTALL)
    assert found, page.text[-500:]
    return found[1]


def test_an_administrator_logs_in_at_the_provider_and_returns_to_the_page(browser: httpx.Client) -> None:
    login = browser.get(paths.LOGIN)
    assert 'id="login-provider"' in login.text
    assert 'id="password"' in login.text
    page = _log_in(browser, query=f"?next={paths.ACTIVITY}")
    assert (page.status_code, page.url.path) == (200, paths.ACTIVITY)
    assert "Ada Lovelace" in page.text
    assert 'id="save-all"' in browser.get(paths.SETTINGS).text


def test_a_viewer_may_look_and_who_has_no_role_may_not(service: Running, provider: OpenIdProviderProcess) -> None:
    with _browser(service, provider) as vera, _browser(service, provider) as otto:
        page = _log_in(vera, "vera")
        assert 'id="viewer-note"' in page.text
        refused = _log_in(otto, "otto")
        assert refused.status_code == 403
        assert "no role" in _sentence(refused)
        assert otto.get(paths.TAB).headers["location"].startswith(paths.LOGIN)


def test_the_ledger_knows_the_person_and_the_log_only_a_digest(
    service: Running, browser: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    page = _log_in(browser)
    browser.post(paths.REMOVE_KEY, data={"csrf_token": _csrf_token(page)})
    said = entries(service.context.runtime.database)
    assert "Ada Lovelace" in {entry.actor for entry in said if entry.kind is Kind.LOGIN}
    assert "Ada" in browser.get(paths.ACTIVITY).text
    assert "ada" not in caplog.text.lower().replace("metadata", "")


def test_nobody_is_led_to_another_site_after_the_login(browser: httpx.Client) -> None:
    for target in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "/login"):
        assert _log_in(browser, query=f"?next={target}").url.path == paths.TAB


def test_a_response_counts_once_and_only_in_the_browser_that_left(
    service: Running, provider: OpenIdProviderProcess, browser: httpx.Client
) -> None:
    stopped = follow(browser, paths.PROVIDER_LOGIN, "ada", stop=paths.PROVIDER_RETURN)
    returned = stopped.headers["location"]
    kept = dict(browser.cookies)
    with _browser(service, provider) as another:
        stolen = another.get(returned)
        assert stolen.status_code == 401
        assert "another window" in _sentence(stolen)
    assert browser.get(returned).status_code == 303
    assert browser.get(returned).status_code == 401
    with _browser(service, provider) as thief:
        thief.cookies.update(kept)
        replayed = thief.get(returned)
        assert replayed.status_code == 401
        assert thief.get(paths.TAB).headers["location"].startswith(paths.LOGIN)


@pytest.mark.parametrize("change", [{"state": "x"}, {"state": ""}, {"code": "x"}, {"iss": "https://elsewhere.example"}])
def test_a_changed_response_opens_nothing(browser: httpx.Client, change: dict[str, str]) -> None:
    stopped = follow(browser, paths.PROVIDER_LOGIN, "ada", stop=paths.PROVIDER_RETURN)
    parts = urlsplit(stopped.headers["location"])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | change
    assert browser.get(parts.path, params=query).status_code == 401
    assert browser.get(paths.TAB).headers["location"].startswith(paths.LOGIN)


def test_the_provider_may_refuse(browser: httpx.Client) -> None:
    left = browser.get(paths.PROVIDER_LOGIN)
    state = parse_qs(urlsplit(left.headers["location"]).query)["state"][0]
    issuer = left.headers["location"].partition("/auth")[0]
    denied = browser.get(paths.PROVIDER_RETURN, params={"state": state, "iss": issuer, "error": "access_denied"})
    assert denied.status_code == 401
    assert "did not log you in" in _sentence(denied)


def test_the_browser_leaves_with_pkce_state_nonce_and_a_limit_of_age(browser: httpx.Client) -> None:
    asked = parse_qs(urlsplit(browser.get(paths.PROVIDER_LOGIN).headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    assert asked["scope"] == ["openid profile"]
    assert min(len(asked[name][0]) for name in ("state", "nonce", "code_challenge")) == 43
    assert asked["max_age"] == ["43200"]


def test_showing_the_key_needs_a_new_authentication_at_the_provider(
    service: Running, provider: OpenIdProviderProcess, browser: httpx.Client
) -> None:
    page = _log_in(browser)
    form = {"csrf_token": _csrf_token(page), "api_key": "ck_shown_0123456789", "version": "1"}
    form |= {"frequency": "weekly", "retention_days": "30"}
    browser.post(paths.SAVE, data=form)
    shown = browser.post(paths.REVEAL, data={"csrf_token": form["csrf_token"]})
    assert 'id="login-again"' not in shown.text
    _make_old(service, provider)
    asked = browser.post(paths.REVEAL, data={"csrf_token": form["csrf_token"]})
    assert 'id="login-again"' in asked.text
    left = browser.get(f"{paths.PROVIDER_LOGIN}?again=true")
    assert parse_qs(urlsplit(left.headers["location"]).query)["max_age"] == ["300"]
    before = browser.cookies["telemetry_session"]
    _log_in(browser, query="?again=true")
    with _browser(service, provider) as thief:
        thief.cookies.set("telemetry_session", before)
        assert thief.get(paths.TAB).headers["location"].startswith(paths.LOGIN)
    # The page that was open all the time still is of use.
    assert 'id="login-again"' not in browser.post(paths.REVEAL, data={"csrf_token": form["csrf_token"]}).text


def _make_old(service: Running, provider: OpenIdProviderProcess) -> None:
    """Let the authentication of each session of Ada's be of eleven minutes ago."""
    with service.context.runtime.database.write() as tx:
        for session in tx.identity.sessions_of(provider.issuer, "ada"):
            assert session.authenticated_at is not None
            before = session.authenticated_at - timedelta(minutes=11)
            tx.identity.reauthenticate_session(session.session_id, before)


def test_authenticating_again_as_someone_else_shows_nothing(
    service: Running, provider: OpenIdProviderProcess, browser: httpx.Client
) -> None:
    _log_in(browser)
    _make_old(service, provider)
    for cookie in list(browser.cookies.jar):
        if cookie.name.startswith("_session"):  # The provider forgets who is logged in there.
            browser.cookies.delete(cookie.name, cookie.domain, cookie.path)
    refused = _log_in(browser, "vera", "?again=true")
    assert refused.status_code == 401
    assert "another person" in _sentence(refused)


def test_the_log_out_ends_both_sessions(browser: httpx.Client) -> None:
    page = _log_in(browser)
    out = browser.post(paths.LOGOUT, data={"csrf_token": _csrf_token(page)})
    assert out.headers["location"] == paths.PROVIDER_ENDED
    ended = browser.get(paths.PROVIDER_ENDED)
    address = ended.headers["refresh"].removeprefix("0; url=")
    assert f'href="{address.replace("&", "&amp;")}"' in ended.text
    assert follow(browser, address, "ada").url.path == paths.LOGIN
    assert browser.get(paths.TAB).headers["location"].startswith(paths.LOGIN)
    at_provider = follow(browser, paths.PROVIDER_LOGIN, "ada", stop="/interaction/")
    assert "/interaction/" in at_provider.headers["location"], "the provider asks who it is"


def test_a_log_out_at_the_provider_ends_the_session_here_and_no_other(
    service: Running, provider: OpenIdProviderProcess, browser: httpx.Client
) -> None:
    with _browser(service, provider) as elsewhere:
        _log_in(browser)
        _log_in(elsewhere)
        follow(browser, f"{provider.issuer}/session/end?client_id=telemetry", "ada")
        assert browser.get(paths.TAB).headers["location"].startswith(paths.LOGIN)
        assert elsewhere.get(paths.TAB).status_code == 200


def test_a_provider_that_hangs_or_is_down_is_said_to_be_and_holds_up_nothing_else(
    service: Running, provider: OpenIdProviderProcess, browser: httpx.Client
) -> None:
    service.clock.advance(timedelta(hours=25))
    provider.hang()
    try:
        refused = browser.get(paths.PROVIDER_LOGIN, timeout=_BOUND_SECONDS)
        assert refused.status_code == 503
        assert "did not respond in time" in _sentence(refused)
        assert 'id="password"' in refused.text
        again = browser.get(paths.PROVIDER_LOGIN, timeout=1)
        assert again.status_code == 503
        local = browser.post(paths.LOGIN, data={"name": "admin", "password": PASSWORD}, timeout=3)
        assert local.headers["location"] == paths.TAB
    finally:
        provider.resume()
        service.clock.advance(timedelta(hours=-25))
