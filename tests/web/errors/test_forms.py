"""One error, one problem: a document for an API caller, a page for a browser, a toast for htmx."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.middleware import Middleware

from telemetry_service.web.errors.handler import ErrorHandler, ErrorMiddleware
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.error_pages import TabErrorPages
from tests.support.running import Running, code_in

HTMX = {"HX-Request": "true"}
SECRET = "ck_live_canary_4711"
TOO_LARGE = b"x" * 70_000


def is_page(response: httpx.Response, title: str, code: str) -> bool:
    """Whether a response is a whole page that names a code."""
    words = ("<html", f"<h1>{title}</h1>", f"<code>{code}</code>")
    return response.headers["content-type"].startswith("text/html") and all(word in response.text for word in words)


def is_toast(response: httpx.Response, sentence: str) -> bool:
    """Whether a response leaves the page as it is and says what is wrong."""
    leaves_page = response.headers.get("HX-Reswap") == "none" and "<html" not in response.text
    return response.status_code == 200 and leaves_page and sentence in response.text


def test_a_wrong_method_is_said_in_the_form_of_the_caller(shared: Running) -> None:
    document = shared.client.delete("/api/v1/telemetry/config")
    page = shared.client.patch(paths.TAB)
    toast = shared.client.patch(paths.TAB, headers=HTMX)
    assert (document.status_code, code_in(document)) == (405, "method-not-allowed")
    assert page.status_code == 405
    assert page.headers["allow"] == "GET, HEAD"
    assert is_page(page, "Can’t do that", "method-not-allowed")
    assert is_toast(toast, "Allow")


def test_a_body_that_is_too_large_is_said_in_the_form_of_the_caller(shared: Running) -> None:
    document = shared.client.post("/api/v1/license", content=TOO_LARGE)
    page = shared.client.post(paths.SAVE, content=TOO_LARGE)
    toast = shared.client.post(paths.SAVE, content=TOO_LARGE, headers=HTMX)
    assert (document.status_code, code_in(document)) == (413, "body-too-large")
    assert page.status_code == 413
    assert is_page(page, "Can’t do that", "body-too-large")
    assert is_toast(toast, "too large")


def test_an_ambiguous_request_ends_the_connection_in_each_form(shared: Running) -> None:
    for path in ("/api/v1/license", paths.TAB):
        response = shared.client.get(path, headers=[("Origin", "https://one.example"), ("Origin", "null")])
        assert (response.status_code, response.headers["connection"]) == (400, "close")


@pytest.mark.parametrize("path", ["/login?ended=perhaps", f"{paths.HISTORY}/no-id"])
def test_the_address_of_a_page_that_cannot_be_read_leads_nowhere(shared: Running, path: str) -> None:
    cookies, _ = shared.log_in()
    response = shared.client.get(path, headers={"Cookie": f"telemetry_session={cookies['telemetry_session']}"})
    assert response.status_code == 404
    assert is_page(response, "Not found", "not-found")


def _failing(pages: object) -> httpx.AsyncClient:
    """Return a client of an application whose only page fails in a way that nobody expected."""
    handler = ErrorHandler(TabErrorPages())
    around = [Middleware(ErrorMiddleware, handler=handler)]
    app = FastAPI(openapi_url=None, middleware=around, exception_handlers=handler.by_kind())
    app.state.pages = pages

    @app.get(paths.TAB)
    async def fail() -> None:
        raise RuntimeError(SECRET)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_an_unexpected_error_of_a_page_is_a_page_and_a_toast(shared: Running) -> None:
    async with _failing(shared.app.state.pages) as client:
        page, toast = await client.get(paths.TAB), await client.get(paths.TAB, headers=HTMX)
    assert page.status_code == 500
    assert is_page(page, "Something went wrong", "internal")
    assert is_toast(toast, "internal error")
    assert SECRET not in page.text + toast.text


@pytest.mark.anyio
async def test_a_page_that_cannot_even_show_its_error_is_a_document() -> None:
    async with _failing(None) as client:
        response = await client.get(paths.TAB)
    assert (response.status_code, code_in(response)) == (500, "internal")
