"""Renders templates: whole pages for a browser, and for htmx the same fragments that the pages include."""

import gzip
import json
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Self

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from telemetry_service.domain.causes import EXPLANATIONS
from telemetry_service.domain.configuration import API_KEY_LONGEST, API_KEY_SHORTEST, Deployment
from telemetry_service.domain.consequences import MOST_COUNTED
from telemetry_service.domain.locks import VARIABLES
from telemetry_service.domain.obstacles import LOCKED_OFF
from telemetry_service.resources import templates_folder
from telemetry_service.web.http.place import Place, place_of
from telemetry_service.web.tab import filters, labels, paths
from telemetry_service.web.tab.appearance import theme_of
from telemetry_service.web.tab.assets import assets
from telemetry_service.web.tab.paths import Links
from telemetry_service.web.tab.sections import payload
from telemetry_service.web.tab.sections.activity import details, few, first_people, headline, summary
from telemetry_service.web.tab.sections.chart import chart
from telemetry_service.web.tab.sections.next_step import checklist, controls
from telemetry_service.web.tab.sections.settings import next_dates

HTMX_CONFIGURATION = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "selfRequestsOnly": True,
    # Pages contain what only the administrator may see, so the browser must not cache them.
    "historyEnabled": False,
    "historyCacheSize": 0,
    "defaultFocusScroll": False,
    "defaultSettleDelay": 0,
    "scrollBehavior": "auto",
    "timeout": 60_000,
}
_WORTH_COMPRESSING = 1_024
_COMPRESSION = 3
"""An eighth more bytes than by the usual 6, in less than half the time."""
_ABSENT: dict[str, Any] = {
    "begun": None,
    "check": None,
    "dialog": None,
    "drawer": None,
    "entering": False,
    "focus_key": False,
    "key_removed": False,
    "key_saved": False,
    "live_at": None,
    "login": None,
    "may_change": False,
    "oob": False,
    "part_of": None,
    "plain": False,
    "refusal": None,
    "reveal_wrong": None,
    "revealed_key": None,
    "sheet": False,
    "stays": False,
    "streamed": False,
    "toast": None,
    "unsaved_key": False,
}
"""Variables that a template may use but most pages do not set."""
_CONSTANTS: dict[str, Any] = {
    "ACTOR": labels.ACTOR,
    "CODE_NOTE": labels.CODE_NOTE,
    "ENTRY": labels.ENTRY,
    "ENTRY_GROUPS": labels.ENTRY_GROUPS,
    "EXPLANATIONS": EXPLANATIONS,
    "FREQUENCY": labels.FREQUENCY,
    "LOCKED_OFF": LOCKED_OFF,
    "VARIABLES": VARIABLES,
    "MOST_COUNTED": MOST_COUNTED,
    "NOBODY": labels.NOBODY,
    "RETENTION": labels.RETENTION,
    "SETTING": labels.SETTING,
    "STEP": labels.STEP,
    "TRIGGER": labels.TRIGGER,
}


class Pages:
    """The templates and their common variables."""

    def __init__(self, deployment: Deployment, place: Place | None = None) -> None:
        """Render for ``deployment``, with links for browsers that see the service at ``place``."""
        self.assets = assets()
        self._deployment = deployment
        self._place = place or Place()

    def at(self, place: Place) -> Self:
        """Return the same pages for another place."""
        return type(self)(self._deployment, place)

    def asset(self, name: str) -> str:
        """Return the address of a static file."""
        return self._place.address(self.assets.url(name))

    def text(self, template: str, context: Mapping[str, Any]) -> str:
        """Return a rendered template."""
        links = Links(self._place)
        return (
            _environment()
            .get_template(template)
            .render(context, deployment=self._deployment, paths=links, asset=self.asset, place=self._place)
        )

    def page(
        self, request: Request, template: str, context: Mapping[str, Any], status: int = HTTPStatus.OK
    ) -> Response:
        """Respond with a whole page."""
        full = {"theme": theme_of(request), "here": _here(request), "whole": True, **context}
        return compressed(request, self.text(template, full), status)

    def fragments(
        self, request: Request, main: str | None, beside: Sequence[str], context: Mapping[str, Any]
    ) -> Response:
        """Respond to htmx with one fragment for the request's target, and with others that are swapped out of band."""
        return compressed(request, self.parts(main, beside, context), HTTPStatus.OK)

    def parts(self, main: str | None, beside: Sequence[str], context: Mapping[str, Any]) -> str:
        """Return the fragments of such a response."""
        full = {**context, "whole": False}
        parts = [self.text(main, {**full, "oob": False})] if main else []
        parts += [self.text(name, {**full, "oob": True}) for name in beside]
        return "\n".join(parts)


@cache
def _environment() -> Environment:
    """Return the templates. Each is read and compiled once in a process, when it is first used."""
    environment = Environment(
        loader=FileSystemLoader(templates_folder()),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= filters.FILTERS | labels.FILTERS | payload.FILTERS
    environment.filters |= {"chart": chart, "next_dates": next_dates}
    environment.filters |= {"details": details, "few": few, "headline": headline, "summary": summary}
    environment.filters["first_people"] = first_people
    environment.filters |= {"checklist": checklist, "controls": controls}
    environment.globals |= _ABSENT | _CONSTANTS
    environment.globals.update(
        api_key_shortest=API_KEY_SHORTEST,
        api_key_longest=API_KEY_LONGEST,
        htmx_config=json.dumps(HTMX_CONFIGURATION),
    )
    return environment


def pages_of(request: Request) -> Pages:
    """Return the application's pages, for where the browser sees the service."""
    pages: Pages = request.app.state.pages
    return pages.at(place_of(request))


def is_htmx(request: Request) -> bool:
    """Whether the request comes from htmx, which expects fragments."""
    return request.headers.get("hx-request") == "true"


def see_other(address: str) -> Response:
    """Redirect the browser after a form, or to the address of a page."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def compressed(request: Request, html: str, status: int) -> Response:
    """Respond with HTML, compressed if the browser accepts that.

    The pages repeat nothing that another site could choose (the filters are values of closed sets, a wrong form does
    not repeat the key), so the length of a response reveals nothing about its CSRF token.
    """
    body = html.encode()
    response = HTMLResponse(body, status)
    response.headers["Vary"] = "Accept-Encoding, Cookie, HX-Request"
    if len(body) >= _WORTH_COMPRESSING and "gzip" in request.headers.get("accept-encoding", ""):
        response = HTMLResponse(gzip.compress(body, _COMPRESSION, mtime=0), status, dict(response.headers.items()))
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


def _here(request: Request) -> str:
    """Return the address of the page without its query: a page contains nothing that another site chose."""
    return request.url.path if request.method == "GET" else paths.TAB
