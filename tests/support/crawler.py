"""Follows every link of the pages, sends every form, and notes each address that is not below a prefix."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx

_FOLLOWED = frozenset({"href", "src", "hx-get"})
_HTML = "text/html"


@dataclass
class Form:
    """A form with the values that it has."""

    method: str
    action: str
    values: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """The addresses and forms of a page: any attribute that begins with a slash, except what a form sends back."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        values = {name: value or "" for name, value in attrs}
        self.addresses += [(name, value) for name, value in values.items() if value[:1] == "/" and name != "value"]
        if tag == "form":
            self.forms.append(Form(values.get("method", "get").lower(), values.get("action", "")))
        elif self.forms and values.get("name") and tag in {"input", "button", "select"}:
            self.forms[-1].values.setdefault(values["name"], values.get("value", ""))


@dataclass
class Crawler:
    """Crawls below ``prefix`` with a client that keeps cookies."""

    client: httpx.Client
    prefix: str
    outside: set[str] = field(default_factory=set)
    visited: dict[str, int] = field(default_factory=dict)
    """The status of each path that was visited."""
    forms: dict[str, Form] = field(default_factory=dict)

    def crawl(self, start: str) -> None:
        """Visit everything that is linked from ``start``."""
        waiting = [start]
        while waiting:
            address = waiting.pop()
            if urlsplit(address).path not in self.visited:
                waiting += self.visit(address)

    def visit(self, address: str) -> list[str]:
        """Visit one address, as a browser and as htmx, and return the addresses to follow."""
        found: list[str] = []
        for headers in ({}, {"HX-Request": "true"}):
            response = self.client.get(address, headers=headers)
            self.visited[urlsplit(address).path] = response.status_code
            found += self.note(address, response)
        return found

    def send_forms(self) -> None:
        """Send every form that was found; the one that logs out comes last."""
        for form in sorted(self.forms.values(), key=lambda form: form.action.endswith("/logout")):
            for headers in ({}, {"HX-Request": "true"}):
                self.note(form.action, self.client.post(form.action, data=form.values, headers=headers))

    def note(self, address: str, response: httpx.Response) -> list[str]:
        """Note what a response names, and return the addresses to follow."""
        for name in ("location", "hx-redirect"):
            if name in response.headers:
                self._check(address, name, response.headers[name])
        for cookie in response.headers.get_list("set-cookie"):
            path = next((part[5:] for part in cookie.split("; ") if part.startswith("Path=")), "")
            self._check(address, "set-cookie", f"{path}/")
        if not response.headers.get("content-type", "").startswith(_HTML):
            return []
        page = Page(response.text)
        for name, value in page.addresses:
            self._check(address, name, value)
        self.forms |= {form.action: form for form in page.forms if form.method == "post"}
        return [value for name, value in page.addresses if name in _FOLLOWED]

    def _check(self, page: str, name: str, address: str) -> None:
        rest = address.removeprefix(self.prefix)
        if rest == address or rest[:1] not in {"", "/", "?", "#"}:
            self.outside.add(f"{page}: {name}={address}")
