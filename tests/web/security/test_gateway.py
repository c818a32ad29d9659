"""The console's gateway says who is logged in, in a signed JWT with each request; nothing else is believed."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc.jwk import OKPKey

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.errors import IdentityRefusedError
from telemetry_service.identity.scopes import Scope
from telemetry_service.log.events import Event
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import Options, open_service
from telemetry_service.settings import load_settings
from telemetry_service.web.tab import paths
from tests.support.databases import RunDatabases
from tests.support.each import each
from tests.support.issuer import AUDIENCE, GatewayOfTest, ec_key, rsa_key, sign, sign_raw, sign_with_the_public_key
from tests.support.log_lines import lines_of
from tests.support.running import Running, code_in
from tests.web.security.test_authorization import PAGE, PERSONAL, PUBLIC, ROUTES, VIEWED, Credentials, call_route

HEADER = "X-Control-Core-Identity"
CONFIG = "/api/v1/telemetry/config"
KEY = f"{CONFIG}/api-key"
OWN = {"Sec-Fetch-Site": "same-origin"}
Forge = Callable[[GatewayOfTest, Running], str]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> GatewayOfTest:
    return GatewayOfTest(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(scope="module")
def service(
    run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory, gateway: GatewayOfTest
) -> Iterator[Running]:
    """A service behind the gateway, which the tests share."""
    database = run_databases.sqlite(tmp_path_factory.mktemp("behind"))
    with Running(database, environment=gateway.environment) as running:
        yield running


def _get(service: Running, token: str, path: str = CONFIG, **headers: str) -> httpx.Response:
    service.client.cookies.clear()
    return service.client.get(path, headers={HEADER: token, **headers})


def _csrf_token(service: Running, token: str) -> str:
    page = _get(service, token, paths.TAB)
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert page.status_code == 200, page.text[-700:]
    assert found
    return found[1]


def test_whom_the_gateway_names_is_in_without_a_login(service: Running, gateway: GatewayOfTest) -> None:
    token = gateway.token(service.clock.now())
    page = _get(service, token, paths.TAB)
    assert page.status_code == 200, page.text[-700:]
    assert ">Ada<" in page.text
    assert "set-cookie" not in page.headers
    assert f'action="{paths.LOGOUT}"' in page.text
    assert "Log out</button>" not in page.text
    assert _get(service, token).status_code == 200


def _payload_changed(gateway: GatewayOfTest, service: Running) -> str:
    head, _, signature = gateway.token(service.clock.now(), "viewer").split(".")
    other = gateway.token(service.clock.now(), "administrator").split(".")[1]
    return f"{head}.{other}.{signature}"


def _unsigned(gateway: GatewayOfTest, service: Running) -> str:
    head = to_base64url(json.dumps({"alg": "none", "kid": "first"}).encode()).decode()
    return f"{head}.{gateway.token(service.clock.now()).split('.')[1]}."


def _by_the_public_key(gateway: GatewayOfTest, service: Running) -> str:
    """HS256 with the public key as the secret, for a verifier that takes the algorithm from the token."""
    published = rsa_key("rsa")
    gateway.publish(gateway.key, published)
    service.clock.advance(timedelta(minutes=1))
    return sign_with_the_public_key(published, gateway.claims(service.clock.now()))


def _changed(**changes: Any) -> Forge:  # noqa: ANN401 - members of JSON
    def forge(gateway: GatewayOfTest, service: Running) -> str:
        now = int(service.clock.now().timestamp())
        moved = {name: now + int(by.total_seconds()) for name, by in changes.items() if isinstance(by, timedelta)}
        return gateway.token(service.clock.now(), **(changes | moved))

    return forge


def _critical(gateway: GatewayOfTest, service: Running) -> str:
    """The header is not what was signed either, but a verifier may refuse it before it finds that out."""
    header = to_base64url(json.dumps({"alg": "ES256", "kid": "first", "crit": ["x"], "x": 1}).encode()).decode()
    return ".".join([header, *gateway.token(service.clock.now()).split(".")[1:]])


HOSTILE: dict[str, tuple[str, Forge]] = {
    "no token": ("malformed", lambda *_: "x"),
    "nothing": ("malformed", lambda *_: ""),
    "two dots": ("malformed", lambda *_: ".."),
    "too long": ("malformed", lambda *_: "x" * 20_000),
    "two in one header": ("malformed", lambda g, s: f"{g.token(s.clock.now())}, {g.token(s.clock.now())}"),
    "not signed": ("algorithm", _unsigned),
    "signed with the public key as a secret": ("algorithm", _by_the_public_key),
    "payload changed": ("signature", _payload_changed),
    "signed by another key with the same name": (
        "signature",
        lambda g, s: sign(ec_key("first"), g.claims(s.clock.now())),
    ),
    "a key that nobody published": ("key_unknown", lambda g, s: sign(ec_key("other"), g.claims(s.clock.now()))),
    "no key named": ("key_unknown", lambda g, s: sign(g.key, g.claims(s.clock.now()), kid=None)),
    "a key of its own in the header": (
        "key_unknown",
        lambda g, s: sign(ec_key("own"), g.claims(s.clock.now()), jwk=ec_key("own").as_dict(private=False)),
    ),
    "something critical that is not understood": ("signature", _critical),
    "another audience": ("audience", _changed(aud="elsewhere")),
    "audiences without this one": ("audience", _changed(aud=["a", "b"])),
    "no audience": ("claim_missing", _changed(aud=None)),
    "another issuer": ("issuer", _changed(iss="https://console.example/")),
    "no issuer": ("claim_missing", _changed(iss=None)),
    "expired": ("expired", _changed(exp=-timedelta(seconds=61))),
    "without an end": ("claim_missing", _changed(exp=None)),
    "an end that is no number": ("expired", _changed(exp="tomorrow")),
    "an end beyond all numbers": ("expired", _changed(exp=float("inf"))),
    "not yet valid": ("not_yet_valid", _changed(nbf=timedelta(seconds=61))),
    "issued later": ("issued_later", _changed(iat=timedelta(seconds=61))),
    "no subject": ("claim_missing", _changed(sub=None)),
    "a subject that is no text": ("claim_invalid", _changed(sub=7)),
    "an endless subject": ("subject", _changed(sub="x" * 300)),
}


@each("name", HOSTILE)
@each("credential", ["alone", "with a valid session"])
def test_what_the_gateway_did_not_sign_for_us_now_is_refused_and_nothing_else_counts(
    service: Running, gateway: GatewayOfTest, name: str, credential: str
) -> None:
    reason, forge = HOSTILE[name]
    token = forge(gateway, service)
    identities = service.context.authentication.gateway
    assert identities is not None
    with pytest.raises(IdentityRefusedError) as refused:
        identities.find(token)
    assert refused.value.reason == reason
    session = service.log_in()[0] if credential == "with a valid session" else {}
    cookie = {"Cookie": "; ".join(f"{key}={value}" for key, value in session.items())} if session else {}
    for path in (CONFIG, paths.TAB):
        response = _get(service, token, path, **cookie)
        assert response.status_code == 401, (name, response.text)
        assert "location" not in response.headers
        assert "hx-redirect" not in response.headers
    assert code_in(_get(service, token, **cookie)) == "identity-refused"


def test_sixty_seconds_between_the_clocks_are_forgiven(service: Running, gateway: GatewayOfTest) -> None:
    for forge in (
        _changed(exp=-timedelta(seconds=58)),
        _changed(nbf=timedelta(seconds=58)),
        _changed(iat=None, nbf=None, exp=timedelta(minutes=60, seconds=58)),
        _changed(aud=[AUDIENCE, "b"]),
    ):
        assert _get(service, forge(gateway, service)).status_code == 200


LONG: dict[str, Forge] = {
    "a minute too long": _changed(exp=timedelta(minutes=61)),
    "without an end that anyone will see": _changed(exp=2**53),
    "issued long ago and used until now": _changed(iat=-timedelta(hours=2)),
    "valid since long ago": _changed(iat=None, nbf=-timedelta(hours=2)),
    "that does not say since when": _changed(iat=None, nbf=None, exp=timedelta(minutes=61, seconds=1)),
    "beyond all numbers": _changed(exp=10**400),
    "since before all numbers": _changed(iat=-(10**400)),
}


@each("name", LONG)
def test_a_token_that_would_be_of_use_to_a_thief_for_long_is_refused(
    service: Running, gateway: GatewayOfTest, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    token = LONG[name](gateway, service)
    refused = _get(service, token)
    assert (refused.status_code, code_in(refused)) == (401, "identity-lasts-too-long"), name
    assert "TELEMETRY_IDENTITY_LIFETIME_MINUTES" in refused.text
    assert _get(service, token, paths.TAB).status_code == 401
    service.clock.advance(timedelta(minutes=1))
    _get(service, token)
    assert lines_of(caplog, Event.IDENTITY_REFUSED)[-1]["reason"] == "lifetime"


def test_a_deployment_whose_console_needs_it_allows_more(sqlite_url: str, gateway: GatewayOfTest) -> None:
    with Running(sqlite_url, gateway.environment | {"TELEMETRY_IDENTITY_LIFETIME_MINUTES": "1440"}) as service:
        assert _get(service, _changed(exp=timedelta(hours=24))(gateway, service)).status_code == 200
        assert _get(service, _changed(exp=timedelta(hours=24, seconds=1))(gateway, service)).status_code == 401


def test_ed25519_counts_under_both_of_its_names_and_no_other_curve_under_them(
    service: Running, gateway: GatewayOfTest
) -> None:
    claims = gateway.claims(service.clock.now())
    first, other = OKPKey.generate_key("Ed25519", {"kid": "a"}), OKPKey.generate_key("Ed448", {"kid": "b"})
    for key, statuses in ((first, [200, 200]), (other, [401, 401])):
        gateway.publish(gateway.key, key)
        service.clock.advance(timedelta(seconds=6))
        tokens = (sign_raw(key, claims, alg) for alg in ("Ed25519", "EdDSA"))
        assert [_get(service, token).status_code for token in tokens] == statuses


def test_two_headers_are_a_malformed_request(service: Running, gateway: GatewayOfTest) -> None:
    token = gateway.token(service.clock.now())
    response = service.client.get(CONFIG, headers=[(HEADER, token), (HEADER, token)])
    assert (response.status_code, code_in(response)) == (400, "request-malformed")


def test_a_valid_identity_wins_over_a_cookie(service: Running, gateway: GatewayOfTest) -> None:
    cookies, _proof = service.log_in()
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    page = _get(service, gateway.token(service.clock.now(), "viewer"), paths.TAB, Cookie=cookie)
    assert 'id="viewer-note"' in page.text


def test_a_person_without_a_role_is_known_and_refused(service: Running, gateway: GatewayOfTest) -> None:
    for roles in ([], ["telemetry-admins"], "telemetry", {"telemetry-admin": True}, None):
        response = _get(service, gateway.token(service.clock.now(), roles=roles))
        assert (response.status_code, code_in(response)) == (403, "no-role")


def test_a_rotated_key_is_followed_and_a_withdrawn_one_refused(service: Running, gateway: GatewayOfTest) -> None:
    assert _get(service, gateway.token(service.clock.now())).status_code == 200
    new = ec_key("second")
    gateway.publish(new)
    service.clock.advance(timedelta(seconds=6))
    assert _get(service, sign(new, gateway.claims(service.clock.now()))).status_code == 200
    assert _get(service, gateway.token(service.clock.now())).status_code == 401
    gateway.publish(gateway.key)
    service.clock.advance(timedelta(seconds=6))


def test_a_file_of_keys_that_is_being_replaced_locks_no_one_out(service: Running, gateway: GatewayOfTest) -> None:
    assert _get(service, gateway.token(service.clock.now())).status_code == 200
    gateway.file.write_text("{")
    service.clock.advance(timedelta(seconds=6))
    assert _get(service, gateway.token(service.clock.now())).status_code == 200
    gateway.publish(gateway.key)
    service.clock.advance(timedelta(seconds=6))


CHANGES: dict[str, tuple[dict[str, str], bool, int]] = {
    "own page, own token": (OWN, True, 200),
    "own origin": ({"Origin": "own"}, True, 200),
    "no token": (OWN, False, 403),
    "nothing says where from": ({}, True, 403),
    "typed into the address bar": ({"Sec-Fetch-Site": "none"}, True, 403),
    "another site": ({"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}, True, 403),
    "a sibling": ({"Sec-Fetch-Site": "same-site"}, True, 403),
    "another origin": ({"Origin": "https://elsewhere.example"}, True, 403),
    "a hidden origin": ({"Origin": "null"}, True, 403),
}


@each("name", CHANGES)
def test_a_change_needs_an_own_page_and_its_token(service: Running, gateway: GatewayOfTest, name: str) -> None:
    said, proven, expected = CHANGES[name]
    token = gateway.token(service.clock.now())
    origin = str(service.client.base_url).rstrip("/")
    headers = {HEADER: token} | {key: origin if value == "own" else value for key, value in said.items()}
    proof = {"X-CSRF-Token": _csrf_token(service, token)} if proven else {}
    assert service.client.delete(KEY, headers=headers | proof).status_code == expected


def test_a_token_for_changes_is_of_one_person_and_ends_with_the_next_hour(
    service: Running, gateway: GatewayOfTest
) -> None:
    mine = _csrf_token(service, gateway.token(service.clock.now()))
    other = gateway.token(service.clock.now(), sub="4712")
    assert service.client.delete(KEY, headers={HEADER: other, "X-CSRF-Token": mine, **OWN}).status_code == 403
    for minutes, expected in ((60, 200), (60, 403)):
        service.clock.advance(timedelta(minutes=minutes))
        headers = {HEADER: gateway.token(service.clock.now()), "X-CSRF-Token": mine, **OWN}
        assert service.client.delete(KEY, headers=headers).status_code == expected


def test_another_site_cannot_read_the_api_through_the_gateway(service: Running, gateway: GatewayOfTest) -> None:
    token = gateway.token(service.clock.now())
    assert _get(service, token, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_part_of_a_page_answers_in_place_and_never_leads_the_page_away(
    service: Running, gateway: GatewayOfTest
) -> None:
    expired = gateway.token(service.clock.now() - timedelta(hours=1))
    for headers in ({}, {HEADER: expired}):
        for path in (paths.HISTORY, "/embedded/history"):
            response = service.client.get(path, headers=headers | {"HX-Request": "true"})
            assert response.status_code == 401
            assert {"location", "hx-redirect"}.isdisjoint(response.headers)
            assert response.json()["detail"]
        frame = service.client.get("/embedded", headers=headers)
        assert (frame.status_code, "location" in frame.headers, "</html>" in frame.text) == (401, False, True)
    assert service.client.get(paths.TAB).headers["location"].startswith("/login")


def test_showing_the_key_needs_a_recent_authentication_that_the_gateway_vouches_for(
    service: Running, gateway: GatewayOfTest
) -> None:
    service.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": "ck_shown_0123456789"})
    now = int(service.clock.now().timestamp())
    for auth_time, shown in ((now - 60, True), (now - 660, False), (None, False), (now + 600, False), ("x", False)):
        token = gateway.token(service.clock.now(), auth_time=auth_time)
        proof = {"X-CSRF-Token": _csrf_token(service, token), **OWN}
        api = service.client.post(f"{KEY}/reveal", headers={HEADER: token, **proof})
        assert api.status_code == (200 if shown else 403)
        tab = service.client.post(paths.REVEAL, headers={HEADER: token, **proof})
        assert ("ck_shown_0123456789" in tab.text) is shown
        assert ("cannot vouch" in tab.text) is not shown
        assert "password" not in tab.text.split('id="relogin-dialog"')[-1] or shown
        replaced = {"api_key": "ck_again_0123456789"}
        put = service.client.put(KEY, json=replaced, headers={HEADER: token, **proof})
        assert put.status_code == 200
        service.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": "ck_shown_0123456789"})


def test_a_header_that_no_gateway_is_configured_for_is_not_read(shared: Running, gateway: GatewayOfTest) -> None:
    assert _get(shared, gateway.token(shared.clock.now())).status_code == 401


def test_the_log_has_the_reason_and_nothing_of_the_token(
    service: Running, gateway: GatewayOfTest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    token = gateway.token(service.clock.now(), aud="elsewhere", sub="canary")
    _get(service, token)
    gateway.file.write_text("canary")
    service.clock.advance(timedelta(hours=25))
    assert code_in(_get(service, gateway.token(service.clock.now()))) == "issuer-unavailable"
    gateway.publish(gateway.key)
    service.clock.advance(timedelta(seconds=6))
    (refused,) = lines_of(caplog, Event.IDENTITY_REFUSED)
    (unavailable,) = lines_of(caplog, Event.ISSUER_UNAVAILABLE)
    assert (refused["issuer"], refused["reason"], refused["address"]) == ("gateway", "audience", "127.0.0.1")
    assert (unavailable["issuer"], unavailable["cause"]) == ("gateway", "document_malformed")
    assert "canary" not in caplog.text
    assert token not in caplog.text


WHO: dict[str, tuple[str, set[Scope]]] = {
    "administrator": ("administrator", {Scope.READ, Scope.ADMIN, Scope.METRICS}),
    "viewer": ("viewer", {Scope.READ, Scope.METRICS}),
    "no role": ("no-role", set()),
    "expired": ("identity-refused", set()),
}


@each("route", ROUTES)
@each("who", WHO)
def test_a_route_admits_only_those_whom_the_gateway_gives_a_role_for_it(
    service: Running, gateway: GatewayOfTest, route: tuple[str, str], who: str
) -> None:
    name, held = WHO[who]
    allowed = ROUTES[route]
    needed = {PAGE: {Scope.ADMIN}, VIEWED: {Scope.READ}, PERSONAL: {Scope.READ}}.get(str(allowed), allowed)
    odd: dict[str, dict[str, Any]] = {"no role": {"roles": None}, "expired": {"exp": 1}}
    changes = {"auth_time": int(service.clock.now().timestamp())} | odd.get(who, {})
    token = gateway.token(service.clock.now(), "viewer" if who == "viewer" else "administrator", **changes)
    proof = _hidden_token(service, gateway)
    response = call_route(service, route, Credentials({HEADER: token, "X-CSRF-Token": proof, **OWN}, {}))
    assert "location" not in response.headers or "/login?" not in response.headers["location"]
    if allowed == PUBLIC:
        assert response.status_code not in {401, 403} or route == ("POST", "/login")
    elif isinstance(needed, set) and held & needed:
        assert response.status_code not in {401, 403}
    elif held:
        code = "role-missing" if isinstance(needed, set) and Scope.ADMIN in needed else "forbidden"
        assert response.status_code == 403
        assert code in response.text
    else:
        assert response.status_code == (401 if who == "expired" else 403)
        assert name in response.text


def _hidden_token(service: Running, gateway: GatewayOfTest) -> str:
    """Return the CSRF token of the person, as a page has it."""
    identities = service.context.authentication.gateway
    assert identities is not None
    return identities.find(gateway.token(service.clock.now())).csrf_token


def test_a5_a_log_out_from_the_console_ends_the_session_of_an_earlier_login_too(
    service: Running, gateway: GatewayOfTest
) -> None:
    token = gateway.token(service.clock.now())
    cookies, _ = service.log_in()
    earlier = {"Cookie": f"telemetry_session={cookies['telemetry_session']}"}
    assert _get(service, token, paths.TAB, **earlier).status_code == 200
    headers = {HEADER: token, "X-CSRF-Token": _csrf_token(service, token), **OWN, **earlier}
    out = service.client.post(paths.LOGOUT, headers=headers)
    service.client.cookies.clear()
    assert (out.status_code, out.headers["location"]) == (303, paths.TAB)
    assert out.headers["set-cookie"].startswith('telemetry_session="";')
    assert service.client.get(paths.TAB, headers=earlier).status_code == 303


def test_minors_2_and_3_who_has_no_session_is_told_of_none_and_ends_none(
    service: Running, gateway: GatewayOfTest
) -> None:
    token = gateway.token(service.clock.now())
    page = _get(service, token, paths.ACCESS).text
    assert "A session ends after" not in page
    assert "identity provider" not in page
    headers = {HEADER: token, "X-CSRF-Token": _csrf_token(service, token), **OWN}
    ended = service.client.post(paths.END_SESSIONS, data={"which": "None"}, headers=headers)
    assert ended.status_code == 404


def test_t18_whom_the_console_names_sees_no_login(service: Running, gateway: GatewayOfTest) -> None:
    for token, status in ((gateway.token(service.clock.now()), 200), ("x.y.z", 401)):
        led = _get(service, token, f"{paths.LOGIN}?next={paths.ACCESS}")
        assert (led.status_code, led.headers["location"]) == (303, paths.ACCESS)
        assert _get(service, token, paths.ACCESS).status_code == status
    assert service.client.get(paths.LOGIN).status_code == 200


def test_a2_a_start_with_a_closed_login_ends_its_sessions(sqlite_url: str, gateway: GatewayOfTest) -> None:
    keys = {name: generate_key() for name in ("ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY")}
    closed = {"TELEMETRY_DATABASE_URL": sqlite_url, "TELEMETRY_LOCAL_LOGIN": "false"}
    with Running(sqlite_url, keys) as service:
        cookies, _ = service.log_in()
        other = open_service(load_settings(keys | closed | gateway.environment), Options(scheduled=False))
        other.runtime.database.close()
        cookie = {"Cookie": f"telemetry_session={cookies['telemetry_session']}"}
        assert service.client.get(paths.TAB, headers=cookie).headers["location"].startswith(paths.LOGIN)
