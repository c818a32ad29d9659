"""The command line as a script uses it: arguments in, exit code and output out, on a real database."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from telemetry_service.cli import main
from telemetry_service.domain.clock import SystemClock
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import Options, Service, open_service, set_up
from telemetry_service.settings import load_settings
from telemetry_service.storage.in_use import InUse
from tests.support.actors import ADMIN
from tests.support.databases import on_sqlite
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.running import CHEAP

__all__ = ["on_sqlite"]


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(self.out)


class CommandLine:
    """Runs commands in this process, with an environment of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.environment: dict[str, str] = {}
        self._opened: list[tuple[ref[Runtime], ref[InUse]]] = []

    def set(self, **variables: str) -> None:
        self.environment |= variables
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str, stdin: str = "") -> Ended:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        written = self._capsys.readouterr()
        return Ended(int(ended.value.code or 0), written.out, written.err)

    def service(self) -> Service:
        """Open the same service, to look into it. It is in use until the test stops it, or has it no longer."""
        service = open_service(load_settings(self.environment), Options(hash_cost=CHEAP))
        self._opened.append((ref(service.runtime), ref(service.in_use)))
        return service

    def close(self) -> None:
        """Close the files of each service that was opened and is not even garbage that was searched."""
        for runtime, in_use in ((opened(), used()) for opened, used in self._opened):
            if runtime is not None:
                runtime.close()
            if in_use is not None:
                in_use.end()


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CommandLine]:
    """A command line in an empty folder, for which nothing is set."""
    monkeypatch.chdir(tmp_path)
    line = CommandLine(capsys, monkeypatch)
    yield line
    line.close()


@pytest.fixture
def cli(bare: CommandLine, database_url: str) -> CommandLine:
    """A command line with keys and a database that is set up."""
    bare.set(
        ENCRYPTION_KEY=generate_key(),
        CREDENTIAL_ENCRYPTION_KEY=generate_key(),
        TELEMETRY_DATABASE_URL=database_url,
    )
    set_up(load_settings(bare.environment))
    return bare


@pytest.fixture
def license_server(tmp_path: Path) -> Iterator[LicenseServer]:
    with LicenseServer(tmp_path / "license-server", SystemClock()) as running:
        yield running


@pytest.fixture
def connected(cli: CommandLine, license_server: LicenseServer) -> CommandLine:
    """A command line of a service that is set up from end to end."""
    cli.set(
        TELEMETRY_LICENSE_SERVER_URL=license_server.server.url,
        TELEMETRY_LICENSE_SERVER_CA_FILE=str(license_server.server.ca_pem_path),
        TELEMETRY_LICENSE_SERVER_PUBLIC_KEY=license_server.public_key,
        TELEMETRY_CUSTOMER_ID=CUSTOMER,
    )
    service = cli.service()
    set_api_key(service.runtime, API_KEY, ADMIN)
    service.runtime.database.close()
    return cli
