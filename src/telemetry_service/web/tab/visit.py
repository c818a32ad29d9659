"""A request to one of the pages: its caller, and the possible responses, for a browser and for htmx."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.phrases import iso
from telemetry_service.identity.login import Login
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.web.context import Context, WebContext
from telemetry_service.web.security.authorization import Caller, CurrentCaller, CurrentLogin
from telemetry_service.web.security.csrf import SAFE_METHODS
from telemetry_service.web.tab.history_query import HistoryQuery, history_query_in
from telemetry_service.web.tab.rendering import Pages, is_htmx, pages_of

_ALONE = "telemetry/alone.html"


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of someone who is logged in."""

    request: Request
    context: WebContext
    login: Login
    caller: Caller

    @property
    def actor(self) -> Actor:
        """The person."""
        return self.caller.actor

    @property
    def runtime(self) -> Runtime:
        """The runtime."""
        return self.context.runtime

    @property
    def pages(self) -> Pages:
        """The templates."""
        return pages_of(self.request)

    @property
    def htmx(self) -> bool:
        """Whether the request comes from htmx, which expects fragments."""
        return is_htmx(self.request)

    @property
    def from_overview(self) -> bool:
        """Whether htmx requests from the overview, be it with a dialog or a drawer open."""
        return "x-history-query" in self.request.headers

    @property
    def query_behind(self) -> HistoryQuery:
        """The part of the history on the page that htmx requests from."""
        return history_query_in(self.request.headers.get("x-history-query", ""))

    @property
    def followed(self) -> UUID | None:
        """The transmission in an open drawer, if it can still change."""
        try:
            return UUID(self.request.headers.get("x-transmission", ""))
        except ValueError:
            return None

    def page(self, template: str, shown: Mapping[str, Any], status: int = HTTPStatus.OK) -> Response:
        """Respond with a whole page."""
        return self.pages.page(self.request, template, self.with_token(shown), status)

    def fragments(self, main: str | None, shown: Mapping[str, Any], *beside: str) -> Response:
        """Respond to htmx with one fragment for the request's target, and with others that are swapped out of band."""
        return self.pages.fragments(self.request, main, beside, self.with_token(shown))

    def live(self, shown: Mapping[str, Any], *parts: str) -> Response:
        """Respond with parts of a page that is open, and with the moment at which they are right."""
        response = self.fragments(None, shown, *parts)
        response.headers["X-Now"] = iso(shown["now"])
        return response

    def dialog(self, dialog: str, shown: Mapping[str, Any], status: int = HTTPStatus.OK) -> Response:
        """Respond with a dialog: as a separate page, or for htmx over the page, whatever the target of a form was."""
        if not self.htmx:
            return self.page(_ALONE, {**shown, "dialog": dialog}, status)
        response = self.fragments(dialog, shown)
        if self.request.method not in SAFE_METHODS:
            response.headers["HX-Retarget"] = "#dialog-place"
            response.headers["HX-Reswap"] = "innerHTML"
        return response

    def with_token(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables with those that every page and form needs: the CSRF token, and who is logged in."""
        may_change = self.caller.may_change
        return {**shown, "csrf_token": self.login.csrf_token, "login": self.login, "may_change": may_change}


async def visit_of(request: Request, context: Context, caller: CurrentCaller, login: CurrentLogin) -> Visit:
    """Return the request as a visit."""
    return Visit(request, context, login, caller)


CurrentVisit = Annotated[Visit, Depends(visit_of)]
