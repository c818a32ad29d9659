"""The shipped configurations of nginx and Caddy, in the real programs, in front of the service."""

import re
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from telemetry_service.identity.scopes import Scope
from tests.support.caddy import NEEDS_CADDY, Caddy
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

    def servers(self) -> str:
        """Return what the file has."""
        text = _NGINX.read_text()
        for shipped, here in (
            ("127.0.0.1:8080", self.upstream),
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("telemetry.example;", "127.0.0.1;"),
            ("/etc/nginx/telemetry.pem", f"{self.folder}/certificate.pem"),
            ("/etc/nginx/telemetry.key", f"{self.folder}/certificate.pem"),
        ):
            assert shipped in text, shipped
            text = text.replace(shipped, here)
        return text


@contextmanager
def _nginx(folder: Path, service: Callable[[str], Running]) -> Iterator[tuple[Front, Running]]:
    nginx = ShippedNginx(folder)
    with service(nginx.url) as running:
        nginx.upstream = str(running.client.base_url).removeprefix("http://").rstrip("/")
        with nginx:
            yield Front(nginx.url, nginx.context()), running


@contextmanager
def _caddy(folder: Path, service: Callable[[str], Running]) -> Iterator[tuple[Front, Running]]:
    caddy = Caddy(folder)
    with service(caddy.url) as running:
        caddy.upstream = str(running.client.base_url).removeprefix("http://").rstrip("/")
        with caddy:
            yield Front(caddy.url, caddy.context()), running


Proxy = Callable[[Path, Callable[[str], Running]], AbstractContextManager[tuple[Front, Running]]]


@pytest.mark.parametrize(
    "proxy", [pytest.param(_nginx, marks=NEEDS_NGINX, id="nginx"), pytest.param(_caddy, marks=NEEDS_CADDY, id="Caddy")]
)
def test_people_log_in_reporters_report_and_nobody_else_reads_the_metrics(
    sqlite_url: str, tmp_path: Path, proxy: Proxy
) -> None:
    def service(public_url: str) -> Running:
        settings = {"TELEMETRY_PUBLIC_URL": public_url, "TELEMETRY_TRUSTED_PROXIES": "127.0.0.1"}
        return Running(sqlite_url, settings, proxies=("127.0.0.1",))

    with ExitStack() as open_:
        front, running = open_.enter_context(proxy(tmp_path, service))
        # Another address than the proxy's, which is trusted.
        visitor = httpx.HTTPTransport(verify=front.context, local_address="127.0.0.2", trust_env=False)
        client = open_.enter_context(httpx.Client(base_url=front.url, transport=visitor, timeout=60))
        page = client.get("/login")
        assert page.status_code == 200
        assert "max-age" in page.headers["strict-transport-security"]
        entered = client.post(
            "/login",
            data={"name": "admin", "password": PASSWORD},
            headers={"Origin": front.url, "X-Forwarded-For": "203.0.113.9"},
        )
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
        assert addresses == {"127.0.0.2"}, "what a visitor says of itself is not believed"


@NEEDS_NGINX
def test_nginx_finds_no_fault_in_its_file(tmp_path: Path) -> None:
    nginx = ShippedNginx(tmp_path)
    nginx.upstream = "127.0.0.1:1"
    path = nginx.write()
    done = subprocess.run([str(nginx_path()), "-t", "-q", "-c", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, re.findall(r"\[(?:emerg|alert|warn)\].*", done.stderr)) == (0, [])
