"""A service that is told to read its files again, and to what it says so; and signals that mean nothing to it."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from sqlalchemy import create_engine, text

from telemetry_service.domain.ledger import Kind
from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine
from tests.cli.test_side_effects import entries_of
from tests.support.actors import STRANGER
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.program import Program
from tests.support.running import UNUSED_TLS

PATIENCE_SECONDS = 30


def of_files(cli: CommandLine, folder: Path) -> dict[str, str]:
    """Return the environment of the command line, with keys, License Server and log level in files."""
    environment = {**cli.environment, "TELEMETRY_LOG_LEVEL": "info"}
    for name in ("ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY", "TELEMETRY_LICENSE_SERVER_URL", "TELEMETRY_LOG_LEVEL"):
        file = folder / name
        file.write_text(environment.pop(name))
        environment[f"{name}_FILE"] = str(file)
    return environment


def reloaded(program: Program, event: str = "settings_reloaded") -> dict[str, object]:
    """Send SIGHUP and return the line that follows from it."""
    before = len(program.lines)
    program.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        for line in program.lines[before:]:
            if line["event"] == event:
                return line
        time.sleep(0.05)
    raise AssertionError(program.errors)


def test_sighup_reads_the_files_again_and_says_what_changed_and_sigusr1_does_nothing(
    connected: CommandLine, tmp_path: Path
) -> None:
    environment = of_files(connected, tmp_path)
    environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
    with (
        told_at(tmp_path / "notify") as told,
        Program("serve", "--port", "0", folder=tmp_path, environment=environment, forked=True) as program,
    ):
        url = program.wait_for_url()
        program.process.send_signal(signal.SIGUSR1)
        program.process.send_signal(signal.SIGUSR2)
        assert fields(reloaded(program)) == ([], []), "nothing changed"

        newer = generate_key()
        credentials = tmp_path / "CREDENTIAL_ENCRYPTION_KEY"
        credentials.write_text(f"{newer},{credentials.read_text()}")
        connected.set(CREDENTIAL_ENCRYPTION_KEY=newer)
        token = connected("token", "create", "ops", "--scope", "read").out.split()[-1]
        assert status(url, token) == 401
        assert fields(reloaded(program)) == (["CREDENTIAL_ENCRYPTION_KEY"], [])
        assert status(url, token) == 200

        (tmp_path / "TELEMETRY_LICENSE_SERVER_URL").write_text("https://elsewhere.example")
        authority = Path(environment["TELEMETRY_LICENSE_SERVER_CA_FILE"])
        authority.write_bytes(authority.read_bytes() + b"\n")
        changed, pending = fields(reloaded(program))
        assert (changed, pending) == (["TELEMETRY_LICENSE_SERVER_CA_FILE"], ["TELEMETRY_LICENSE_SERVER_URL"])

        (tmp_path / "ENCRYPTION_KEY").write_text("no key")
        refused = reloaded(program, "reload_refused")
        assert refused["settings"] == ["ENCRYPTION_KEY_FILE"]
        (tmp_path / "ENCRYPTION_KEY").write_text(connected.environment["ENCRYPTION_KEY"])
        (tmp_path / "TELEMETRY_LOG_LEVEL").write_text("error")
        assert fields(reloaded(program)) == (["TELEMETRY_LOG_LEVEL"], [])
        assert status(url, token) == 200
        assert program.stop(signal.SIGTERM) == 0
        assert program.lines[-1]["event"] == "settings_reloaded", "nothing below an error is logged from then on"
    assert {"READY=1", "WATCHDOG=1", "STOPPING=1"} <= set(told)
    assert [one.partition("\n")[0] for one in told].count("RELOADING=1") == 5
    assert told.count("READY=1") == 6


@contextmanager
def told_at(address: Path) -> Iterator[list[str]]:
    """Receive what systemd would be told; everything is in the list after the block."""
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(address))
        thread = threading.Thread(target=lambda: told.extend(iter(lambda: receiver.recv(4096).decode(), "")))
        thread.start()
        try:
            yield told
        finally:
            receiver.sendto(b"", str(address))
            thread.join()


def test_sighup_saves_a_new_api_key_of_the_deployment_and_shows_it_nowhere(
    connected: CommandLine, license_server: LicenseServer, tmp_path: Path
) -> None:
    file = tmp_path / "api-key"
    file.write_text(f"{API_KEY}\n")
    environment = {**connected.environment, "TELEMETRY_API_KEY_FILE": str(file)}
    newer = "ck_rotated_in_its_file_0123"
    license_server.store.add_key(newer, CUSTOMER)
    with Program("serve", "--port", "0", folder=tmp_path, environment=environment, forked=True) as program:
        program.wait_for_url()
        known = len(entries_of(environment["TELEMETRY_DATABASE_URL"]))
        file.write_text(newer)
        assert fields(reloaded(program)) == (["TELEMETRY_API_KEY"], [])
        assert fields(reloaded(program)) == ([], [])
        file.write_text("no key")
        assert reloaded(program, "reload_refused")["settings"] == ["TELEMETRY_API_KEY_FILE"]
        assert program.stop(signal.SIGTERM) == 0
        written = f"{program.lines}{program.errors}"
    added = entries_of(environment["TELEMETRY_DATABASE_URL"])[known:]
    assert [(entry.kind, entry.actor) for entry in added] == [(Kind.KEY_SET, "deployment")]
    assert connected("test-connection").code == 0
    for secret in (newer, API_KEY):
        assert secret not in written


def fields(line: dict[str, object]) -> tuple[object, object]:
    return line["changed"], line["pending"]


def status(url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    found = httpx.get(f"{url}/api/v1/telemetry/health", headers=headers, trust_env=False, verify=UNUSED_TLS)
    return found.status_code


def asked(urls: list[str], token: str, session: str) -> set[int]:
    """Return the status codes of a call with the token and of a page with the session, at each replica."""
    cookies = {"Cookie": f"telemetry_session={session}"}
    pages = [
        httpx.get(f"{url}/settings/general/telemetry", headers=cookies, trust_env=False, verify=UNUSED_TLS)
        for url in urls
    ]
    return {page.status_code for page in pages} | {status(url, token) for url in urls}


def test_keys_rotate_under_four_replicas_without_a_restart_or_a_refused_call(
    connected: CommandLine, tmp_path: Path
) -> None:
    """Append, swap, rotate, drop, as the operations page says; the replicas follow one after another."""
    connected("admin", "set-password", "--stdin", stdin="a long enough password\n")
    token = connected("token", "create", "ops", "--scope", "read").out.split()[-1]
    service = connected.service()
    session = service.authentication.sessions.log_in("admin", "a long enough password", STRANGER).token
    service.stop()
    environment = of_files(connected, tmp_path)
    names = ("ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY")
    old, new = ({name: made(name) for name in names} for made in (connected.environment.__getitem__, new_key))
    with ExitStack() as running:
        programs = [
            running.enter_context(Program("serve", "--port", "0", folder=folder, environment=environment, forked=True))
            for folder in folders(tmp_path, 4)
        ]
        urls = [program.wait_for_url() for program in programs]
        for order in ((old, new), (new, old), (new,)):
            for name in names:
                (tmp_path / name).write_text(",".join(keys[name] for keys in order))
            if order == (new,):
                connected.set(**{name: f"{new[name]},{old[name]}" for name in names})
                rotate(connected)
                let_minutes_pass(connected.environment["TELEMETRY_DATABASE_URL"])
                until = time.monotonic() + PATIENCE_SECONDS
                while finding(connected, "credentials") != "ok":  # Until nothing depends on the old key.
                    assert time.monotonic() < until
                    assert asked(urls, token, session) == {200}
            for program in programs:
                assert reloaded(program)["changed"] == sorted(names)
                assert asked(urls, token, session) == {200}
    connected.set(**new)
    assert [finding(connected, check) for check in ("sealed", "credentials", "ledger")] == ["ok"] * 3


def rotate(cli: CommandLine) -> None:
    """Rotate once the replicas have said which keys they have: each does at its next waking."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (ended := cli("rotate-keys")).code != 0 and time.monotonic() < until:
        assert "(replica-lacks-key)" in ended.err
        time.sleep(0.5)
    assert ended.code == 0, ended


def let_minutes_pass(url: str) -> None:
    """Let the next use of a session or a token be one that is noted, as it is every few minutes."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE admin_sessions SET last_seen_at = created_at"))
        connection.execute(text("UPDATE service_tokens SET last_used_at = NULL"))
        connection.execute(text("UPDATE admin_sessions SET last_seen_at = datetime(last_seen_at, '-30 minutes')"))
    engine.dispose()


def finding(cli: CommandLine, check: str) -> str:
    found = {one["check"]: one["result"] for one in cli("doctor", "--offline", "--json").json()}
    return str(found[check])


def new_key(_name: str) -> str:
    return generate_key()


def folders(parent: Path, number: int) -> Iterator[Path]:
    for one in range(number):
        folder = parent / f"replica-{one}"
        folder.mkdir()
        yield folder
