"""Processes that the benchmarks measure over HTTP: the service as it is deployed, and the bare reference."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from telemetry_service.cli.liveness import is_alive
from telemetry_service.identity.scopes import Scope
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import Options, open_service
from telemetry_service.settings import load_settings
from tests.support.actors import CLI, STRANGER
from tests.support.program import kept_environment

HOST = "127.0.0.1"
_ADMINISTRATOR = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Server:
    """A running process that serves."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the processor time that its threads have used, in seconds (proc(5), schedstat)."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(one.read_text(encoding="ascii").split()[0]) for one in threads) / 1e9


@dataclass(frozen=True, slots=True)
class Served(Server):
    """A running service, with a token that may do everything and the cookie of a session."""

    environment: Mapping[str, str]
    token: str
    cookie: str

    @property
    def authorized(self) -> dict[str, str]:
        """The headers of a call of the API."""
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}


@contextmanager
def the_service(database_url: str, folder: Path, more: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Run ``telemetry-service serve`` on a new database."""
    settings = {
        "ENCRYPTION_KEY": generate_key(),
        "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
        "TELEMETRY_DATABASE_URL": database_url,
        "TELEMETRY_ADMIN_PASSWORD": _ADMINISTRATOR,
        **(more or {}),
    }
    token, cookie = _prepared(settings)
    environment = kept_environment() | settings
    command = [sys.executable, "-m", "telemetry_service.cli", "serve", "--port"]
    with _running(command, folder, environment) as server:
        yield Served(server.port, server.pid, environment, token, cookie)


@contextmanager
def the_reference() -> Iterator[Server]:
    """Run the bare application."""
    with _running([sys.executable, "-m", "benchmarks.bare"], Path.cwd(), kept_environment()) as server:
        yield server


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])


def _prepared(settings: Mapping[str, str]) -> tuple[str, str]:
    service = open_service(load_settings(settings), Options(scheduled=False))
    authentication = service.authentication
    token = authentication.tokens.create("benchmark", {Scope.ADMIN, Scope.REPORT}, CLI).token
    session = authentication.sessions.log_in("admin", _ADMINISTRATOR, STRANGER).token
    service.runtime.close()
    service.in_use.end()
    return token, f"telemetry_session={session}"


@contextmanager
def _running(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own programs
        [*command, str(port)], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not is_alive(port, HOST):
            if process.poll() is not None:
                raise SystemExit(" ".join(command))
            time.sleep(0.02)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait()
