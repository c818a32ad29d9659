"""The shipped configurations of nginx and Caddy, in the real programs, in front of the service."""

import re
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from telemetry_service.identity.scopes import Scope
from telemetry_service.identity.throttle import FREE_FAILURES
from tests.support.caddy import NEEDS_CADDY, Caddy
from tests.support.databases import RunDatabases
from tests.support.nginx import NEEDS_NGINX, Nginx, nginx_path
from tests.support.running import PASSWORD, Running
from tests.web.api.test_facts import report

_NGINX = Path(__file__).parents[2] / "deploy" / "nginx.conf"


class Front(NamedTuple):
    """A proxy in front of a service."""

    url: str
    context: ssl.SSLContext


class ShippedNginx(Nginx):
    """nginx with the shipped file, on a free port and with the test's certificate."""

    upstream = ""
    path = ""

    def servers(self) -> str:
        """Return what the file has."""
        text = _NGINX.read_text()
        for shipped, here in (
            ("127.0.0.1:8080", self.upstream),
            ("location / {", f"location {self.path}/ {{"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("telemetry.example;", "127.0.0.1;"),
            ("/etc/nginx/telemetry.pem", f"{self.folder}/certificate.pem"),
            ("/etc/nginx/telemetry.key", f"{self.folder}/certificate.pem"),
        ):
            assert shipped in text, shipped
            text = text.replace(shipped, here)
        return text


@contextmanager
def _nginx(folder: Path, service: Callable[[str], Running], path: str = "") -> Iterator[tuple[Front, Running]]:
    nginx = ShippedNginx(folder)
    nginx.path = path
    with service(nginx.url + path) as running:
        nginx.upstream = str(running.client.base_url).removeprefix("http://").rstrip("/")
        with nginx:
            yield Front(nginx.url, nginx.context()), running


@contextmanager
def _caddy(folder: Path, service: Callable[[str], Running], path: str = "") -> Iterator[tuple[Front, Running]]:
    caddy = Caddy(folder)
    caddy.path = path
    with service(caddy.url + path) as running:
        caddy.upstream = str(running.client.base_url).removeprefix("http://").rstrip("/")
        with caddy:
            yield Front(caddy.url, caddy.context()), running


_BEHIND = [pytest.param(_nginx, marks=NEEDS_NGINX, id="nginx"), pytest.param(_caddy, marks=NEEDS_CADDY, id="Caddy")]


class Deployed(NamedTuple):
    """A service behind a proxy with its shipped file."""

    front: Front
    running: Running

    def visitor(self, address: str) -> httpx.Client:
        """Return a browser with an address."""
        transport = httpx.HTTPTransport(verify=self.front.context, local_address=address, trust_env=False)
        return httpx.Client(base_url=self.front.url, transport=transport, timeout=60)

    def log_in(self, client: httpx.Client, password: str, said: str = "203.0.113.9") -> httpx.Response:
        """Send the form, with an address that the browser made up."""
        form = {"name": "admin", "password": password}
        return client.post("/login", data=form, headers={"Origin": self.front.url, "X-Forwarded-For": said})


@pytest.fixture(scope="module", params=_BEHIND)
def deployed(
    request: pytest.FixtureRequest, run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """Trust as with a network of people among the proxies: the visitors' own addresses are in it."""
    database = run_databases.sqlite(tmp_path_factory.mktemp("deployed"))

    def service(public_url: str) -> Running:
        settings = {"TELEMETRY_PUBLIC_URL": public_url, "TELEMETRY_TRUSTED_PROXIES": "127.0.0.0/8"}
        return Running(database, settings, proxies=("127.0.0.0/8",))

    with request.param(tmp_path_factory.mktemp("front"), service) as (front, running):
        yield Deployed(front, running)


def test_people_log_in_reporters_report_and_nobody_else_reads_the_metrics(deployed: Deployed) -> None:
    running = deployed.running
    with deployed.visitor("127.0.0.2") as client:
        page = client.get("/login")
        assert page.status_code == 200
        assert "max-age" in page.headers["strict-transport-security"]
        entered = deployed.log_in(client, PASSWORD)
        assert entered.status_code == 303, entered.text
        assert any(name.startswith("__Host-") for name in client.cookies)
        assert client.get("/settings/general/telemetry").status_code == 200

        reports = {"reports": [report() for _ in range(10_000)]}
        bearer = {"Authorization": f"Bearer {running.tokens[Scope.REPORT]}"}
        recorded = client.post("/api/v1/usage", json=reports, headers=bearer)
        assert (recorded.status_code, len(recorded.request.content) > 1_500_000) == (200, True)

        scraper = {"Authorization": f"Bearer {running.tokens[Scope.METRICS]}"}
        assert client.get("/metrics", headers=scraper).status_code == 404
        with running.context.runtime.database.read() as tx:
            addresses = {session.address for session in tx.identity.all_sessions()}
        assert "127.0.0.2" in addresses
        assert "203.0.113.9" not in addresses, "what a visitor says of itself is not believed"


def test_a1_a_stranger_in_the_customers_network_cannot_choose_the_address_that_guesses_are_counted_for(
    deployed: Deployed,
) -> None:
    with deployed.visitor("127.0.0.50") as stranger:
        made_up = [deployed.log_in(stranger, "guess", f"203.0.113.{number}").status_code for number in range(8)]
        assert made_up == [401] * FREE_FAILURES + [429] * 3
        framed = [deployed.log_in(stranger, "guess", "127.0.0.7").status_code for _ in range(6)]
        assert framed == [429] * 6
    with deployed.visitor("127.0.0.7") as administrator:
        assert deployed.log_in(administrator, PASSWORD).status_code == 303


@pytest.mark.parametrize("proxy", _BEHIND)
def test_below_a_path_of_its_own_people_find_the_tab_and_nobody_the_metrics(
    sqlite_url: str, tmp_path: Path, proxy: Callable[..., AbstractContextManager[tuple[Front, Running]]]
) -> None:
    """The one line is changed that the comment in the file names."""

    def service(public_url: str) -> Running:
        return Running(sqlite_url, {"TELEMETRY_PUBLIC_URL": public_url, "TELEMETRY_TRUSTED_PROXIES": "127.0.0.1"})

    with proxy(tmp_path, service, "/telemetry") as (front, running):
        with Deployed(front, running).visitor("127.0.0.1") as client:
            form = {"name": "admin", "password": PASSWORD}
            assert client.post("/telemetry/login", data=form, headers={"Origin": front.url}).status_code == 303
            assert any(name.startswith("__Secure-") for name in client.cookies)
            assert client.get("/telemetry/settings/general/telemetry").status_code == 200
            scraper = {"Authorization": f"Bearer {running.tokens[Scope.METRICS]}"}
            assert client.get("/telemetry/metrics", headers=scraper).status_code == 404
        assert running.call(Scope.METRICS, "GET", "/metrics").status_code == 200


@NEEDS_NGINX
def test_nginx_finds_no_fault_in_its_file(tmp_path: Path) -> None:
    nginx = ShippedNginx(tmp_path)
    nginx.upstream = "127.0.0.1:1"
    path = nginx.write()
    done = subprocess.run([str(nginx_path()), "-t", "-q", "-c", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, re.findall(r"\[(?:emerg|alert|warn)\].*", done.stderr)) == (0, [])
