"""Every route by every kind of caller; a route that says nothing of who may call it lets nobody in."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

from telemetry_service.identity.scopes import Scope
from telemetry_service.identity.throttle import FIRST_BLOCK
from telemetry_service.identity.token_text import written
from telemetry_service.web.errors.handler import ErrorHandler
from telemetry_service.web.security.authorization import (
    UndeclaredRouteError,
    authorize,
    check_routes,
    needs,
    page,
    public,
)
from tests.support.actors import CLI, PROVIDED, VIEWER
from tests.support.databases import RunDatabases
from tests.support.each import each
from tests.support.raw_http import connect
from tests.support.running import PASSWORD, Running, code_in

REPORT, READ, ADMIN, METRICS = Scope.REPORT, Scope.READ, Scope.ADMIN, Scope.METRICS
TAB = "/settings/general/telemetry"
APPEARANCE = f"{TAB}/appearance"
T, H = "/api/v1/telemetry", "/api/v1/telemetry/history/{transmission_id}"
PUBLIC, PAGE, VIEWED = "public", "page", "page that viewers may see"
PERSONAL = "call about the caller's own sessions"

ROUTES: dict[tuple[str, str], str | set[Scope]] = {
    ("PUT", "/api/v1/bouncers/{bouncer_id}"): {REPORT},
    ("DELETE", "/api/v1/bouncers/{bouncer_id}"): {REPORT},
    ("GET", "/api/v1/bouncers"): {REPORT, READ},
    ("PUT", "/api/v1/bouncers"): {REPORT},
    ("GET", "/api/v1/bouncers/{bouncer_id}"): {REPORT, READ},
    ("POST", "/api/v1/usage"): {REPORT},
    ("PUT", "/api/v1/license"): {REPORT},
    ("GET", "/api/v1/license"): {REPORT, READ},
    ("POST", "/api/v1/extension-codes"): {REPORT},
    ("GET", f"{T}/config"): {READ},
    ("PUT", f"{T}/config"): {ADMIN},
    ("PATCH", f"{T}/config"): {ADMIN},
    ("PUT", f"{T}/config/api-key"): {ADMIN},
    ("DELETE", f"{T}/config/api-key"): {ADMIN},
    ("POST", f"{T}/config/api-key/reveal"): {ADMIN},
    ("POST", f"{T}/test-connection"): {ADMIN},
    ("GET", f"{T}/preview"): {READ},
    ("GET", f"{T}/health"): {READ},
    ("GET", f"{T}/dictionary"): {READ},
    ("GET", f"{T}/source"): {READ},
    ("POST", f"{T}/send-now"): {ADMIN},
    ("GET", f"{T}/history"): {READ},
    ("GET", f"{T}/history/export"): {READ},
    ("POST", f"{T}/history/retry-failed"): {ADMIN},
    ("GET", H): {READ},
    ("GET", f"{H}/attempts/{{number}}/payload"): {READ},
    ("GET", f"{H}/attempts/{{number}}/body"): {READ},
    ("GET", f"{H}/attempts/{{number}}/message"): {READ},
    ("GET", "/api/v1/ledger"): {READ},
    ("GET", "/api/v1/ledger/entries/export"): {READ},
    ("GET", "/api/v1/ledger/export"): {READ},
    ("GET", "/api/v1/ledger/verifier"): {READ},
    ("POST", "/api/v1/ledger/verify"): {READ},
    ("GET", "/api/v1/sessions"): PERSONAL,
    ("DELETE", "/api/v1/sessions"): PERSONAL,
    ("DELETE", "/api/v1/sessions/{session_id}"): PERSONAL,
    ("GET", "/api/v1/tokens"): {ADMIN},
    ("POST", "/api/v1/tokens"): {ADMIN},
    ("DELETE", "/api/v1/tokens/{token_id}"): {ADMIN},
    ("POST", f"{H}/retry"): {ADMIN},
    ("POST", f"{T}/restored"): {ADMIN},
    ("POST", f"{T}/bundles"): {ADMIN},
    ("POST", f"{T}/bundles/receipts"): {ADMIN},
    ("POST", f"{H}/release"): {ADMIN},
    ("POST", f"{H}/withdraw"): {ADMIN},
    ("POST", f"{H}/accept-without-receipt"): {ADMIN},
    ("GET", "/metrics"): {METRICS},
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/api/v1/openapi.json"): PUBLIC,
    ("GET", "/static/{digest}/{name}"): PUBLIC,
    ("GET", "/static/{name}"): PUBLIC,
    ("GET", "/"): PUBLIC,
    ("GET", "/login"): PUBLIC,
    ("POST", "/login"): PUBLIC,
    ("GET", "/login/provider"): PUBLIC,
    ("GET", "/login/provider/return"): PUBLIC,
    ("GET", "/login/provider/ended"): PUBLIC,
    ("POST", "/login/provider/logout"): PUBLIC,
    ("POST", "/logout"): VIEWED,
    ("POST", f"{TAB}/appearance"): VIEWED,
    ("GET", f"{TAB}/access"): VIEWED,
    ("GET", f"{TAB}/logged-in"): VIEWED,
    ("POST", f"{TAB}/access/end"): VIEWED,
    ("POST", f"{TAB}/access/others/end"): PAGE,
    ("POST", f"{TAB}/access/password"): PAGE,
    ("POST", f"{TAB}/save"): PAGE,
    ("POST", f"{TAB}/test-connection"): PAGE,
    ("POST", f"{TAB}/api-key/reveal"): PAGE,
    ("GET", f"{TAB}/api-key/remove"): PAGE,
    ("POST", f"{TAB}/api-key/remove"): PAGE,
    ("POST", f"{TAB}/send-now"): PAGE,
    ("GET", f"{TAB}/send-now"): PAGE,
    ("GET", f"{TAB}/history/retry-failed"): PAGE,
    ("POST", f"{TAB}/history/retry-failed"): PAGE,
    ("GET", f"{TAB}/live"): VIEWED,
    ("GET", f"{TAB}/history/{{transmission_id}}/evidence"): VIEWED,
    ("POST", f"{TAB}/history/{{transmission_id}}/retry"): PAGE,
    ("POST", f"{TAB}/restored"): PAGE,
    ("POST", f"{TAB}/bundles"): PAGE,
    ("POST", f"{TAB}/bundles/receipts"): PAGE,
    ("GET", f"{TAB}/history/{{transmission_id}}/decide/{{decision}}"): PAGE,
    ("POST", f"{TAB}/history/{{transmission_id}}/decide/{{decision}}"): PAGE,
    ("POST", f"{TAB}/api-key"): PAGE,
    ("POST", f"{TAB}/api-key/replace"): PAGE,
    ("GET", "/settings"): PUBLIC,
    ("GET", "/settings/general"): PUBLIC,
    ("GET", TAB): VIEWED,
    ("GET", f"{TAB}/settings"): VIEWED,
    ("GET", f"{TAB}/history"): VIEWED,
    ("GET", f"{TAB}/history/{{transmission_id}}"): VIEWED,
    ("GET", f"{TAB}/history/{{transmission_id}}/attempts/{{number}}/{{part}}"): VIEWED,
    ("GET", f"{TAB}/components"): VIEWED,
    ("GET", f"{TAB}/activity"): VIEWED,
    ("GET", f"{TAB}/activity/live"): VIEWED,
    ("GET", f"{TAB}/proof"): VIEWED,
    ("GET", f"{TAB}/proof/live"): VIEWED,
    ("POST", f"{TAB}/proof/verify"): VIEWED,
    ("GET", f"{TAB}/payload"): VIEWED,
    ("GET", f"{TAB}/payload.json"): VIEWED,
}
"""Who may call what. A route that is not here fails the test below, so that nobody adds one without a decision."""

HELD: dict[str, set[Scope]] = {
    "report": {REPORT},
    "metrics": {METRICS},
    "read": {READ, METRICS},
    "admin": {ADMIN, READ, METRICS},
    "session": {ADMIN, READ, METRICS},
    "viewer's session": {READ, METRICS},
}
SESSIONS = ("session", "viewer's session")
LOGINS = {("POST", "/login"), ("GET", "/login/provider/return")}
"""What refuses a login that is wrong, and no caller."""
STRANGERS = ("nobody", "revoked token", "made-up token", "expired session", "made-up session", "basic login")


def test_every_route_of_the_application_stands_in_the_table(shared: Running) -> None:
    found = iter_route_contexts(shared.app.routes)
    routes = {(method, route.path_format) for route in found for method in route.methods or ()}
    assert routes == set(ROUTES)


@pytest.fixture(scope="module")
def shared(run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service where a viewer can be logged in, too."""
    with Running(run_databases.sqlite(tmp_path_factory.mktemp("shared")), PROVIDED) as running:
        yield running


