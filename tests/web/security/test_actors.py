"""Who a request comes from, as the routes learn it: kind, ID, name and address, behind a trusted proxy too."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from fastapi import Depends, FastAPI

from telemetry_service.identity.scopes import Scope
from telemetry_service.web.security.authorization import (
    CurrentCaller,
    CurrentStranger,
    authorize,
    needs,
    public,
)
from tests.support.each import each
from tests.support.raw_http import asking, response_to, served
from tests.support.running import Running

PROXY, BEHIND = "127.0.0.1", "203.0.113.9"
ADDRESSES: dict[str, tuple[tuple[str, ...], str]] = {
    "direct": ((), PROXY),
    "behind a trusted proxy": ((PROXY,), BEHIND),
}


@pytest.fixture(scope="module")
def app(shared: Running) -> FastAPI:
    """Two routes that say who calls them, to the tokens and sessions of a whole service."""
    app = FastAPI(openapi_url=None, dependencies=[Depends(authorize)])
    app.state.context = shared.context

    @app.get("/inside")
    @needs(Scope.READ)
    async def inside(caller: CurrentCaller) -> dict[str, Any]:
        return asdict(caller.actor)

    @app.get("/outside")
    @public
    async def outside(caller: CurrentStranger) -> dict[str, Any]:
        return asdict(caller)

    return app


def actor_of(app: FastAPI, where: str, path: str, *headers: str) -> dict[str, Any]:
    with served(app, 9, proxies=ADDRESSES[where][0]) as port:
        response = response_to(port, asking(path, f"X-Forwarded-For: {BEHIND}", *headers))
    actor: dict[str, Any] = json.loads(response.partition(b"\r\n\r\n")[2])
    return actor


@each("where", ADDRESSES)
def test_a_token_is_known_by_its_id_and_name(shared: Running, app: FastAPI, where: str) -> None:
    created = next(facts for facts in shared.context.authentication.tokens.list() if facts.name == Scope.READ)
    bearer = f"Authorization: Bearer {shared.tokens[Scope.READ]}"
    expected = {"kind": "token", "id": created.token_id, "name": "read", "address": ADDRESSES[where][1]}
    assert actor_of(app, where, "/inside", bearer) == expected


@each("where", ADDRESSES)
def test_a_session_is_the_administrators(shared: Running, app: FastAPI, where: str) -> None:
    cookies, _proof = shared.log_in()
    cookie = f"Cookie: telemetry_session={cookies['telemetry_session']}"
    expected = {"kind": "person", "id": "admin", "name": None, "address": ADDRESSES[where][1]}
    assert actor_of(app, where, "/inside", cookie) == expected


@each("where", ADDRESSES)
def test_who_logs_in_is_a_stranger_until_then(app: FastAPI, where: str) -> None:
    expected = {"kind": "stranger", "id": None, "name": None, "address": ADDRESSES[where][1]}
    assert actor_of(app, where, "/outside") == expected
