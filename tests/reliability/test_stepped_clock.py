"""A clock that is set while the service runs stops nothing, floods nothing, and does not outlive itself.

Each service here is a process of its own, whose wall clock is moved while it runs: forward, back, and from the epoch.
"""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from telemetry_service.domain.clock import SystemClock
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.reference.background import ReferenceProcess, temporary_options
from telemetry_service.reference.faults import Faults, ResponseStatus
from telemetry_service.reference.options import Grant
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import open_service
from telemetry_service.settings import load_settings
from tests.support.actors import ADMIN, CLI
from tests.support.databases import ON_BOTH, on_sqlite
from tests.support.license_server import API_KEY, CUSTOMER
from tests.support.program import Program
from tests.support.stepped_clock import SteppedClock, needs_faketime

__all__ = ["on_sqlite"]

# A waking comes every five seconds, and a busy machine takes its time.
pytestmark = [needs_faketime, pytest.mark.waits, pytest.mark.timeout(400)]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YEAR = 365 * DAY
_PATIENCE_SECONDS = 150
_LOOK_SECONDS = 0.25
"""Between two looks at a service: under a clock that is read from a file, each costs more than elsewhere."""
_MEMORY_KIB = 100 * 1024
"""What a step may cost at most. Listing the runs that were missed took gigabytes; a waking takes nothing."""