class Credentials(NamedTuple):
    """What a caller shows."""

    headers: dict[str, str]
    cookies: dict[str, str]


@pytest.fixture(scope="module")
def callers(shared: Running) -> dict[str, Credentials]:
    """Return what each kind of caller shows."""
    authentication = shared.context.authentication
    revoked = authentication.tokens.create("revoked", list(Scope), CLI)
    authentication.tokens.revoke(revoked.facts.token_id, CLI)
    expired, expired_proof = shared.log_in()
    shared.clock.advance(timedelta(hours=13))
    made_up = {"telemetry_session": "0" * 32 + "." + "A" * 43}
    tokens = {scope.value: Credentials(_bearer(token), {}) for scope, token in shared.tokens.items()}
    return {
        **tokens,
        "nobody": Credentials({}, {}),
        "revoked token": Credentials(_bearer(revoked.token), {}),
        "made-up token": Credentials(_bearer(written("a" * 12, "A" * 43)), {}),
        "expired session": Credentials({"X-CSRF-Token": expired_proof}, expired),
        "made-up session": Credentials({"X-CSRF-Token": expired_proof}, made_up),
        "basic login": Credentials({"Authorization": "Basic YWRtaW46YWRtaW4="}, {}),
    }


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def call_route(service: Running, route: tuple[str, str], shown: Credentials) -> httpx.Response:
    """Call a route as someone who shows these credentials."""
    # Cookies of one call only: a client's jar would carry them into the next.
    cookie = "; ".join(f"{name}={value}" for name, value in shown.cookies.items())
    headers = shown.headers | ({"Cookie": cookie} if cookie else {})
    return service.client.request(route[0], _path(route[1]), headers=headers)


