"""An installation whose service runs as a process of its own, beside a License Server that the test can spoil."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from telemetry_service.domain.clock import SystemClock
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import Options, open_service
from telemetry_service.settings import load_settings
from telemetry_service.storage.database import Database
from tests.support.actors import ADMIN, CLI
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.program import Program
from tests.support.running import CHEAP, UNUSED_TLS

PASSWORD = "canary-password-4711"


@dataclass
class Deployment:
    """One installation; ``program`` is its service, to be run by the test."""

    folder: Path
    license_server: LicenseServer
    environment: dict[str, str]
    tokens: dict[Scope, str] = field(default_factory=dict)

    @property
    def database_url(self) -> str:
        return self.environment["TELEMETRY_DATABASE_URL"]

    def prepare(self) -> None:
        """Save the API key and make tokens, before the service runs."""
        service = open_service(load_settings(self.environment), Options(hash_cost=CHEAP))
        set_api_key(service.runtime, API_KEY, ADMIN)
        for scope in (Scope.READ, Scope.REPORT, Scope.ADMIN):
            self.tokens[scope] = service.authentication.tokens.create(f"t-{scope.value}", [scope], CLI).token
        service.runtime.database.close()

    def program(self, *options: str, **environment: str) -> Program:
        """Return the service, which is to listen on a port of the system's choice."""
        environment = {**self.environment, **environment}
        return Program("serve", "--port", "0", *options, folder=self.folder, environment=environment, forked=True)

    def command(self, *arguments: str) -> Program:
        """Return another command of the program."""
        return Program(*arguments, folder=self.folder, environment=self.environment, forked=True)

    def call(self, url: str, scope: Scope, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes them
        """Make a call of the API."""
        headers = {"Authorization": f"Bearer {self.tokens[scope]}", **request.pop("headers", {})}
        address = f"{url}/api/v1/{path}"
        return httpx.request(
            method, address, headers=headers, trust_env=False, timeout=60, verify=UNUSED_TLS, **request
        )

    def report(self, url: str) -> None:
        """Report some usage."""
        report = {
            "report_id": str(uuid4()),
            "bouncer_id": "canary-bouncer-4711",
            "environment": "production",
            "audit_events": 4,
            "policy_decisions": 2,
            "successful_decisions": 1,
        }
        assert self.call(url, Scope.REPORT, "POST", "usage", json={"reports": [report]}).status_code == 200

    def contradict(self) -> None:
        """Make the numbers of the open period contradict each other, as only somebody with the database can."""
        self.execute("UPDATE usage_counters SET successful_decisions = policy_decisions + 1")

    def execute(self, statement: str) -> None:
        """Change the database behind the service's back."""
        with closing(sqlite3.connect(self.database_url.removeprefix("sqlite:///"), timeout=30)) as connection:
            connection.execute(statement)
            connection.commit()

    def let_tick_fall_due(self, day: int = 1) -> None:
        """Plan the next tick for a moment that has passed: another ``day`` for each, since each is run once."""
        database = Database(self.database_url)
        with database.write() as tx:
            tx.schedule.plan(datetime(2026, 1, day, 2, tzinfo=UTC))
        database.close()


def login(url: str, password: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Try to log in as a browser does."""
    form = {"name": "canary-name-4711", "password": password} if password != PASSWORD else {}
    fields = form or {"name": "admin", "password": PASSWORD}
    said = {"Sec-Fetch-Site": "same-origin", **(headers or {})}
    return httpx.post(f"{url}/login", data=fields, headers=said, trust_env=False, timeout=60, verify=UNUSED_TLS)


@pytest.fixture
def license_server(tmp_path: Path) -> Iterator[LicenseServer]:
    with LicenseServer(tmp_path / "license-server", SystemClock()) as running:
        yield running


@pytest.fixture
def deployment(tmp_path: Path, sqlite_url: str, license_server: LicenseServer) -> Deployment:
    deployment = Deployment(
        tmp_path,
        license_server,
        {
            "ENCRYPTION_KEY": generate_key(),
            "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
            "TELEMETRY_DATABASE_URL": sqlite_url,
            "TELEMETRY_LICENSE_SERVER_URL": license_server.server.url,
            "TELEMETRY_LICENSE_SERVER_CA_FILE": str(license_server.server.ca_pem_path),
            "TELEMETRY_CUSTOMER_ID": CUSTOMER,
            "TELEMETRY_ADMIN_PASSWORD": PASSWORD,
            "TELEMETRY_SEND_SPREAD_SECONDS": "0",
        },
    )
    deployment.prepare()
    return deployment
