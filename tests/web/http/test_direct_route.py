"""The hot path calls its dependencies itself, in order, and refuses those that only the framework can call."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, Cookie, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import SecurityScopes
from starlette.requests import HTTPConnection

from telemetry_service.web.http.direct_route import DirectRoute
from tests.support.raw_http import served


async def with_path(name: str) -> None:
    """Need a part of the path."""


async def with_query(value: Annotated[int, Query()]) -> None:
    """Need a parameter."""


async def with_header(value: Annotated[str, Header()]) -> None:
    """Need a header."""


async def with_cookie(value: Annotated[str, Cookie()]) -> None:
    """Need a cookie."""


async def with_body(value: dict[str, int]) -> None:
    """Need a body."""


async def with_response(response: Response) -> None:
    """Need the response to come."""


async def with_connection(connection: HTTPConnection) -> None:
    """Need the request under its other name."""


async def with_tasks(tasks: BackgroundTasks) -> None:
    """Need what runs after the response."""


async def with_scopes(scopes: SecurityScopes) -> None:
    """Need the framework's scopes."""


async def as_generator() -> AsyncIterator[None]:
    """Need to be continued after the response."""
    yield


def in_thread() -> None:
    """Need a thread."""


async def nothing() -> Response:
    return Response()


OTHERS = (
    with_path,
    with_query,
    with_header,
    with_cookie,
    with_body,
    with_response,
    with_connection,
    with_tasks,
    with_scopes,
    as_generator,
    in_thread,
)


def test_a_dependency_that_needs_more_than_the_request_is_refused_when_the_route_is_declared() -> None:
    for dependency in OTHERS:
        with pytest.raises(TypeError, match=f"{dependency.__name__} .*needs more than the request"):
            DirectRoute("/{name}", nothing, dependencies=[Depends(dependency)])


def test_dependencies_run_in_the_order_of_their_declaration_and_get_what_they_need() -> None:
    called: list[str] = []

    async def first(request: Request) -> None:
        called.append(f"first {request.url.path}")

    async def inner() -> str:
        called.append("inner")
        return "of the inner one"

    async def second(of_inner: Annotated[str, Depends(inner)]) -> str:
        called.append(f"second {of_inner}")
        return "of the second one"

    async def endpoint(request: Request, of_second: Annotated[str, Depends(second)]) -> Response:
        return JSONResponse([request.method, of_second])

    router = APIRouter(dependencies=[Depends(first)], route_class=DirectRoute)
    router.add_api_route("/here", endpoint, methods=["POST"])
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    with served(app, 9) as port:
        response = httpx.post(f"http://127.0.0.1:{port}/here", trust_env=False)
    assert response.json() == ["POST", "of the second one"]
    assert called == ["first /here", "inner", "second of the inner one"]
