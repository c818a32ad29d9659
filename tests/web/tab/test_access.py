"""*Access*: the sessions, the password and the tokens, as pages and by REST."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from telemetry_service.domain.person import Role
from telemetry_service.identity.scopes import Scope
from telemetry_service.identity.sessions import Proven
from telemetry_service.web.security.browsers import family_of
from telemetry_service.web.tab import paths
from tests.support.actors import CLI, PROVIDED, STRANGER, VIEWER
from tests.support.databases import RunDatabases
from tests.support.each import each
from tests.support.running import PASSWORD, Running, code_in

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEW = "another good password"


@pytest.fixture
def service(run_databases: RunDatabases, tmp_path: Path) -> Iterator[Running]:
    with Running(run_databases.sqlite(tmp_path), PROVIDED) as running:
        yield running


class Browser:
    """One browser, with its cookies and the proof of its session."""

    def __init__(self, service: Running, agent: str = FIREFOX) -> None:
        self._service = service
        self.cookies: dict[str, str] = {}
        self._agent = agent

    def call(self, method: str, path: str, **form: str) -> httpx.Response:
        headers = {"User-Agent": self._agent, "Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())}
        if "telemetry_session" in self.cookies:
            headers["X-CSRF-Token"] = self.proof
        response = self._service.client.request(method, path, headers=headers, data=form or None)
        self.cookies |= dict(response.cookies)
        self._service.client.cookies.clear()
        return response

    @property
    def proof(self) -> str:
        token = self.cookies["telemetry_session"]
        try:
            return self._service.context.authentication.sessions.find(token).csrf_token
        except Exception:  # noqa: BLE001 - a session that has ended has no proof
            return ""

    def log_in(self, password: str = PASSWORD) -> "Browser":
        assert self.call("POST", paths.LOGIN, name="admin", password=password).status_code == 303
        return self

    def is_in(self) -> bool:
        return self.call("GET", paths.ACCESS).status_code == 200


def test_a_login_and_the_password_for_the_key_end_the_cookie_that_the_browser_showed(service: Running) -> None:
    elsewhere, browser = Browser(service).log_in(), Browser(service).log_in()
    shown = [browser.cookies["telemetry_session"]]
    browser.log_in()
    proof = browser.proof
    shown.append(browser.cookies["telemetry_session"])
    assert browser.call("POST", paths.REVEAL, password=PASSWORD).status_code == 200
    assert browser.proof == proof, "the page that is open stays usable"
    for token in shown:
        thief = Browser(service)
        thief.cookies["telemetry_session"] = token
        assert not thief.is_in()
    assert browser.is_in()
    assert elsewhere.is_in()


def test_the_list_names_browser_and_address_and_marks_this_one(service: Running) -> None:
    one = Browser(service).log_in()
    service.clock.advance(timedelta(minutes=1))
    other = Browser(service, "curl/8").log_in()
    sessions = one.call("GET", "/api/v1/sessions").json()["sessions"]
    assert [(each["browser"], each["current"]) for each in sessions] == [
        ("Another program", False),
        ("Firefox on Linux", True),
    ]
    assert {each["address"] for each in sessions} == {"127.0.0.1"}
    page = other.call("GET", paths.ACCESS).text
    assert page.count("This one") == 1
    assert "Firefox on Linux" in page


def test_ending_one_others_and_all_logs_those_browsers_out(service: Running) -> None:
    one, other, third = (Browser(service).log_in() for _ in range(3))
    by_rest = {each["session_id"] for each in one.call("GET", "/api/v1/sessions").json()["sessions"]}
    (current,) = [e["session_id"] for e in one.call("GET", "/api/v1/sessions").json()["sessions"] if e["current"]]
    gone = (by_rest - {current}).pop()
    assert one.call("POST", paths.END_SESSIONS, which=gone).headers["location"].startswith(paths.ACCESS)
    assert [one.is_in(), other.is_in(), third.is_in()].count(False) == 1
    assert one.call("POST", paths.END_SESSIONS, which="others").status_code == 303
    assert [one.is_in(), other.is_in(), third.is_in()] == [True, False, False]
    out = one.call("POST", paths.END_SESSIONS, which="all")
    assert out.headers["location"] == paths.LOGIN
    assert not one.is_in()


def test_a_login_of_a_while_ago_ends_no_other_session_without_the_password(service: Running) -> None:
    this, other, third = (Browser(service).log_in() for _ in range(3))
    service.clock.advance(timedelta(minutes=11))
    assert 'id="confirm-own"' in this.call("GET", paths.ACCESS).text
    (gone,) = [e["session_id"] for e in other.call("GET", "/api/v1/sessions").json()["sessions"] if e["current"]]
    for which in (gone, "others", "all"):
        refused = this.call("POST", paths.END_SESSIONS, which=which)
        assert (refused.status_code, "requires a recent login" in refused.text) == (403, True)
        wrong = this.call("POST", paths.END_SESSIONS, which=which, password="wrong")
        assert (wrong.status_code, "Incorrect password." in wrong.text) == (422, True)
    for path in ("", "?others=true", f"/{gone}"):
        refused = this.call("DELETE", f"/api/v1/sessions{path}")
        assert (refused.status_code, code_in(refused)) == (403, "recent-login-required")
    assert [this.is_in(), other.is_in(), third.is_in()] == [True] * 3
    before = this.cookies["telemetry_session"]
    ended = this.call("POST", paths.END_SESSIONS, which=gone, password=PASSWORD)
    assert ended.headers["location"] == f"{paths.ACCESS}?done=sessions-ended"
    assert this.cookies["telemetry_session"] != before
    assert [this.is_in(), other.is_in(), third.is_in()] == [True, False, True]
    assert this.call("DELETE", "/api/v1/sessions?others=true").status_code == 204, "it has just been proved"
    assert not third.is_in()


def test_the_own_session_ends_without_it_and_all_of_them_with_it(service: Running) -> None:
    browsers = [Browser(service).log_in() for _ in range(4)]
    service.clock.advance(timedelta(minutes=11))
    for browser, end in zip(browsers, ("tab", "rest", "log out"), strict=False):
        (own,) = [e["session_id"] for e in browser.call("GET", "/api/v1/sessions").json()["sessions"] if e["current"]]
        acts = {
            "tab": ("POST", paths.END_SESSIONS, {"which": own}),
            "rest": ("DELETE", f"/api/v1/sessions/{own}", {}),
            "log out": ("POST", paths.LOGOUT, {}),
        }
        method, path, form = acts[end]
        assert browser.call(method, path, **form).status_code in {204, 303}, end
    assert [browser.is_in() for browser in browsers] == [False] * 3 + [True]
    out = browsers[3].call("POST", paths.END_SESSIONS, which="all", password=PASSWORD)
    assert out.headers["location"] == paths.LOGIN
    assert not browsers[3].is_in()


def test_guesses_at_the_password_of_a_session_are_slowed_down_here_too(service: Running) -> None:
    browser = Browser(service).log_in()
    service.clock.advance(timedelta(minutes=11))
    wrong = [browser.call("POST", paths.END_OTHERS, which="all", password=f"wrong {n}").status_code for n in range(6)]
    assert (wrong[0], wrong[-1]) == (422, 429)
    blocked = browser.call("POST", paths.END_SESSIONS, which="all", password=PASSWORD)
    assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "30")


def test_an_administrator_logs_out_others_in_the_tab_and_a_viewer_no_one(service: Running) -> None:
    this, viewers, theirs = Browser(service).log_in(), Browser(service), Browser(service)
    for browser, person in ((viewers, VIEWER), (theirs, replace(VIEWER, subject="4712", name="Vera & Co"))):
        browser.cookies |= service.log_in_as(person)[0]
    page = this.call("GET", paths.ACCESS).text
    assert "Vera &amp; Co" in page
    assert 'id="others"' not in viewers.call("GET", paths.ACCESS).text
    assert viewers.call("POST", paths.END_OTHERS, which="all").status_code == 403
    for which in (own_id(this), str(uuid4())):
        gone = this.call("POST", paths.END_OTHERS, which=which).headers["location"]
        assert gone == f"{paths.ACCESS}?done=sessions-gone"
        assert "had ended already" in this.call("GET", gone).text
    assert this.call("POST", paths.END_OTHERS, which="x").status_code == 404
    assert [viewers.is_in(), theirs.is_in()] == [True, True]
    ended = this.call("POST", paths.END_OTHERS, which=person_shown(page, "Vera &amp; Co"))
    assert "Those people are logged out." in this.call("GET", ended.headers["location"]).text
    assert [this.is_in(), viewers.is_in(), theirs.is_in()] == [True, True, False]
    assert this.call("POST", paths.END_OTHERS, which="all").status_code == 303
    assert [this.is_in(), viewers.is_in()] == [True, False]


def own_id(browser: Browser) -> str:
    sessions = browser.call("GET", "/api/v1/sessions").json()["sessions"]
    (current,) = [one["session_id"] for one in sessions if one["current"]]
    return str(current)


def person_shown(page: str, name: str) -> str:
    """Return what the button of a person in the list sends."""
    found = re.search(rf'name="which" value="([^"]+)"[^>]*>Log out<span [^>]*> {re.escape(name)}<', page)
    assert found
    return found[1]


def test_a_person_is_logged_out_everywhere_though_some_sessions_ended_since_the_list(service: Running) -> None:
    this, viewers = Browser(service).log_in(), [Browser(service) for _ in range(3)]
    for browser in viewers:
        browser.cookies |= service.log_in_as(VIEWER)[0]
    assert VIEWER.name
    which = person_shown(this.call("GET", paths.ACCESS).text, VIEWER.name)
    for browser in viewers[::2]:
        browser.call("POST", paths.LOGOUT)
    assert this.call("POST", paths.END_OTHERS, which=which).headers["location"].endswith("others-ended")
    assert [browser.is_in() for browser in viewers] == [False] * 3


def test_the_password_for_a_list_that_is_old_logs_no_one_out(service: Running) -> None:
    other, this = Browser(service).log_in(), Browser(service).log_in()
    gone = own_id(other)
    other.call("POST", paths.LOGOUT)
    for path, which in ((paths.END_SESSIONS, gone), (paths.END_OTHERS, str(uuid4()))):
        service.clock.advance(timedelta(minutes=11))
        before = this.cookies["telemetry_session"]
        ended = this.call("POST", path, which=which, password=PASSWORD)
        assert ended.headers["location"] == f"{paths.ACCESS}?done=sessions-gone"
        assert this.cookies["telemetry_session"] != before
        assert this.is_in()


BROKEN = {
    (paths.END_SESSIONS, "others"): "DELETE ON admin_sessions",
    (paths.END_OTHERS, "all"): "DELETE ON admin_sessions",
    (paths.REVEAL, ""): "INSERT ON telemetry_ledger WHEN NEW.kind = 'key_revealed'",
}


def test_a_database_that_fails_after_the_right_password_costs_no_one_the_session(service: Running) -> None:
    service.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": "ck_0123456789abcdef"})
    this, _other, visitor = Browser(service).log_in(), Browser(service).log_in(), Browser(service)
    for (path, which), what in BROKEN.items():
        service.clock.advance(timedelta(minutes=11))
        visitor.cookies |= service.log_in_as(VIEWER)[0]
        _break(service, f"CREATE TRIGGER broken BEFORE {what} BEGIN SELECT RAISE(ABORT, 'broken'); END")
        before = this.cookies["telemetry_session"]
        failed = this.call("POST", path, password=PASSWORD, **({"which": which} if which else {}))
        _break(service, "DROP TRIGGER broken")
        assert failed.status_code >= 500, path
        assert this.cookies["telemetry_session"] != before
        assert this.is_in(), path


def _break(service: Running, statement: str) -> None:
    with closing(sqlite3.connect(service.database_url.removeprefix("sqlite:///"))) as connection:
        connection.execute(statement)
        connection.commit()


def test_without_a_time_of_the_provider_the_login_lets_end_sessions_for_ten_minutes(
    run_databases: RunDatabases, tmp_path: Path
) -> None:
    with Running(run_databases.sqlite(tmp_path), PROVIDED) as service:
        sessions, person = service.context.authentication.sessions, replace(VIEWER, role=Role.ADMINISTRATOR)
        this, old, other = (Browser(service) for _ in range(3))
        for browser in (old, this, other):
            service.clock.advance(timedelta(minutes=6))
            browser.cookies["telemetry_session"] = sessions.open(Proven(person, None), STRANGER).token
        page = old.call("GET", paths.ACCESS).text
        assert 'href="/login/provider?next=/settings' in page, "a new login, because the provider renews none"
        assert old.call("POST", paths.END_SESSIONS, which="others").status_code == 403
        assert code_in(old.call("DELETE", "/api/v1/sessions?others=true")) == "recent-login-required"
        assert "you logged in more than" not in this.call("GET", paths.ACCESS).text
        assert this.call("POST", paths.END_OTHERS, which="all").status_code == 303
        assert "login-again" in this.call("POST", paths.REVEAL).text, "a secret needs more"
        assert this.call("POST", paths.END_SESSIONS, which="others").status_code == 303
        assert [this.is_in(), old.is_in(), other.is_in()] == [True, False, False]


def test_who_came_from_a_provider_is_led_there_before_ending_sessions(
    run_databases: RunDatabases, tmp_path: Path
) -> None:
    provider = PROVIDED | {"TELEMETRY_PUBLIC_URL": "http://127.0.0.1/telemetry"}
    with Running(run_databases.sqlite(tmp_path), provider) as service:
        browser = Browser(service)
        browser.cookies |= service.log_in_as(VIEWER)[0]
        service.clock.advance(timedelta(minutes=11))
        page = browser.call("GET", f"/telemetry{paths.ACCESS}").text
        again = "/telemetry/login/provider?again=true&amp;next="
        assert f'href="{again}{paths.ACCESS}"' in page
        framed = browser.call("GET", "/telemetry/embedded/access").text
        assert f'href="{again}{paths.LOGGED_IN}" target="_blank"' in framed
        assert page.count(" disabled>") == 1, "all of them; the one that is this one may end"
        form = {"which": "all", "password": PASSWORD}
        assert browser.call("POST", f"/telemetry{paths.END_SESSIONS}", **form).status_code == 403


def test_the_rest_api_ends_them_too(service: Running) -> None:
    one, other = Browser(service).log_in(), Browser(service).log_in()
    assert one.call("DELETE", "/api/v1/sessions?others=true").status_code == 204
    assert [one.is_in(), other.is_in()] == [True, False]
    (session,) = one.call("GET", "/api/v1/sessions").json()["sessions"]
    assert one.call("DELETE", f"/api/v1/sessions/{session['session_id']}").status_code == 204
    assert not one.is_in()
    other.log_in()
    assert other.call("DELETE", "/api/v1/sessions").status_code == 204
    assert not other.is_in()


def test_a_service_has_no_sessions_and_ends_none(service: Running) -> None:
    for scope in Scope:
        for method, path in (("GET", "sessions"), ("DELETE", "sessions")):
            refused = service.call(scope, method, path)
            assert (refused.status_code, code_in(refused)) == (403, "forbidden")


def test_a_log_out_clears_the_cache_and_leaves_the_known_browser(service: Running) -> None:
    browser = Browser(service).log_in()
    out = browser.call("POST", paths.LOGOUT)
    assert out.headers["clear-site-data"] == '"cache"'
    deleted = [cookie.partition("=")[0] for cookie in out.headers.get_list("set-cookie")]
    assert deleted == ["telemetry_session"]
    assert "telemetry_device" in browser.cookies


def test_below_a_path_a_log_out_leaves_the_cache_of_the_origin_alone(
    run_databases: RunDatabases, tmp_path: Path
) -> None:
    url = {"TELEMETRY_PUBLIC_URL": "http://127.0.0.1/telemetry"}
    with Running(run_databases.sqlite(tmp_path), url) as service:
        cookies, proof = service.log_in()
        headers = {"Cookie": f"telemetry_session={cookies['telemetry_session']}", "Host": "127.0.0.1"}
        out = service.client.post("/telemetry/logout", data={"csrf_token": proof}, headers=headers)
    assert (out.status_code, out.headers["location"]) == (303, "/telemetry/login")
    assert "clear-site-data" not in out.headers
    assert "Path=/telemetry" in out.headers["set-cookie"]


def test_the_password_is_changed_in_the_tab_and_this_browser_stays_in(service: Running) -> None:
    this, other = Browser(service).log_in(), Browser(service).log_in()
    changed = this.call("POST", paths.PASSWORD, present=PASSWORD, new=NEW, again=NEW)
    assert changed.headers["location"] == f"{paths.ACCESS}?done=password-changed"
    assert "Password changed." in this.call("GET", changed.headers["location"]).text
    assert [this.is_in(), other.is_in()] == [True, False]
    Browser(service).log_in(NEW)


WRONG = {
    "the present one": ({"present": "wrong", "new": NEW, "again": NEW}, "Incorrect password."),
    "the repetition": ({"present": PASSWORD, "new": NEW, "again": NEW + "!"}, "are different."),
    "a common one": ({"present": PASSWORD, "new": "password1234", "again": "password1234"}, "easy to guess"),
    "a short one": ({"present": PASSWORD, "new": "short", "again": "short"}, "12 to 1024"),
    "nothing": ({}, "12 to 1024"),
}


def test_a_password_that_cannot_be_changed_says_why_and_repeats_nothing(service: Running) -> None:
    browser = Browser(service).log_in()
    for name, (form, said) in WRONG.items():
        refused = browser.call("POST", paths.PASSWORD, **(form or {"x": ""}))
        assert (refused.status_code, said in refused.text) == (422, True), name
        assert NEW not in refused.text
    wrong = [browser.call("POST", paths.PASSWORD, present="wrong", new=NEW, again=NEW) for _ in range(5)]
    refused = wrong[-1]
    assert "Too many incorrect passwords." in refused.text
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert browser.is_in()


def test_the_tokens_are_listed_for_administrators_with_those_that_expire_soon(service: Running) -> None:
    service.context.authentication.tokens.create("soon", [Scope.READ], CLI, timedelta(days=10))
    page = Browser(service).log_in().call("GET", paths.ACCESS).text
    assert "soon" in page
    assert page.count(">Soon<") == 1
    cookies, _proof = service.log_in_as(VIEWER)
    assert VIEWER.role is Role.VIEWER
    viewed = service.client.get(paths.ACCESS, headers={"Cookie": f"telemetry_session={cookies['telemetry_session']}"})
    assert viewed.status_code == 200
    assert 'id="tokens"' not in viewed.text
    assert 'id="password"' not in viewed.text


AGENTS = {
    FIREFOX: "Firefox on Linux",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36": "Chrome on Windows",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0": "Edge on Windows",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.5 Safari/605.1.15": "Safari on macOS",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36": "Chrome on Android",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604.1": "Safari on iOS",
    "python-httpx/0.28": "Another program",
    "<script>": "Another program",
    "": "Another program",
}


@each("agent", AGENTS)
def test_a_browser_is_named_by_its_family(agent: str) -> None:
    assert family_of(agent) == AGENTS[agent]
