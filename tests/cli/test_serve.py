"""The service as a process: it responds, reveals nothing it must not, and stops cleanly."""

import re
import resource
import signal
import sys
import threading
from pathlib import Path
from subprocess import run

import httpx
import pytest

from telemetry_service.cli.listening import listen
from telemetry_service.identity.scopes import Scope
from tests.cli.conftest import CommandLine
from tests.support.databases import ON_BOTH
from tests.support.fault_server import Visit
from tests.support.license_server import API_KEY, LicenseServer, Trouble, reply
from tests.support.program import Program

HEAVY = (
    "sqlalchemy",
    "fastapi",
    "httpx",
    "cryptography",
    "argon2",
    "uvicorn",
    "alembic",
    "apscheduler",
    "jinja2",
    "structlog",
    "telemetry_service.domain.health_texts",
)


@ON_BOTH
def test_it_responds_until_sigterm_and_ends_with_0(connected: CommandLine, tmp_path: Path) -> None:
    with Program("serve", "--port", "0", folder=tmp_path, environment=connected.environment) as service:
        url = service.wait_for_url()
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        assert httpx.get(f"{url}/readyz", trust_env=False).json()["ready"] is True
        port = url.rpartition(":")[2]
        assert connected("doctor", "--liveness", "--port", port).code == 0
        assert service.stop(signal.SIGTERM) == 0
        assert connected("doctor", "--liveness", "--port", port).code == 1


def test_ctrl_c_ends_it_with_0_as_well(connected: CommandLine, tmp_path: Path) -> None:
    with Program("serve", "--port", "0", folder=tmp_path, environment=connected.environment) as service:
        service.wait_for_url()
        assert service.stop(signal.SIGINT) == 0
        assert "Traceback" not in service.errors


def test_what_is_being_sent_at_sigterm_is_finished(
    connected: CommandLine, license_server: LicenseServer, tmp_path: Path
) -> None:
    arrived, goes_on = threading.Event(), threading.Event()

    def hold(visit: Visit) -> None:
        arrived.set()
        goes_on.wait(30)
        reply(503)(visit)

    license_server.trouble(Trouble(before=hold))
    token = connected("token", "create", "administration", "--scope", Scope.ADMIN).out.splitlines()[-1]
    responses: list[httpx.Response] = []

    def send_now() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        responses.append(httpx.post(f"{url}/api/v1/telemetry/send-now", headers=headers, trust_env=False, timeout=60))

    with Program("serve", "--port", "0", folder=tmp_path, environment=connected.environment, forked=True) as service:
        url = service.wait_for_url()
        sender = threading.Thread(target=send_now)
        sender.start()
        assert arrived.wait(60)
        service.process.send_signal(signal.SIGTERM)
        goes_on.set()
        assert service.process.wait(60) == 0
        sender.join()
    # The outcome is the License Server's response, not an interruption.
    assert responses[0].json()["cause"]["code"] == "busy"


def test_its_log_holds_no_secret_and_no_address_of_the_license_server(
    connected: CommandLine, license_server: LicenseServer, tmp_path: Path
) -> None:
    license_server.server.__exit__()
    token = connected("token", "create", "administration", "--scope", Scope.ADMIN).out.splitlines()[-1]
    with Program("serve", "--port", "0", folder=tmp_path, environment=connected.environment, forked=True) as service:
        url = service.wait_for_url()
        headers = {"Authorization": f"Bearer {token}"}
        for query in ("", "?secret=canary"):
            path = f"{url}/api/v1/telemetry/send-now{query}"
            httpx.post(path, headers=headers, trust_env=False, timeout=60)
        service.stop(signal.SIGTERM)
        written = service.errors + service.output
    secrets = {"ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY", "TELEMETRY_LICENSE_SERVER_URL"}
    for secret in (token, API_KEY, "canary", *(connected.environment[name] for name in secrets)):
        assert secret not in written


def test_neither_its_command_line_nor_a_core_dump_reveals_a_secret(cli: CommandLine, tmp_path: Path) -> None:
    environment = {**cli.environment, "TELEMETRY_ADMIN_PASSWORD": "a long enough password"}
    with Program("serve", "--port", "0", folder=tmp_path, environment=environment) as service:
        service.wait_for_url()
        running = Path(f"/proc/{service.process.pid}")
        if not running.exists():
            pytest.skip("this system has no /proc to look at a process")
        assert re.search(r"^Max core file size +0 +0 ", (running / "limits").read_text(), re.MULTILINE)
        found = (running / "cmdline").read_text()
    assert not [name for name, value in environment.items() if value in found]