def _path(route: str) -> str:
    """Return a path with something for each parameter."""
    return route.format(
        bouncer_id="b",
        transmission_id=UUID(int=7),
        number=1,
        part="body",
        digest="x",
        name="y",
        decision="release",
        token_id="a" * 12,
        session_id=UUID(int=8),
    )


def _session(service: Running, caller: str = "session") -> Credentials:
    cookies, proof = service.log_in() if caller == "session" else service.log_in_as(VIEWER)
    return Credentials({"X-CSRF-Token": proof}, cookies)


@pytest.mark.long
@each("route", ROUTES)
@each("caller", [*HELD, *STRANGERS])
def test_a_route_admits_only_the_callers_that_it_names(
    shared: Running, callers: dict[str, Credentials], route: tuple[str, str], caller: str
) -> None:
    response = call_route(shared, route, _session(shared, caller) if caller in SESSIONS else callers[caller])
    shared.client.cookies.clear()
    if route == ("POST", "/login"):
        shared.log_in()  # Otherwise, failures in a row would lock out the next login.
    allowed = ROUTES[route]
    if allowed == PUBLIC:
        assert response.status_code not in {401, 403} or route in LOGINS
    elif allowed in {PAGE, VIEWED}:
        _check_page(response, caller, admits_viewers=allowed == VIEWED)
    elif caller in STRANGERS:
        assert (response.status_code, code_in(response)) == (401, "unauthenticated")
        assert response.headers["www-authenticate"].startswith("Bearer")
    elif caller in SESSIONS if allowed == PERSONAL else isinstance(allowed, set) and allowed & HELD[caller]:
        assert response.status_code not in {401, 403}
    else:
        code = "role-missing" if caller == "viewer's session" and allowed == {ADMIN} else "forbidden"
        assert (response.status_code, code_in(response)) == (403, code)


