"""The tab in the page of a console, behind a real nginx, beside what knows nothing of it (findings I2, I3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame, Page, expect

from telemetry_service.domain.clock import SystemClock
from tests.browser.console import PASSWORD, Console, Deployed
from tests.browser.hostile import STYLESHEETS, build, our_ids, snippets
from tests.browser.test_accessibility import RULES
from tests.browser.test_history import failed_and_sent
from tests.browser.visitor import WIDE, ZONE, Faults, until
from tests.support.issuer import GatewayOfTest
from tests.support.license_server import LicenseServer
from tests.support.nginx import NEEDS_NGINX, Nginx
from tests.support.programs import needs
from tests.support.provider import NEEDS_PROVIDER, OpenIdProviderProcess
from tests.support.shared_clock import SharedClock

pytestmark = [
    NEEDS_NGINX,
    needs(
        all(path.exists() for path in STYLESHEETS.values()),
        "the CSS frameworks are not installed (make test installs them if there is Node)",
    ),
]

NAME, OTHER = "telemetry.localhost", "console.telemetry.localhost"
"""The name of the origin that both share, and that of another origin of the same site."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " frame-src 'self'; form-action 'self'"
)
_CONSOLE = """
add_header Content-Security-Policy "{policy}";
location / {{ root {folder}; }}
location /other.html {{ add_header X-Policy none; root {folder}; }}
location /saved {{ return 200 "saved"; }}
location /found {{ return 200 "found"; }}
location /broken {{ return 500; }}
{telemetry}
"""
_RECTANGLES = """() => Object.fromEntries([...document.querySelectorAll('[id]')].map((it) => {
  const { x, y, width, height } = it.getBoundingClientRect();
  return [it.id, [x, y, width, height, getComputedStyle(it).font, getComputedStyle(it).letterSpacing].join(' ')];
}))"""


@dataclass
class Host:
    """A console's page with the tab in it."""

    url: str
    console: Console
    page: Page
    faults: Faults

    def open(self, fragment: str = "") -> Frame:
        """Open the page, and return the frame of the tab when it is there."""
        self.page.goto(f"{self.url}/{fragment}")
        return self.frame()

    def frame(self) -> Frame:
        """Return the frame of the tab when it is there."""
        expect(self.page.locator("#shown")).not_to_be_empty()
        [frame] = self.page.main_frame.child_frames
        return frame

    def log_in(self) -> None:
        """Give the browser a session."""
        value = self.console.session_cookie()
        cookie = {"name": "__Secure-telemetry_session", "value": value, "domain": NAME, "path": "/telemetry"}
        self.page.context.add_cookies([cookie | {"secure": True}])  # type: ignore[list-item]

    @property
    def fragment(self) -> str:
        """The fragment of the address of the page."""
        return self.page.url.partition("#")[2]