NAMED, BOTH = {"TELEMETRY_TRUSTED_PROXIES": "10.0.0.0/8,127.0.0.1"}, {"TELEMETRY_TRUSTED_PROXIES": "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("options", "variables", "believed"),
    [
        ((), {}, False),
        (("--trusted-proxy", "127.0.0.1"), {}, True),
        ((), NAMED, True),
        (("--trusted-proxy", "127.0.0.1"), BOTH, True),
        ((), BOTH, False),
    ],
)
def test_only_a_trusted_proxy_is_believed_that_the_browser_used_tls(
    cli: CommandLine, tmp_path: Path, options: tuple[str, ...], variables: dict[str, str], *, believed: bool
) -> None:
    password = "a long enough password"
    environment = {**cli.environment, **variables, "TELEMETRY_ADMIN_PASSWORD": password}
    with Program("serve", "--port", "0", *options, folder=tmp_path, environment=environment, forked=True) as service:
        url = service.wait_for_url()
        responses = [
            httpx.post(
                f"{url}/login",
                data={"name": "admin", "password": password, "next": "/"},
                headers={"X-Forwarded-Proto": proto, "Sec-Fetch-Site": "same-origin"},
                trust_env=False,
                timeout=60,
            )
            for proto in ("https", "https, http")
        ]
        found = [line["address"] for line in service.lines if line["event"] == "forwarded_not_trusted"]
    for response in responses:
        assert response.status_code == 303
        cookie = response.headers["Set-Cookie"]
        assert (cookie.startswith("__Host-"), "Secure" in cookie) == (believed, believed)
        assert ("Strict-Transport-Security" in response.headers) is believed
    assert found == ([] if believed else ["127.0.0.1"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--host", "0.0.0.0"), {"cookies_not_secure", "public_url_missing"}),  # noqa: S104 - it is what is warned of
        (("--host", "0.0.0.0", "--trusted-proxy", "10.0.0.7"), {"public_url_missing"}),  # noqa: S104
        (("--host", "127.0.0.1", "--trusted-proxy", "127.0.0.1"), {"public_url_missing"}),
        (("--host", "127.0.0.1"), set()),
        (("--trusted-proxy", "10.0.0.0/8"), {"public_url_missing", "proxies_not_exact"}),
    ],
)
def test_the_start_warns_where_cookies_will_not_be_secure_or_a_name_or_an_address_can_be_anyones(
    cli: CommandLine, tmp_path: Path, options: tuple[str, ...], expected: set[str]
) -> None:
    with Program(
        "serve", "--port", "0", *options, folder=tmp_path, environment=cli.environment, forked=True
    ) as service:
        service.wait_for_event("service_started")
        warnings = {line["warning"] for line in service.lines if line["event"] == "deployment_warning"}
    assert warnings & {"cookies_not_secure", "public_url_missing", "proxies_not_exact"} == expected


def test_it_may_open_as_many_files_as_the_system_lets_it(cli: CommandLine, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # What the tests themselves have open leaves room for the pipes of the service.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, sum(1 for _ in Path("/dev/fd").iterdir()) + 512), hard))
    try:
        with Program("serve", "--port", "0", folder=tmp_path, environment=cli.environment) as service:
            service.wait_for_url()
            running = Path(f"/proc/{service.process.pid}/limits")
            if not running.exists():
                pytest.skip("this system has no /proc to look at a process")
            assert re.search(rf"^Max open files +{hard} +{hard} ", running.read_text(), re.MULTILINE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_port_in_use_is_reported_in_a_sentence(cli: CommandLine) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        ended = cli("serve", "--port", port)
    assert ended.code == 1
    assert ended.err == f"Port {port} is already in use; choose another one with --port. (port-in-use)\n"


def test_the_metrics_have_a_port_of_their_own_where_one_is_set(connected: CommandLine, tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as free:
        port = str(free.getsockname()[1])
    environment = {**connected.environment, "TELEMETRY_METRICS_PORT": port}
    with Program("serve", "--port", "0", folder=tmp_path, environment=environment) as service:
        service.wait_for_url()
        started = service.wait_for_event("service_started")
        assert started["metrics_listening"] == f"127.0.0.1:{port}"
        found = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert (found.status_code, "telemetry_database_up 1.0" in found.text) == (200, True)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.2:{port}/metrics", trust_env=False)
        assert service.stop(signal.SIGTERM) == 0


def test_a_port_of_the_metrics_in_use_is_reported_by_the_name_of_its_setting(cli: CommandLine) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        cli.set(TELEMETRY_METRICS_PORT=port)
        ended = cli("serve", "--port", "0")
    assert ended.code == 1
    named = f"Port {port} is already in use; choose another one with TELEMETRY_METRICS_PORT. (port-in-use)"
    assert ended.err.splitlines()[-1] == named


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--liveness", "--port", "1"]])
def test_help_and_the_health_check_load_little(arguments: list[str]) -> None:
    code = (
        "import sys; from telemetry_service.cli import main\n"
        f"try: main({arguments!r})\n"
        f"except SystemExit: print('LOADED', *(set(sys.modules) & {set(HEAVY)!r}))"
    )
    ended = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1].split() == ["LOADED"]