def _check_page(response: httpx.Response, caller: str, *, admits_viewers: bool) -> None:
    if caller == "viewer's session" and not admits_viewers:
        assert response.status_code == 403
        assert "role-missing" in response.text
    elif caller in SESSIONS:
        assert response.status_code not in {401, 403}
        assert not response.headers.get("location", "").startswith("/login?")
    elif caller in {*Scope, "revoked token", "made-up token"}:
        assert response.status_code == 403
    else:
        assert response.status_code == 303
        assert response.headers["location"].startswith("/login")


def test_the_login_leads_back_to_the_page_that_was_asked_for(shared: Running) -> None:
    response = shared.client.get(f"{TAB}?status=failed&cursor=before-7")
    assert response.headers["location"] == f"/login?next={TAB}%3Fstatus%3Dfailed%26cursor%3Dbefore-7"


def test_htmx_loads_the_login_as_a_page(shared: Running) -> None:
    here = f"https://console.example{TAB}?status=failed"
    response = shared.client.get(TAB, headers={"HX-Request": "true", "HX-Current-URL": here})
    assert response.status_code in {200, 401}
    # Of the address that the browser names, nothing but the page on this site is followed.
    assert response.headers["hx-redirect"] == f"/login?next={TAB}%3Fstatus%3Dfailed&ended=true"


def test_a_token_is_not_taken_from_the_query(shared: Running) -> None:
    response = shared.client.get("/api/v1/license", params={"access_token": shared.tokens[READ]})
    assert response.status_code == 401


def test_strangers_are_refused_before_their_body_is_read(shared: Running) -> None:
    """They send the head of a call of the API, and nothing of the body that it announces."""
    port = shared.client.base_url.port
    assert port is not None
    calls = [(method, path) for method, path in ROUTES if method in {"POST", "PUT", "PATCH"} and "/api/" in path]
    assert len(calls) > 15
    for method, path in calls:
        head = (f"{method} {_path(path)} HTTP/1.1", "Host: a.test", "Content-Type: application/json")
        with connect(port) as connection:
            connection.sendall("\r\n".join((*head, "Content-Length: 20", "", "")).encode())
            assert connection.recv(65_536).startswith(b"HTTP/1.1 401 "), (method, path)


def test_a_wrong_token_is_not_made_good_by_a_session(shared: Running, callers: dict[str, Credentials]) -> None:
    session = _session(shared)
    shown = Credentials(session.headers | callers["revoked token"].headers, session.cookies)
    assert call_route(shared, ("GET", "/api/v1/license"), shown).status_code == 401