@contextmanager
def _visit(
    browser: Browser, url: str, console: Console, *, javascript: bool = True, logged_in: bool = True
) -> Iterator[Host]:
    context = browser.new_context(
        viewport=WIDE,
        timezone_id=ZONE,
        ignore_https_errors=True,
        reduced_motion="reduce",
        java_script_enabled=javascript,
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    faults = Faults()
    page.on("console", faults.note_console)
    page.on("pageerror", faults.note_error)
    host = Host(url, console, page, faults)
    if logged_in:
        host.log_in()
    try:
        yield host
    finally:
        context.close()
    assert faults.unexpected() == []


@contextmanager
def _behind_nginx(console: Console, nginx: Nginx, telemetry: str) -> Iterator[tuple[str, Console]]:
    """Serve the console's own pages, and the service as the documentation says."""
    url = f"https://{NAME}:{nginx.port}"
    folder = nginx.folder / "console"
    folder.mkdir()
    build(folder, url)
    with console:
        locations = telemetry.replace("http://127.0.0.1:8080", console.url)
        console.set_key()
        console.register_pairs(3)
        console.report(3)
        with nginx.serving(_CONSOLE.format(policy=_POLICY, folder=folder, telemetry=locations)):
            yield url, console


def _deployed(nginx: Nginx, **more: str) -> Deployed:
    return Deployed(
        environment={
            "TELEMETRY_PUBLIC_URL": f"https://{NAME}:{nginx.port}/telemetry",
            "TELEMETRY_TRUSTED_PROXIES": "127.0.0.1",
            "TELEMETRY_FRAME_ANCESTORS": f"https://{OTHER}:{nginx.port}",
            **more,
        }
    )


@pytest.fixture
def behind_nginx(
    sqlite_url: str, clock: SharedClock, server: LicenseServer, tmp_path: Path
) -> Iterator[tuple[str, Console]]:
    """The console's origin, and the service below ``/telemetry`` of it, with its own login."""
    nginx = Nginx(tmp_path)
    console = Console(sqlite_url, clock, server, _deployed(nginx))
    with _behind_nginx(console, nginx, snippets("nginx")[0]) as running:
        yield running


@contextmanager
def _identity(gateway: GatewayOfTest, clock: SharedClock, names: Event) -> Iterator[str]:
    """Respond as a console does that is asked who is logged in: with a token as long as ``names`` is set."""

    class Identity(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if names.is_set():
                self.send_header("X-Control-Core-Identity", gateway.token(clock.now()))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Identity) as responding:
        Thread(target=responding.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{responding.server_port}"
        responding.shutdown()


@pytest.fixture
def host(browser: Browser, behind_nginx: tuple[str, Console]) -> Iterator[Host]:
    """The page in a browser with a session."""
    with _visit(browser, *behind_nginx) as host:
        yield host


def test_a_hostile_console_and_the_tab_leave_each_other_alone(host: Host) -> None:
    failed_and_sent(host.console)
    frame = host.open()
    page = host.page
    page.evaluate("document.getElementById('host-modal').close()")
    _expect_own_look(host, frame)
    assert Axe().run(frame, options=RULES).response["violations"] == []
    page.evaluate("delete document.body.dataset.closed; document.getElementById('host-modal').showModal()")
    frame.evaluate("document.querySelector('#history tbody th a').click()")
    expect(frame.locator("#drawer")).to_be_visible()
    assert page.evaluate("[document.body.dataset.closed ?? 'open', document.getElementById('host-modal').open]") == [
        "open",
        True,
    ]
    page.evaluate("document.getElementById('host-modal').close()")
    frame.locator("#drawer-close").click()
    expect(frame.locator("#drawer")).to_have_count(0)
    with page.expect_download() as saved:
        frame.get_by_role("link", name="CSV").click()
    assert saved.value.suggested_filename.endswith(".csv")
    _expect_working_host(host, frame)


def _expect_own_look(host: Host, frame: Frame) -> None:
    """Expect each element where it is in a page of its own of the same size, in the same type."""
    inside = frame.evaluate(_RECTANGLES)
    width, height = frame.evaluate("[innerWidth, innerHeight]")
    pane = host.page.locator(".telemetry-pane").bounding_box()
    assert pane is not None
    assert pane["width"] > 1000
    alone = host.page.context.new_page()
    alone.set_viewport_size({"width": width, "height": height})
    alone.goto(f"{host.url}/telemetry/embedded")
    assert alone.evaluate(_RECTANGLES) == inside
    alone.close()


def _expect_working_host(host: Host, frame: Frame) -> None:
    page = host.page
    page.locator("#host-busy").click()
    page.locator("#host-dismiss").click()
    page.locator("#host-get").click()
    expect(page.locator("#host-found")).to_have_text("found")
    host.faults.expected_statuses.add(500)
    page.locator("#host-broken").click()
    page.wait_for_timeout(300)
    said = [text for text in host.faults.found if "Response Status Error Code 500" in text]
    assert len(said) == 1  # By the console's own htmx.
    host.faults.found.remove(said[0])
    expect(frame.locator("#toasts")).to_be_empty()
    state = page.evaluate("({ ...document.body.dataset })")
    assert (state["busy"], state["dismissed"]) == ("yes", "yes")
    assert "X-History-Query" not in state["headers"]
    theirs = page.locator(".theirs").all_inner_texts()
    assert [text.lower() for text in theirs] == [f"{name} of the console" for name in our_ids()]
    page.locator("#host-save").click()  # The console's own validation stops this one.
    page.locator("#host-save").click()
    page.wait_for_url("**/saved?name=filled+in")


def test_an_open_transmission_has_an_address_in_the_console(host: Host) -> None:
    failed_and_sent(host.console)
    frame = host.open()
    host.page.evaluate("document.getElementById('host-modal').close()")
    frame.locator("#history tbody th a").first.click()
    expect(frame.locator("#drawer")).to_be_visible()
    until(host.page, "location.hash.startsWith('#telemetry/history/')")
    address = host.fragment
    host.page.reload()
    frame = host.frame()
    host.page.evaluate("document.getElementById('host-modal').close()")
    host.page.locator("control-core-telemetry").evaluate(
        "it => it.scrollIntoView()"
    )  # The drawer does not scroll with it.
    expect(frame.locator("#drawer")).to_be_visible()
    frame.locator("#drawer-close").click()
    until(host.page, "location.hash === ''")
    host.page.evaluate("(hash) => { location.hash = hash; }", address)
    expect(frame.locator("#drawer")).to_be_visible()
    # Another fragment is the console's.
    host.page.evaluate("location.hash = '#section'")
    frame.locator("#drawer-close").click()
    expect(frame.locator("#drawer")).to_have_count(0)
    assert host.fragment == "section"


def test_the_console_hands_on_its_theme_and_nobody_else_does(host: Host) -> None:
    frame = host.open()
    accent = "getComputedStyle(document.querySelector('#telemetry')).getPropertyValue('--cct-accent')"
    radius = "getComputedStyle(document.querySelector('.card')).borderTopLeftRadius"
    until(frame, f"{radius} === '4px'")
    assert frame.evaluate(accent) == "light-dark(#6b2fb3, #c9a6ff)"
    assert frame.evaluate("document.documentElement.dataset.theme") == "light"
    host.page.evaluate("document.documentElement.style.colorScheme = 'dark'")
    until(frame, "document.documentElement.dataset.theme === 'dark'")
    host.page.evaluate("document.querySelector('control-core-telemetry').style.setProperty('--cct-accent', 'url(/x)')")
    until(frame, f"{accent}.includes('#2454c4')")
    # The frame is not its own parent, and the console's window is not the frame.
    frame.evaluate("postMessage({ telemetry: 1, type: 'theme', scheme: 'light' })")
    host.page.evaluate("postMessage({ telemetry: 1, type: 'shown', path: '/forged', title: '', loggedIn: true })")
    host.page.wait_for_timeout(200)
    assert frame.evaluate("document.documentElement.dataset.theme") == "dark"
    assert host.fragment == ""


def test_axe_finds_nothing_in_any_view_inside_the_console(host: Host) -> None:
    for view, shown in (
        ("", "#health"),
        ("/settings", "#settings"),
        ("/activity", "#activity-list"),
        ("/proof", "#proof-files"),
    ):
        frame = host.open(f"#telemetry{view}")
        host.page.evaluate("document.getElementById('host-modal').close()")
        expect(frame.locator(shown)).to_be_visible()
        assert Axe().run(frame, options=RULES).response["violations"] == [], view


def test_without_a_session_the_tab_says_so_in_its_place(host: Host) -> None:
    frame = host.open("#telemetry/settings")
    host.page.evaluate("document.getElementById('host-modal').close()")
    host.console.clock.advance(days=1)  # The session has ended.
    host.faults.expected_statuses.add(401)
    frame.get_by_role("radio", name="Weekly").check()
    frame.locator("#test").click()
    expect(frame.locator("h1")).to_have_text("You aren’t logged in to Telemetry")
    expect(frame.locator("#unsaved-form-kept")).to_be_visible()
    assert host.page.url == f"{host.url}/#telemetry/settings"
    assert Axe().run(frame, options=RULES).response["violations"] == []
    with host.page.expect_popup() as opened:
        frame.get_by_role("link", name="Log in").click()
    login = opened.value
    login.get_by_label("Name").fill("admin")
    login.get_by_label("Password").fill(PASSWORD)
    login.get_by_role("button", name="Log in").click()
    expect(login.get_by_role("heading", name="You are logged in")).to_be_visible()
    login.close()
    frame.get_by_role("link", name="Reload").click()
    expect(frame.locator("#resumed")).to_contain_text("Weekly")
    assert host.page.url == f"{host.url}/#telemetry/settings"


def test_logging_out_of_the_console_ends_the_session_of_the_tab(host: Host) -> None:
    host.open()
    host.page.evaluate("document.getElementById('host-modal').close()")
    host.faults.expected_statuses.add(401)
    host.page.locator("#log-out").click()
    expect(host.page.locator("#state")).to_have_text("Logged out")
    expect(host.frame().locator("h1")).to_have_text("You aren’t logged in to Telemetry")
    host.page.goto(f"{host.url}/telemetry/settings/general/telemetry")
    expect(host.page.get_by_role("heading", name="Log in")).to_be_visible()


def test_the_console_hears_of_no_log_out_that_failed(host: Host) -> None:
    host.open()
    host.page.evaluate("document.getElementById('host-modal').close()")
    host.faults.expected_statuses.add(503)
    host.page.route("**/telemetry/logout", lambda route: route.fulfill(status=503))
    host.page.locator("#log-out").click()
    expect(host.page.locator("#state")).to_have_text("Still logged in to Telemetry")
    host.page.reload()
    expect(host.frame().get_by_role("heading", name="Telemetry", exact=True)).to_be_visible()


def test_an_error_in_the_frame_leaves_the_console_in_charge(host: Host) -> None:
    host.faults.expected_statuses |= {401, 404}
    error = "#telemetry/history/018f0000-0000-7000-8000-000000000000"
    frame = host.open(error)
    host.page.evaluate("document.getElementById('host-modal').close()")
    expect(frame.locator("h1")).to_have_text("Not found")
    until(frame, "document.documentElement.dataset.theme === 'light'")
    assert f"#{host.fragment}" == error
    host.page.evaluate("location.hash = '#telemetry/proof'")
    expect(frame.get_by_role("heading", name="Proof", exact=True)).to_be_visible()
    host.page.evaluate("(hash) => { location.hash = hash; }", error)
    expect(frame.locator("h1")).to_have_text("Not found")
    host.page.locator("#log-out").click()
    expect(host.page.locator("#state")).to_have_text("Logged out")
    expect(frame.locator("h1")).to_have_text("You aren’t logged in to Telemetry")


def test_a_console_of_another_origin_shows_the_tab_if_the_deployment_names_it(host: Host) -> None:
    host.page.goto(f"{host.url.replace(NAME, OTHER)}/other.html")
    [frame] = host.page.main_frame.child_frames
    frame.locator("#history-title").wait_for()
    host.page.evaluate("location.hash = '#telemetry/proof'")
    expect(frame.get_by_role("heading", name="Proof", exact=True)).to_be_visible()
    host.page.goto(f"{host.url.replace(NAME, f'stranger.{NAME}')}/other.html")
    host.page.wait_for_timeout(500)
    [frame] = host.page.main_frame.child_frames
    assert frame.url.startswith("chrome-error:")
    said = host.faults.found
    assert len([text for text in said if "frame-ancestors" in text]) == 1
    # What the browser shows in the place of the frame gets no message.
    said[:] = [text for text in said if not any(word in text for word in ("frame-ancestors", "chrome-error", "'null'"))]


@pytest.fixture
def names() -> Event:
    """Whether the console names who is logged in: at first it does."""
    event = Event()
    event.set()
    return event


@pytest.fixture
def behind_gateway(
    sqlite_url: str, clock: SharedClock, server: LicenseServer, tmp_path: Path, names: Event
) -> Iterator[tuple[str, Console]]:
    """A console whose nginx asks it who is logged in, and passes that on."""
    nginx, gateway = Nginx(tmp_path), GatewayOfTest(tmp_path)
    console = Console(sqlite_url, clock, server, _deployed(nginx, **gateway.environment))
    with _identity(gateway, clock, names) as identity:
        telemetry = snippets("nginx")[1].replace("http://127.0.0.1:9090", identity)
        with _behind_nginx(console, nginx, telemetry) as running:
            yield running


def test_whoever_is_logged_in_to_the_console_is_logged_in_to_the_tab(
    browser: Browser, behind_gateway: tuple[str, Console], names: Event
) -> None:
    with _visit(browser, *behind_gateway, logged_in=False) as host:
        frame = host.open("#telemetry/settings")
        host.page.evaluate("document.getElementById('host-modal').close()")
        frame.get_by_role("radio", name="Weekly").check()
        frame.locator("#save-all").click()
        expect(frame.locator("#toasts")).to_contain_text("Settings saved")
        assert host.page.context.cookies() == []
        # The console's session ends while the tab is open.
        names.clear()
        host.faults.expected_statuses.add(401)
        frame.locator("#test").click()
        expect(frame.locator("#toasts")).to_contain_text("log in", ignore_case=True)
        [said] = [text for text in host.faults.found if "Response Status Error Code 401" in text]
        host.faults.found.remove(said)  # By htmx: the form stays, to be sent again after a login.
        host.page.reload()
        expect(host.frame().locator("h1")).to_have_text("You aren’t logged in to Telemetry")
        assert host.page.url == f"{host.url}/#telemetry/settings"


def test_a5_a_log_out_that_is_confirmed_leaves_no_session_of_an_earlier_login(
    browser: Browser, behind_gateway: tuple[str, Console], names: Event
) -> None:
    with _visit(browser, *behind_gateway) as host:
        host.open()
        host.page.evaluate("document.getElementById('host-modal').close()")
        assert [it["name"] for it in host.page.context.cookies()] == ["__Secure-telemetry_session"]
        host.page.locator("#log-out").click()
        expect(host.page.locator("#state")).to_have_text("Logged out")
        assert host.page.context.cookies() == []
        names.clear()  # The console has ended its own session, too.
        host.faults.expected_statuses.add(401)
        host.page.reload()
        expect(host.frame().locator("h1")).to_have_text("You aren’t logged in to Telemetry")


@NEEDS_PROVIDER
def test_people_log_in_at_their_provider_in_a_window_beside_the_console(
    browser: Browser, sqlite_url: str, clock: SharedClock, server: LicenseServer, tmp_path: Path
) -> None:
    clock.set(SystemClock().now())  # As the provider's.
    nginx, folder = Nginx(tmp_path), tmp_path / "provider"
    folder.mkdir()
    with OpenIdProviderProcess(folder, f"https://{NAME}:{nginx.port}/telemetry") as provider:
        deployed = _deployed(nginx, TELEMETRY_LOCAL_LOGIN="false", TELEMETRY_ADMIN_PASSWORD="", **provider.environment)
        console = Console(sqlite_url, clock, server, deployed)
        with (
            _behind_nginx(console, nginx, snippets("nginx")[0]) as running,
            _visit(browser, *running, logged_in=False) as host,
        ):
            host.faults.expected_statuses.add(401)
            frame = host.open()
            host.page.evaluate("document.getElementById('host-modal').close()")
            with host.page.expect_popup() as opened:
                frame.get_by_role("link", name="Log in").click()
            window = opened.value
            window.locator("#login-provider").click()
            window.locator("input[name=login]").fill("ada")
            window.locator("input[name=password]").fill("x")
            window.locator("button[type=submit]").click()
            expect(window.get_by_role("heading", name="You are logged in")).to_be_visible()
            window.close()
            frame.get_by_role("link", name="Reload").click()
            frame.get_by_role("link", name="Settings").click()
            # No provider lets itself be framed, so authenticating again has a window, too.
            clock.advance(minutes=11)
            frame.locator("#show").click()
            again = frame.locator("#login-again")
            expect(again).to_have_attribute("target", "_blank")
            assert (again.get_attribute("href") or "").endswith("&next=/settings/general/telemetry/logged-in")
            assert host.page.url == f"{host.url}/#telemetry/settings"


def test_without_javascript_the_console_has_a_link(browser: Browser, behind_nginx: tuple[str, Console]) -> None:
    with _visit(browser, *behind_nginx, javascript=False) as host:
        host.page.goto(host.url)
        host.page.get_by_role("link", name="Telemetry settings").click()
        expect(host.page.get_by_role("heading", name="Telemetry", exact=True)).to_be_visible()