@dataclass
class Served:
    """A running service, and what a test wants of it."""

    program: Program
    clock: SteppedClock
    client: httpx.Client

    def readyz(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.client.get("/readyz").json()
        return shown

    def memory(self) -> int:
        """Return the memory that it uses, in KiB."""
        status = Path(f"/proc/{self.program.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))

    def step(self, offset: timedelta) -> None:
        """Set its clock, and wait for the next waking."""
        self.clock.step(offset)
        self.await_waking()

    def await_waking(self) -> None:
        """Wait until it wakes after this time, and check that it always responds."""
        began = time.monotonic()
        while (age := self.readyz()["last_waking_age_seconds"]) is None or age > time.monotonic() - began:
            assert time.monotonic() - began < _PATIENCE_SECONDS, "it never woke"
            assert self.client.get("/healthz").status_code == 200
            time.sleep(_LOOK_SECONDS)

    def call(self, method: str, path: str, **request: Any) -> Any:  # noqa: ANN401 - any JSON
        response = self.client.request(method, f"/api/v1/telemetry/{path}", **request)
        assert response.is_success, response.text
        return response.json()

    def send_now(self) -> Any:  # noqa: ANN401 - any JSON
        """Send the open period and return its transmission after the attempt, whichever process makes it.

        The delivery that is planned may come first; *Send Now* then finds it being sent.
        """
        sent = self.call("POST", "send-now")["transmission_id"]
        self.await_that("the attempt", f"history/{sent}", "state", lambda state: state != "pending")
        return self.call("GET", f"history/{sent}")

    def await_(self, what: str, path: str, name: str, value: object) -> None:
        """Wait until a field of a response has a value."""
        self.await_that(what, path, name, lambda found: found == value)

    def await_that(self, what: str, path: str, name: str, holds: Callable[[Any], bool]) -> None:
        """Wait until a condition holds for a field of a response.

        A waking that was under way when the clock was set may still have gone by the old one, so the next one counts.
        """
        until = time.monotonic() + _PATIENCE_SECONDS
        while not holds(found := self.call("GET", path)[name]):
            assert time.monotonic() < until, f"{what}: {name} is still {found}"
            time.sleep(_LOOK_SECONDS)


@pytest.fixture
def clock(tmp_path: Path) -> SteppedClock:
    return SteppedClock(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReferenceProcess]:
    """The reference License Server, a process whose clock is right."""
    grant = Grant(api_key=API_KEY, customer_id=CUSTOMER)
    options = temporary_options(tmp_path / "license-server", SystemClock().now(), [grant])
    with ReferenceProcess(options) as running:
        yield running


@pytest.fixture
def served(database_url: str, tmp_path: Path, clock: SteppedClock, server: ReferenceProcess) -> Iterator[Served]:
    """A configured service whose clock is right."""
    with serve(database_url, tmp_path, clock, server) as running:
        yield running


@contextmanager
def serve(database_url: str, folder: Path, clock: SteppedClock, server: ReferenceProcess) -> Iterator[Served]:
    environment = {
        "ENCRYPTION_KEY": generate_key(),
        "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
        "TELEMETRY_DATABASE_URL": database_url,
        "TELEMETRY_LICENSE_SERVER_URL": server.url,
        "TELEMETRY_LICENSE_SERVER_CA_FILE": str(server.ca_file),
        "TELEMETRY_CUSTOMER_ID": CUSTOMER,
        "TELEMETRY_SEND_SPREAD_SECONDS": "0",
    }
    service = open_service(load_settings(environment))
    set_api_key(service.runtime, API_KEY, ADMIN)
    token = service.authentication.tokens.create("test", [Scope.ADMIN], CLI).token
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    faked = {**environment, **clock.environment}
    headers = {"Authorization": f"Bearer {token}"}
    with (
        Program("serve", "--port", str(port), folder=folder, environment=faked) as program,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60) as client,
    ):
        running = Served(program, clock, client)
        await_start(running)
        yield running
        assert program.stop(signal.SIGTERM) == 0
        assert "unexpected" not in program.errors
    service.runtime.database.close()


def await_start(served: Served) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            if served.client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            assert served.program.process.poll() is None, served.program.errors
        assert time.monotonic() < until, served.program.errors
        time.sleep(0.1)


def save(served: Served, **changes: object) -> None:
    """Save the configuration with some values changed."""
    response = served.client.get("/api/v1/telemetry/config")
    names = ("enabled", "frequency", "encrypt_payload", "anonymize_pii", "retention_days")
    values = {name: response.json()[name] for name in names} | changes
    served.call("PUT", "config", json=values, headers={"If-Match": response.headers["etag"]})


@ON_BOTH
def test_it_wakes_in_time_and_takes_no_memory_whichever_way_its_clock_is_set(served: Served) -> None:
    """Forward and back by an hour, a day, a year and five years, and by twice as much."""
    before = served.memory()
    for offset in (HOUR, -HOUR, timedelta(0), DAY, -DAY, timedelta(0), YEAR, -YEAR, timedelta(0), 5 * YEAR, -5 * YEAR):
        served.step(offset)
        assert served.memory() < before + _MEMORY_KIB, offset
        assert served.readyz()["ready"] is True, offset


def test_a_machine_that_starts_at_the_epoch_works_and_goes_on_when_its_clock_is_set(
    sqlite_url: str, tmp_path: Path, clock: SteppedClock, server: ReferenceProcess
) -> None:
    clock.step_to_the_epoch()
    with serve(sqlite_url, tmp_path, clock, server) as served:
        served.await_waking()
        before = served.memory()
        assert served.call("GET", "health")["status"] == "warning", "nothing was sent yet"
        failed = served.send_now()
        assert failed["state"] in {"held", "retrying"}, "by this clock no certificate is valid yet"
        served.step(timedelta(0))
        assert served.memory() < before + _MEMORY_KIB
        served.call("POST", f"history/{failed['transmission_id']}/retry")
        assert served.call("GET", "health")["status"] == "healthy"


@ON_BOTH
def test_the_tick_that_a_set_clock_makes_due_runs_and_the_next_plan_follows_the_clock(served: Served) -> None:
    save(served, frequency="daily")
    for offset in (DAY, 2 * DAY):
        served.step(offset)
        served.await_("the tick runs", "health", "last_tick_result", "prepared")
        following = served.clock.now().replace(hour=2, minute=0, second=0, microsecond=0) + DAY
        after = {at(following), at(following - DAY)}
        served.await_that("the next plan follows the clock", "health", "next_run_at", after.__contains__)
    served.step(timedelta(0))
    tomorrow = at(served.clock.now() + DAY)
    served.await_that("the plan of the clock that was ahead", "health", "next_run_at", lambda it: it <= tomorrow)


def at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.mark.parametrize("back", [HOUR, DAY], ids=["an hour", "a day"])
def test_a_retry_goes_out_in_time_although_the_clock_is_set_back(
    served: Served, server: ReferenceProcess, back: timedelta
) -> None:
    served.step(back)
    server.set_faults(Faults(failure=ResponseStatus(status=503), remaining=1))
    sent = served.send_now()
    assert sent["state"] == "retrying"
    served.step(timedelta(0))
    served.await_("the retry", f"history/{sent['transmission_id']}", "state", "success")


def test_a_connection_test_under_a_wrong_clock_does_not_outlive_what_follows_it(
    served: Served, server: ReferenceProcess
) -> None:
    served.step(DAY)
    tested = served.call("POST", "test-connection", json={})
    assert tested["cause"]["code"] == "clock_wrong"
    assert served.call("GET", "health")["status"] == "unhealthy"
    served.step(timedelta(0))
    assert served.send_now()["state"] == "success"
    health = served.call("GET", "health")
    assert (health["status"], health["connected"]) == ("healthy", True)
    served.send_now()
    shown = [json.loads(entry.payload)["health_status"] for entry in server.journal()]
    assert shown == ["unhealthy", "healthy"]