def test_a_password_that_a_reverse_proxy_asked_for_changes_nothing(shared: Running) -> None:
    """Nginx with ``auth_basic`` passes the header on, and the browser repeats it with each request."""
    shared.clock.advance(FIRST_BLOCK)  # Each caller of the walk over the routes may have tried a wrong password.
    cookies, proof = shared.log_in()
    for authorization in ("Basic YWRtaW46YWRtaW4=", "Negotiate YII", "basic", "Bearerx y", ""):
        theirs = {"Authorization": authorization}
        for route, status in ((("GET", TAB), 200), (("POST", APPEARANCE), 422), (("GET", "/api/v1/license"), 200)):
            shown = Credentials({**theirs, "X-CSRF-Token": proof}, cookies)
            assert call_route(shared, route, shown).status_code == status, (authorization, route)
        forged = call_route(shared, ("POST", APPEARANCE), Credentials(theirs, cookies))
        assert (forged.status_code, "CSRF" in forged.text) == (403, True)
        stranger = call_route(shared, ("GET", TAB), Credentials(theirs, {}))
        assert (stranger.status_code, stranger.headers["location"]) == (303, f"/login?next={TAB}")
        form = {"name": "admin", "password": PASSWORD}
        assert shared.client.post("/login", data=form, headers=theirs).status_code == 303
        shared.client.cookies.clear()


def test_a_revoked_token_is_refused_within_five_seconds_although_it_was_believed(shared: Running) -> None:
    created = shared.context.authentication.tokens.create("leaving", [READ], CLI)
    shown = Credentials(_bearer(created.token), {})
    assert call_route(shared, ("GET", "/api/v1/license"), shown).status_code == 200
    with shared.context.runtime.database.write() as tx:  # As another replica does it.
        tx.identity.revoke_token(created.facts.token_id, shared.clock.now())
    assert call_route(shared, ("GET", "/api/v1/license"), shown).status_code == 200
    shared.clock.advance(timedelta(seconds=5))
    assert call_route(shared, ("GET", "/api/v1/license"), shown).status_code == 401


def test_showing_the_api_key_needs_a_recent_login(shared: Running) -> None:
    shared.call(ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": "ck_shown_0123456789"})
    session = _session(shared)
    reveal = ("POST", f"{T}/config/api-key/reveal")
    assert call_route(shared, reveal, session).json() == {"api_key": "ck_shown_0123456789"}
    shared.clock.advance(timedelta(minutes=11))
    response = call_route(shared, reveal, session)
    assert (response.status_code, code_in(response)) == (403, "recent-login-required")
    assert "kkkk" not in response.text


def _bare_app() -> FastAPI:
    return FastAPI(dependencies=[Depends(authorize)], openapi_url=None, exception_handlers=ErrorHandler().by_kind())


async def _say_yes() -> str:
    return "yes"


def test_an_application_with_a_route_that_declares_nothing_does_not_start() -> None:
    app = _bare_app()
    app.add_api_route("/open", _say_yes)
    with pytest.raises(UndeclaredRouteError, match="/open"):
        check_routes(app)


async def _plain(_request: Request) -> Response:
    return PlainTextResponse("yes")


def test_an_application_with_a_route_that_no_authorization_protects_does_not_start() -> None:
    for unseen in (Route("/open", _plain), Mount("/open", Starlette()), WebSocketRoute("/open", _plain)):
        app = _bare_app()
        app.router.routes.append(unseen)
        with pytest.raises(UndeclaredRouteError):
            check_routes(app)


def test_an_application_with_a_route_that_skips_the_authorization_does_not_start() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/open")
    @needs(ADMIN)
    async def endpoint() -> str:
        return "yes"

    with pytest.raises(UndeclaredRouteError, match="/open"):
        check_routes(app)


@pytest.mark.anyio
async def test_a_route_that_declares_nothing_admits_no_one(shared: Running) -> None:
    app = _bare_app()
    app.state.context = shared.context
    app.add_api_route("/open", _say_yes)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for headers in ({}, _bearer(shared.tokens[ADMIN])):
            response = await client.get("/open", headers=headers)
            assert (response.status_code, code_in(response)) == (403, "forbidden")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_every_declaration_leaves_the_endpoint_as_it_is() -> None:
    async def endpoint() -> None:
        """Do nothing."""

    assert public(endpoint) is needs(READ)(endpoint) is page(endpoint) is endpoint
