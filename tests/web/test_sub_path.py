"""Below a path of an origin that it shares with a console, the service names none outside of it (finding I3)."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.browser.console import PASSWORD, Console, Deployed
from tests.support.crawler import Crawler
from tests.support.databases import RunDatabases
from tests.support.each import each
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.nginx import HEADERS, NEEDS_NGINX, Nginx
from tests.support.raw_http import asking, response_to
from tests.support.running import Running
from tests.support.shared_clock import SharedClock
from tests.support.site_fixtures import clock, server

__all__ = ["clock", "server"]

PREFIX = "/telemetry"
TAB = f"{PREFIX}/settings/general/telemetry"
PROXIES = {"TELEMETRY_TRUSTED_PROXIES": "127.0.0.1"}
SAID = "proxy_set_header X-Forwarded-Prefix /telemetry;"
LOCATIONS = """
location / {{ return 404 "the console's own"; }}
location {prefix}/ {{ {headers} proxy_pass {service}{end}; }}
"""
_BESIDE = re.compile(r": (?:(?:href|src)=/telemetry/(?:static|api/v1)/|data-logout=/telemetry/logout$)")
"""What a page of a frame names outside of the frame: static files, downloads, and the logout, which a script calls."""

FEWEST = 18
"""So many paths are linked at least; a crawl that finds fewer has missed something."""


@NEEDS_NGINX
@pytest.mark.parametrize(
    ("knows", "proxy"),
    [
        pytest.param(True, ("", ""), id="public URL, kept by the proxy"),
        pytest.param(False, (SAID, "/"), id="forwarded prefix, removed by the proxy"),
    ],
)
def test_nothing_leads_outside_of_the_path(
    sqlite_url: str,
    clock: SharedClock,
    server: LicenseServer,
    tmp_path: Path,
    proxy: tuple[str, str],
    *,
    knows: bool,
) -> None:
    nginx = Nginx(tmp_path)
    public = {"TELEMETRY_PUBLIC_URL": nginx.url + PREFIX} if knows else {}
    with ExitStack() as open_:
        console = open_.enter_context(Console(sqlite_url, clock, server, Deployed(environment=PROXIES | public)))
        _live(console)
        headers, end = proxy
        locations = LOCATIONS.format(prefix=PREFIX, headers=HEADERS + headers, service=console.url, end=end)
        open_.enter_context(nginx.serving(locations))
        client = open_.enter_context(httpx.Client(base_url=nginx.url, verify=nginx.context(), trust_env=False))
        crawler = Crawler(client, PREFIX)
        _log_in(crawler)
        crawler.crawl(TAB)
        inside = Crawler(client, f"{PREFIX}/embedded")
        inside.crawl(f"{PREFIX}/embedded")
        assert {found for found in inside.outside if not _BESIDE.search(found)} == set()
        assert len(inside.visited) >= FEWEST
        crawler.send_forms()
        assert crawler.outside == set()
        assert len(crawler.visited) >= FEWEST
        assert {status for status in crawler.visited.values() if status >= 400} == set()
        # The form that was sent after the log-out is kept, too, until the settings are shown again.
        kept = {"__Secure-telemetry_device", "__Secure-telemetry_unsaved_form"}
        assert {cookie.name for cookie in client.cookies.jar} == kept
        assert client.get(f"{PREFIX}/api/v1/openapi.json").json()["servers"] == [{"url": PREFIX}]
        assert client.get(f"{PREFIX}/healthz").json()["status"] == "alive"


def _log_in(crawler: Crawler) -> None:
    crawler.visit(TAB)
    crawler.visit(f"{PREFIX}/login")
    login = {"name": "admin", "password": PASSWORD, "next": "/settings/general/telemetry"}
    response = crawler.client.post(f"{PREFIX}/login", data=login)
    crawler.note("login", response)
    assert response.headers["location"] == TAB
    cookies = {(cookie.name, cookie.path) for cookie in crawler.client.cookies.jar}
    assert cookies == {("__Secure-telemetry_session", PREFIX), ("__Secure-telemetry_device", PREFIX)}
    crawler.visited.clear()
    crawler.forms.clear()  # The login was sent just now.


def _live(console: Console) -> None:
    console.set_key()
    console.register_pairs(2)
    console.report(2)
    console.server.trouble(Trouble(before=reply(422), times=1))
    console.send()
    console.report(2)


@pytest.fixture(scope="module")
def behind(run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service behind a trusted proxy that does not know its public URL."""
    database = run_databases.sqlite(tmp_path_factory.mktemp("behind"))
    with Running(database, proxies=("127.0.0.1",)) as running:
        yield running


def test_a_proxy_may_keep_the_path_or_remove_it(sqlite_url: str) -> None:
    with Running(sqlite_url, {"TELEMETRY_PUBLIC_URL": "http://127.0.0.1/telemetry"}) as service:
        for path in ("/login", "/healthz", "/api/v1/openapi.json", "/static/tab.css", "/nothing"):
            kept, removed = (service.client.get(f"{prefix}{path}") for prefix in (PREFIX, ""))
            assert (kept.status_code, kept.headers.get("location")) == (
                removed.status_code,
                removed.headers.get("location"),
            )
            assert kept.text.split("request_id")[0] == removed.text.split("request_id")[0]
        assert service.client.get(PREFIX).headers["location"] == f"{PREFIX}/settings/general/telemetry"


@each(
    ("said", "location"),
    [
        (["/telemetry"], "/telemetry/settings/general/telemetry"),
        (["/telemetry/"], "/telemetry/settings/general/telemetry"),
        (["/console, /telemetry"], "/console/telemetry/settings/general/telemetry"),
        (["/console", "/telemetry"], "/console/telemetry/settings/general/telemetry"),
        (["/"], "/settings/general/telemetry"),
        ([""], "/settings/general/telemetry"),
        (["//evil.example"], None),
        (["/../login"], None),
        (["https://evil.example"], None),
        (["/settings"], None),
        (["/a b"], None),
    ],
)
def test_a_trusted_proxy_says_what_it_has_removed(behind: Running, said: list[str], location: str | None) -> None:
    request = asking("/", *(f"X-Forwarded-Prefix: {value}" for value in said))
    response = response_to(behind.client.base_url.port or 0, request)
    status = b"400" if location is None else b"303"
    assert response.split()[1] == status
    assert location is None or f"location: {location}\r\n".encode() in response.lower()


def test_nobody_else_says_it(shared: Running) -> None:
    response = shared.client.get("/", headers={"X-Forwarded-Prefix": "/telemetry"})
    assert response.headers["location"] == "/settings/general/telemetry"
