"""What a provider, or someone who passes for one, may say wrongly: nobody is let in, and nothing else breaks."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.back_channel import EVENT
from telemetry_service.log.events import Event
from telemetry_service.web.tab import paths
from tests.support import connect_proxy
from tests.support.actors import STRANGER
from tests.support.databases import RunDatabases
from tests.support.dump import dump
from tests.support.each import each
from tests.support.hostile_issuer import CLIENT_ID, HostileIssuer
from tests.support.issuer import ec_key, rsa_key, sign, sign_with_the_public_key
from tests.support.ledger import entries
from tests.support.log_lines import lines_of
from tests.support.running import PASSWORD, Running

PUBLIC_URL = "https://telemetry.example"
THERE = {"Host": "telemetry.example", "Sec-Fetch-Site": "none"}
COOKIE = "__Host-telemetry_provider_login_"
SESSION = "__Host-telemetry_session"
Forge = Callable[[HostileIssuer, int, str], str]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileIssuer]:
    with HostileIssuer(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture(scope="module")
def service(
    run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory, issuer: HostileIssuer
) -> Iterator[Running]:
    environment = issuer.environment | {"TELEMETRY_PUBLIC_URL": PUBLIC_URL}
    with Running(run_databases.sqlite(tmp_path_factory.mktemp("hostile")), environment=environment) as running:
        yield running


@pytest.fixture(autouse=True)
def usual(issuer: HostileIssuer, service: Running) -> None:
    """Let the issuer say nothing wrong at first, and its documents be old."""
    issuer.answers.clear()
    issuer.published = (issuer.key,)
    service.clock.advance(timedelta(minutes=11))


def _get(service: Running, path: str, cookies: dict[str, str] | None = None, **parameters: str) -> httpx.Response:
    service.client.cookies.clear()
    cookie = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    headers = THERE | ({"Cookie": cookie} if cookie else {})
    return service.client.get(path, params=parameters or None, headers=headers)


def _now(service: Running) -> int:
    return int(service.clock.now().timestamp())


def _log_in(service: Running, issuer: HostileIssuer, forge: Forge, query: str = "") -> httpx.Response:
    """Leave for the provider and come back with a code, for which the provider gives a forged token."""
    left = _get(service, paths.PROVIDER_LOGIN + query)
    assert left.status_code == 303, left.text[-300:]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(left.headers["location"]).query).items()}
    issuer.id_token = lambda: forge(issuer, _now(service), asked["nonce"])
    return _get(service, paths.PROVIDER_RETURN, dict(left.cookies), code="c", state=asked["state"])


def _right(issuer: HostileIssuer, now: int, nonce: str) -> str:
    return issuer.sign(issuer.claims(now, nonce=nonce))


def _changed(**changes: Any) -> Forge:  # noqa: ANN401 - members of JSON
    def forge(issuer: HostileIssuer, now: int, nonce: str) -> str:
        moved = {name: now + int(by.total_seconds()) for name, by in changes.items() if isinstance(by, timedelta)}
        return issuer.sign(issuer.claims(now, **{"nonce": nonce, **changes, **moved}))

    return forge


def _unsigned(issuer: HostileIssuer, now: int, nonce: str) -> str:
    parts = ({"alg": "none", "kid": "first"}, issuer.claims(now, nonce=nonce))
    return ".".join([*(to_base64url(json.dumps(part).encode()).decode() for part in parts), ""])


def _by_the_public_key(issuer: HostileIssuer, now: int, nonce: str) -> str:
    published = rsa_key("first")
    issuer.published = (published,)
    return sign_with_the_public_key(published, issuer.claims(now, nonce=nonce))


HOSTILE: dict[str, Forge] = {
    "no token": lambda *_: "",
    "not signed": _unsigned,
    "signed with the public key as a secret": _by_the_public_key,
    "signed by another": lambda i, now, nonce: sign(ec_key("first"), i.claims(now, nonce=nonce)),
    "by a key that it does not publish": lambda i, now, nonce: sign(ec_key("other"), i.claims(now, nonce=nonce)),
    "another nonce": _changed(nonce="another"),
    "no nonce": _changed(nonce=None),
    "another audience": _changed(aud="elsewhere"),
    "several audiences and no party": _changed(aud=[CLIENT_ID, "elsewhere"]),
    "another party": _changed(azp="elsewhere"),
    "several audiences and another party": _changed(aud=[CLIENT_ID, "elsewhere"], azp="elsewhere"),
    "another issuer": _changed(iss="https://elsewhere.example"),
    "expired": _changed(exp=-timedelta(seconds=61)),
    "without an end": _changed(exp=None),
    "of the future": _changed(iat=timedelta(seconds=90)),
    "no subject": _changed(sub=None),
}


@each("name", HOSTILE)
def test_a_token_that_is_not_right_opens_nothing(service: Running, issuer: HostileIssuer, name: str) -> None:
    service.clock.advance(timedelta(seconds=31))
    refused = _log_in(service, issuer, HOSTILE[name])
    issuer.published = (issuer.key,)
    assert refused.status_code == 401, name
    assert SESSION not in refused.cookies
    assert refused.headers["content-type"].startswith("text/html")


def test_the_right_token_opens_a_session_and_the_code_is_redeemed_with_its_verifier(
    service: Running, issuer: HostileIssuer
) -> None:
    assert _log_in(service, issuer, _right).headers["location"] == paths.TAB
    several = _changed(aud=[CLIENT_ID, "elsewhere"], azp=CLIENT_ID)
    assert SESSION in _log_in(service, issuer, several).cookies
    form = issuer.forms[-1]
    assert form["redirect_uri"] == f"{PUBLIC_URL}{paths.PROVIDER_RETURN}"
    assert (form["code"], form["client_id"], len(form["code_verifier"])) == ("c", CLIENT_ID, 43)


def test_no_token_of_the_provider_reaches_the_browser_or_the_database(service: Running, issuer: HostileIssuer) -> None:
    given = list[str]()

    def forge(its: HostileIssuer, now: int, nonce: str) -> str:
        given.append(_right(its, now, nonce))
        return given[-1]

    returned = _log_in(service, issuer, forge)
    cookies = {SESSION: returned.cookies[SESSION]}
    shown = [returned, _get(service, paths.ACCESS, cookies), _get(service, paths.TAB, cookies)]
    secrets = [*given[0].split("."), issuer.forms[-1]["code_verifier"]]
    assert len(secrets) == 4
    for response in shown:
        received = f"{response.headers}{response.text}"
        assert [it for it in secrets if it in received] == [], response.url
    kept = str(dump(service.database_url))
    assert "Ada" in kept, "the session"
    assert [it for it in secrets if it in kept] == []


class OneBrowser:
    """Keeps its cookies, and logs in at the provider in several tabs at once."""

    def __init__(self, service: Running, issuer: HostileIssuer) -> None:
        self.cookies: dict[str, str] = {}
        self._service = service
        self._issuer = issuer

    def see_login(self) -> None:
        self._get(paths.LOGIN)

    def leave(self, next_: str = paths.TAB) -> dict[str, str]:
        left = self._get(paths.PROVIDER_LOGIN, next=next_)
        return {name: values[0] for name, values in parse_qs(urlsplit(left.headers["location"]).query).items()}

    def come_back(self, asked: dict[str, str], state: str | None = None) -> httpx.Response:
        self._issuer.id_token = lambda: _right(self._issuer, _now(self._service), asked["nonce"])
        return self._get(paths.PROVIDER_RETURN, code="c", state=state or asked["state"])

    def log_out(self) -> httpx.Response:
        session = self._service.context.authentication.sessions.find(self.cookies[SESSION])
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        form, headers = {"csrf_token": session.csrf_token}, THERE | {"Cookie": cookie}
        return self._kept(self._service.client.post(paths.LOGOUT, data=form, headers=headers))

    def _get(self, path: str, **parameters: str) -> httpx.Response:
        return self._kept(_get(self._service, path, self.cookies, **parameters))

    def _kept(self, response: httpx.Response) -> httpx.Response:
        for cookie in response.headers.get_list("set-cookie"):
            name, value = cookie.partition(";")[0].split("=", 1)
            self.cookies[name] = value
            if "Max-Age=0" in cookie:
                del self.cookies[name]
        return response

    @property
    def under_way(self) -> int:
        return sum(name.startswith(COOKIE) for name in self.cookies)


def test_several_tabs_of_one_browser_log_in_at_the_same_time(service: Running, issuer: HostileIssuer) -> None:
    browser = OneBrowser(service, issuer)
    tabs = {page: browser.leave(page) for page in (paths.TAB, paths.ACTIVITY, paths.ACCESS)}
    for page, asked in reversed(tabs.items()):
        assert browser.come_back(asked).headers["location"] == page
        assert _get(service, paths.TAB, {SESSION: browser.cookies[SESSION]}).status_code == 200
    assert browser.under_way == 0
    assert browser.come_back(tabs[paths.TAB]).status_code == 401, "each counts once"
    begun = browser.leave()
    (own,) = (name for name in browser.cookies if name.startswith(COOKIE))
    made_up = {**begun, "state": "x" * 43}
    browser.cookies[f"{COOKIE}{sha256(made_up['state'].encode()).hexdigest()[:16]}"] = browser.cookies.pop(own)
    assert browser.come_back(made_up).status_code == 401, "the cookie of another login under this name"


def test_a_log_out_ends_the_logins_that_other_tabs_have_begun(service: Running, issuer: HostileIssuer) -> None:
    browser = OneBrowser(service, issuer)
    browser.see_login()
    first, begun = browser.leave(), [browser.leave(), browser.leave()]
    assert browser.come_back(first).status_code == 303
    assert browser.log_out().headers["location"] == paths.PROVIDER_ENDED
    assert browser.cookies == {}
    assert [browser.come_back(asked).status_code for asked in begun] == [401, 401]


def test_a_browser_keeps_a_few_logins_and_gives_up_the_oldest_and_what_is_of_no_use(
    service: Running, issuer: HostileIssuer
) -> None:
    browser = OneBrowser(service, issuer)
    odd = {f"{COOKIE}{'0' * 16}": "x", f"{COOKIE}../x": "y", COOKIE: "z"}
    browser.cookies |= odd
    begun = []
    for _ in range(6):
        service.clock.advance(timedelta(seconds=1))
        begun.append(browser.leave("/settings/general/telemetry?" + "x" * 3000))
    assert browser.under_way == 4 + len(odd) - 1
    assert sum(map(len, browser.cookies.values())) < 4096
    assert [browser.come_back(asked).status_code for asked in begun] == [401] * 2 + [303] * 4
    for state in ("\r\nSet-Cookie: a=b", "\u2028;,", "x" * 4096, "\x00"):
        assert browser.come_back(begun[0], state).status_code == 401


def test_a_provider_that_takes_a_code_twice_gets_nobody_in_twice(service: Running, issuer: HostileIssuer) -> None:
    left = _get(service, paths.PROVIDER_LOGIN)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(left.headers["location"]).query).items()}
    issuer.id_token = lambda: _right(issuer, _now(service), asked["nonce"])
    cookies, returned = dict(left.cookies), {"code": "c", "state": asked["state"]}
    assert _get(service, paths.PROVIDER_RETURN, cookies, **returned).status_code == 303
    assert _get(service, paths.PROVIDER_RETURN, cookies, **returned).status_code == 401


def test_a_login_that_failed_cannot_be_brought_back_again(service: Running, issuer: HostileIssuer) -> None:
    left = _get(service, paths.PROVIDER_LOGIN)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(left.headers["location"]).query).items()}
    cookies, returned = dict(left.cookies), {"code": "c", "state": asked["state"]}
    issuer.answers["/token"] = (400, b"{}")
    assert _get(service, paths.PROVIDER_RETURN, cookies, **returned).status_code == 401
    issuer.answers.clear()
    issuer.id_token, redeemed = lambda: _right(issuer, _now(service), asked["nonce"]), len(issuer.forms)
    again = _get(service, paths.PROVIDER_RETURN, cookies, **returned)
    assert (again.status_code, len(issuer.forms)) == (401, redeemed)
    assert "used already" in again.text


def test_a_login_that_took_longer_than_ten_minutes_is_begun_again(service: Running, issuer: HostileIssuer) -> None:
    left = _get(service, paths.PROVIDER_LOGIN)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(left.headers["location"]).query).items()}
    service.clock.advance(timedelta(minutes=10))
    issuer.id_token = lambda: _right(issuer, _now(service), asked["nonce"])
    cookies = dict(left.cookies)
    assert _get(service, paths.PROVIDER_RETURN, cookies, code="c", state=asked["state"]).status_code == 401


def test_rotated_keys_are_followed_but_asked_for_only_now_and_then(service: Running, issuer: HostileIssuer) -> None:
    assert SESSION in _log_in(service, issuer, _right).cookies
    new = ec_key("second")
    issuer.published = (new,)
    service.clock.advance(timedelta(seconds=31))
    assert SESSION in _log_in(service, issuer, lambda i, now, nonce: sign(new, i.claims(now, nonce=nonce))).cookies
    issuer.asked.clear()
    for _ in range(5):
        _log_in(service, issuer, lambda i, now, nonce: sign(ec_key("x"), i.claims(now, nonce=nonce)))
    assert issuer.asked.count("/jwks") == 0
    assert _log_in(service, issuer, _right).status_code == 401
    issuer.published = (issuer.key, new)
    service.clock.advance(timedelta(seconds=31))
    assert SESSION in _log_in(service, issuer, _right).cookies
    issuer.published = (new,)  # Withdrawn, while the kept one still suits.
    service.clock.advance(timedelta(minutes=9))
    assert SESSION in _log_in(service, issuer, _right).cookies
    service.clock.advance(timedelta(minutes=1))
    assert _log_in(service, issuer, _right).status_code == 401


def test_an_old_authentication_is_none_for_showing_a_secret(service: Running, issuer: HostileIssuer) -> None:
    session = _log_in(service, issuer, _changed(auth_time=-timedelta(minutes=11))).cookies[SESSION]
    for auth_time in (-timedelta(minutes=7), None):
        left = _get(service, f"{paths.PROVIDER_LOGIN}?again=true", {SESSION: session})
        asked = {name: values[0] for name, values in parse_qs(urlsplit(left.headers["location"]).query).items()}
        assert asked["max_age"] == "300"
        said = _changed(auth_time=auth_time)
        issuer.id_token = lambda said=said, nonce=asked["nonce"]: said(issuer, _now(service), nonce)  # type: ignore[misc]
        cookies = {**left.cookies, SESSION: session}
        returned = _get(service, paths.PROVIDER_RETURN, cookies, code="c", state=asked["state"])
        assert returned.status_code == 401
        assert "authenticated again" in returned.text


def test_a_provider_beyond_a_proxy_is_reached_through_it_and_the_proxy_learns_only_where_it_is(
    run_databases: RunDatabases, issuer: HostileIssuer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with connect_proxy.proxy(tmp_path / "proxy", connect_proxy.tunnel) as proxy:
        through = {"TELEMETRY_IDENTITY_PROXY_URL": f"http://name:word@127.0.0.1:{proxy.port}"}
        environment = issuer.environment | {"TELEMETRY_PUBLIC_URL": PUBLIC_URL} | through
        with Running(run_databases.sqlite(tmp_path), environment=environment) as service:
            assert SESSION in _log_in(service, issuer, _right).cookies
            tunnels = {(request.method, request.path) for request in proxy.requests}
            assert tunnels == {("CONNECT", issuer.issuer.removeprefix("https://"))}
            assert {request.headers["proxy-authorization"] for request in proxy.requests} == {"Basic bmFtZTp3b3Jk"}
            assert len(proxy.requests) == len(["metadata", "code", "keys"])
            proxy.mode = connect_proxy.ask_for_a_password
            assert _log_in(service, issuer, _right).status_code == 503
            service.clock.advance(timedelta(hours=25))
            assert _get(service, paths.PROVIDER_LOGIN).status_code == 503
    assert [line["cause"] for line in lines_of(caplog, Event.ISSUER_UNAVAILABLE)] == ["proxy_login_refused"]
    assert "word" not in caplog.text


ABOUT_ITSELF: dict[str, Callable[[HostileIssuer], tuple[int, bytes]]] = {
    "an error": lambda _: (500, b"{}"),
    "a redirect": lambda _: (302, b""),
    "no JSON": lambda _: (200, b"<html>"),
    "no object": lambda _: (200, b"[]"),
    "another issuer": lambda i: (200, json.dumps(i.metadata(issuer="https://elsewhere.example")).encode()),
    "an address without TLS": lambda i: (200, json.dumps(i.metadata(jwks_uri="http://127.0.0.1/jwks")).encode()),
    "no address": lambda i: (200, json.dumps(i.metadata(token_endpoint=None)).encode()),
    "too much": lambda _: (200, b" " * 300_000),
}


@each("said", ABOUT_ITSELF)
def test_metadata_that_is_not_its_own_leads_nowhere_and_the_password_still_does(
    service: Running, issuer: HostileIssuer, said: str
) -> None:
    issuer.answers["/.well-known/openid-configuration"] = ABOUT_ITSELF[said](issuer)
    service.clock.advance(timedelta(hours=25))
    refused = _get(service, paths.PROVIDER_LOGIN)
    assert refused.status_code == 503
    assert "did not respond in time, or not as expected" in refused.text
    assert 'id="password"' in refused.text


def _logout_token(issuer: HostileIssuer, now: int, **changes: Any) -> str:  # noqa: ANN401 - members of JSON
    usual: dict[str, Any] = {"events": {EVENT: {}}, "jti": uuid4().hex, "name": None, "roles": None, "auth_time": None}
    return issuer.sign(issuer.claims(now, **{**usual, **changes}))


LOGOUTS: dict[str, tuple[dict[str, Any], int, bool]] = {
    "of its session": ({"sub": None}, 200, True),
    "of the person": ({"sid": None}, 200, True),
    "of another session": ({"sid": "s2"}, 200, False),
    "of another person": ({"sid": None, "sub": "4712"}, 200, False),
    "an ID token": ({"events": None}, 400, False),
    "with a nonce": ({"nonce": "n"}, 400, False),
    "of nobody": ({"sid": None, "sub": None}, 400, False),
    "another event": ({"events": {"x": {}}}, 400, False),
    "for another": ({"aud": "elsewhere"}, 400, False),
    "expired": ({"exp": 1}, 400, False),
    "without a name of its own": ({"jti": None}, 400, False),
    "with an empty name": ({"jti": ""}, 400, False),
    "issued before all time": ({"iat": -(10**400)}, 400, False),
}


@each("name", LOGOUTS)
def test_only_a_logout_token_for_us_ends_sessions(service: Running, issuer: HostileIssuer, name: str) -> None:
    changes, status, ends = LOGOUTS[name]
    session = _log_in(service, issuer, _right).cookies[SESSION]
    form = {"logout_token": _logout_token(issuer, _now(service), **changes)}
    told = service.client.post(paths.PROVIDER_LOGOUT, data=form, headers=THERE)
    assert told.status_code == status
    assert told.headers["cache-control"] == "no-store"
    assert (_get(service, paths.TAB, {SESSION: session}).status_code == 303) is ends


def test_an_old_log_out_ends_no_session_that_was_opened_after_it(service: Running, issuer: HostileIssuer) -> None:
    form = {"logout_token": _logout_token(issuer, _now(service), sid=None)}
    service.clock.advance(timedelta(seconds=90))
    session = _log_in(service, issuer, _right).cookies[SESSION]
    assert service.client.post(paths.PROVIDER_LOGOUT, data=form, headers=THERE).status_code == 200
    assert _get(service, paths.TAB, {SESSION: session}).status_code == 200


def test_a_log_out_that_is_replayed_ends_no_session_that_was_opened_since(
    service: Running, issuer: HostileIssuer
) -> None:
    form = {"logout_token": _logout_token(issuer, _now(service), sid=None)}
    first = _log_in(service, issuer, _right).cookies[SESSION]
    assert service.client.post(paths.PROVIDER_LOGOUT, data=form, headers=THERE).status_code == 200
    assert _get(service, paths.TAB, {SESSION: first}).status_code == 303
    second = _log_in(service, issuer, _right).cookies[SESSION]
    assert service.client.post(paths.PROVIDER_LOGOUT, data=form, headers=THERE).status_code == 400
    assert _get(service, paths.TAB, {SESSION: second}).status_code == 200


def test_a3_another_site_opens_no_session_and_ends_none(service: Running, issuer: HostileIssuer) -> None:
    session = _log_in(service, issuer, _right).cookies[SESSION]
    address, leads_to = f"{paths.PROVIDER_LOGIN}?next={paths.ACCESS}", f"{paths.LOGIN}?next={paths.ACCESS}"
    for site, leaves in {"cross-site": False, "same-site": False, "same-origin": True, "none": True}.items():
        for query in ("", "&again=true"):
            shown = {"Sec-Fetch-Site": site, "Cookie": f"{SESSION}={session}"}
            left = service.client.get(address + query, headers=THERE | shown)
            service.client.cookies.clear()
            assert left.status_code == 303
            assert left.headers["location"].startswith(issuer.issuer) is leaves, (site, query)
            assert leaves or (left.headers["location"], "set-cookie" in left.headers) == (leads_to, False)
    login = _get(service, leads_to)
    assert f'href="{address}"' in login.text, "a click leads to the provider"
    # Without TLS, no browser says where it comes from; the cookie of the login page does.
    (seen,) = login.headers.get_list("set-cookie")
    assert seen.endswith("; SameSite=strict; Secure")
    for cookies, leaves in {f"{SESSION}={session}": False, seen.partition(";")[0]: True}.items():
        left = service.client.get(address, headers={"Host": THERE["Host"], "Cookie": cookies})
        service.client.cookies.clear()
        assert left.headers["location"].startswith(issuer.issuer if leaves else leads_to), cookies
    assert _get(service, paths.TAB, {SESSION: session}).status_code == 200


def test_minor_1_who_has_no_role_can_log_in_as_someone_else(service: Running, issuer: HostileIssuer) -> None:
    end = f'id="end-at-provider" href="{paths.PROVIDER_ENDED}"'
    refused = _log_in(service, issuer, _changed(roles=["staff"]))
    assert (refused.status_code, end in refused.text) == (403, True)
    assert end not in _get(service, paths.LOGIN).text


def test_minor_2_a_document_that_is_nested_too_deeply_is_none(service: Running, issuer: HostileIssuer) -> None:
    assert _log_in(service, issuer, _right).status_code == 303
    known = {"/token": 401, "/jwks": 303, "/.well-known/openid-configuration": 303}
    for path, status in known.items():
        service.clock.advance(timedelta(minutes=11))
        issuer.answers.clear()
        issuer.answers[path] = (200, b"[" * 100_000)
        assert _log_in(service, issuer, _right).status_code == status, path


def test_without_a_provider_there_is_none_of_its_pages(shared: Running) -> None:
    for path in (paths.PROVIDER_LOGIN, paths.PROVIDER_RETURN, paths.PROVIDER_ENDED):
        assert shared.client.get(path).status_code == 404
    assert 'id="login-provider"' not in shared.client.get(paths.LOGIN).text


def test_a_closed_local_login_opens_for_an_hour_after_the_password_was_set_on_the_host(
    run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory, issuer: HostileIssuer
) -> None:
    closed = {"TELEMETRY_PUBLIC_URL": PUBLIC_URL, "TELEMETRY_LOCAL_LOGIN": "false", "TELEMETRY_ADMIN_PASSWORD": ""}
    database = run_databases.sqlite(tmp_path_factory.mktemp("closed"))
    with Running(database, environment=issuer.environment | closed) as service:
        form = {"name": "admin", "password": PASSWORD}

        def log_in() -> int:
            return service.client.post(paths.LOGIN, data=form, headers=THERE).status_code

        assert log_in() == 401
        assert 'id="password"' not in _get(service, paths.LOGIN).text
        service.context.authentication.accounts.set_password(PASSWORD, STRANGER)
        assert 'id="password"' in _get(service, paths.LOGIN).text
        assert log_in() == 303
        session = {SESSION: service.context.authentication.sessions.log_in("admin", PASSWORD, STRANGER).token}
        assert _get(service, paths.ACCESS, session).status_code == 200
        service.clock.advance(timedelta(hours=1))
        assert log_in() == 401
        assert _get(service, paths.ACCESS, session).status_code == 303, "A2: a session ends with its way in"


def test_logins_refusals_and_log_outs_at_the_provider_are_entries(service: Running, issuer: HostileIssuer) -> None:
    database = service.context.runtime.database
    before = len(entries(database))
    session = _log_in(service, issuer, _changed(sid="of-entries")).cookies[SESSION]
    _log_in(service, issuer, _changed(nonce="another"))
    form = {"logout_token": _logout_token(issuer, _now(service), sid="of-entries")}
    service.client.post(paths.PROVIDER_LOGOUT, data=form, headers=THERE)
    assert _get(service, paths.TAB, {SESSION: session}).status_code == 303
    said = [(entry.kind, entry.actor) for entry in entries(database)[before:]]
    assert said[0] == (Kind.LOGIN, "Ada")
    assert said[-1] == (Kind.LOGOUT, "Ada")
    assert set(said[1:-1]) <= {(Kind.LOGIN_FAILED, "nobody")}
    refused = [entry.details for entry in entries(database) if entry.kind is Kind.LOGIN_FAILED]
    assert any(details.get("reason") == "nonce" for details in refused)
