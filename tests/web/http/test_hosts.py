"""A website that lets its own name point to the service (DNS rebinding) finds nothing."""

from collections.abc import Iterator

import pytest

from telemetry_service.domain.public_url import public_url_of
from telemetry_service.identity.scopes import Scope
from telemetry_service.web.http.hosts import Trust, trust_in
from tests.support.databases import RunDatabases
from tests.support.each import each
from tests.support.running import PASSWORD, Running, code_in

EVIL = "rebind.evil.example"
PUBLIC = "console.example"
LOGIN = {"name": "admin", "password": PASSWORD}
PAGES = ("/", "/login", "/logout", "/settings/general/telemetry", "/static/tab.css", "/embedded")
OPEN = ("/healthz", "/readyz", "/api/v1/openapi.json")

PRIVATE = (
    "127.0.0.1:8080",
    "10.1.2.3",
    "[::1]:8080",
    "[fe80::1%25eth0]:8080",
    "localhost",
    "Localhost:8080",
    "telemetry.localhost",
    "telemetry",
    "telemetry.default.svc",
    "telemetry.default.svc.cluster.local",
    "host.docker.internal",
    "nas.home.arpa",
    "",
    None,
)
ANYONES = (
    EVIL,
    f"{EVIL}:8080",
    f"{EVIL}.",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "1.2.3.4.nip.io",
    "a.b",
)


@pytest.fixture(scope="module")
def public(run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that knows its public URL."""
    database = run_databases.sqlite(tmp_path_factory.mktemp("public"))
    with Running(database, {"TELEMETRY_PUBLIC_URL": f"https://{PUBLIC}"}) as running:
        yield running


@each("host", PRIVATE)
def test_a_name_that_no_website_can_own_reaches_everything_until_the_public_url_is_known(host: str | None) -> None:
    assert trust_in(host, "http", None) is Trust.EVERYTHING
    assert trust_in(host, "http", public_url_of(f"https://{PUBLIC}")) is Trust.SERVICES


@each("host", ANYONES)
def test_a_name_that_a_website_can_own_reaches_nothing_without_tls(host: str) -> None:
    assert trust_in(host, "http", None) is Trust.TOKENS
    # Over TLS, the browser has seen a certificate for this name.
    assert trust_in(host, "https", None) is Trust.EVERYTHING
    assert trust_in(host, "https", public_url_of(f"https://{PUBLIC}")) is Trust.TOKENS


@each("host", [PUBLIC, f"{PUBLIC}:8443", "CONSOLE.example", f"{PUBLIC}."])
def test_the_public_host_reaches_everything(host: str) -> None:
    assert trust_in(host, "http", public_url_of(f"https://{PUBLIC}")) is Trust.EVERYTHING


def test_a_rebound_name_finds_nothing(shared: Running, public: Running) -> None:
    for service in (shared, public):
        for headers in ({"Host": EVIL}, {"Host": EVIL, "Origin": f"http://{EVIL}", "Sec-Fetch-Site": "same-origin"}):
            statuses = {path: service.call(None, "GET", path, headers=headers).status_code for path in (*PAGES, *OPEN)}
            assert statuses == dict.fromkeys(statuses, 421)
            login = service.client.post("/login", data=LOGIN, headers=headers)
            assert (login.status_code, "set-cookie" in login.headers) == (421, False)


def test_a_website_does_not_get_a_certificate_by_saying_so_to_the_proxy(sqlite_url: str) -> None:
    """A proxy without TLS passes on what a page says. What only a browser can say, a page cannot."""
    said = {"https, http": 421, "http": 421, "https": 200, "http, https": 200}
    with Running(sqlite_url, proxies=("127.0.0.1",)) as service:
        for value, status in said.items():
            forged = {"Host": EVIL, "X-Forwarded-Proto": value}
            statuses = {path: service.call(None, "GET", path, headers=forged).status_code for path in (*PAGES, *OPEN)}
            assert statuses == dict.fromkeys(statuses, 421), value
            assert service.client.post("/login", data=LOGIN, headers=forged).status_code == 421
            for site in ("none", "same-origin", "cross-site"):
                confirmed = forged | {"Sec-Fetch-Site": site}
                assert service.client.get("/login", headers=confirmed).status_code == status, (value, site)


def test_a_password_for_the_proxy_is_no_token_that_vouches_for_the_caller(shared: Running) -> None:
    cookies, _proof = shared.log_in()
    cookie = f"telemetry_session={cookies['telemetry_session']}"
    headers = {"Host": EVIL, "Authorization": "Basic YWRtaW46YWRtaW4=", "Cookie": cookie}
    for path in ("/api/v1/license", "/metrics", "/login", "/settings/general/telemetry"):
        assert shared.client.get(path, headers=headers).status_code == 421


def test_a_made_up_token_opens_nothing_under_a_rebound_name(shared: Running) -> None:
    headers = {"Host": EVIL, "Authorization": "Bearer made-up"}
    for path in (*OPEN, "/login", "/settings/general/telemetry", "/static/tab.css", "/metrics", "/api/v1/license"):
        assert shared.client.get(path, headers=headers).status_code == 421
    assert code_in(shared.client.get("/api/v1/license", headers=headers)) == "host-refused"
    assert shared.client.post("/login", data=LOGIN, headers=headers).status_code == 421


def test_a_reporter_with_its_token_may_call_the_service_by_any_name(shared: Running, public: Running) -> None:
    for service in (shared, public):
        for host in (EVIL, "telemetry", "10.1.2.3"):
            assert service.call(Scope.READ, "GET", "license", headers={"Host": host}).status_code == 200


def test_probes_reach_a_service_with_a_public_url_by_address(public: Running) -> None:
    for path in OPEN:
        assert public.client.get(path).status_code in {200, 503}
    for path in PAGES:
        assert public.client.get(path).status_code == 421


def test_a_page_at_another_name_says_what_to_do(public: Running) -> None:
    response = public.client.get("/login")
    assert "TELEMETRY_PUBLIC_URL" in response.text
    assert "proxy_set_header Host" in response.text
    assert PUBLIC not in response.text
