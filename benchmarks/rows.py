"""The rows of the table of goals: each measures the service in turn with a reference, in the same run."""

import itertools
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx

from benchmarks.callers import cpu_seconds_of, seconds_for_all, seconds_of, size_of
from benchmarks.recording import Call, bare_postgresql, bare_sqlite, durable, make_calls, through_driver
from benchmarks.served import Served, Server, the_reference, the_service
from benchmarks.setting import durable_databases, make_runtime
from benchmarks.start import serving, starting
from tests.support.connected import connection_to
from tests.support.license_server import API_KEY, LicenseServer
from tests.support.real_clock import RealClock

_USAGE, _TAB = "/api/v1/usage", "/settings/general/telemetry"
_BATCH, _CALLS = 1_000, 40
_SINGLE_CALLS, _CONNECTIONS = 2_000, 32
_TRANSMISSIONS = 12
_BYTES_OF_A_ROW = 75


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, as a ratio to its reference, once for each round."""

    name: str
    reference: str
    ratios: list[float]
    goal: float
    speed: bool = False
    """Whether more is better; else the ratio is one of times, or of memory."""


def all_rows(rounds: int) -> Iterator[Row]:
    """Measure everything."""
    for kind in ("sqlite", "postgresql"):
        yield from recording(kind, rounds)
    yield from requests(rounds)
    yield from starts(rounds)


def recording(kind: str, rounds: int) -> Iterator[Row]:
    """Record over HTTP, with the commit on the disk."""
    bare = bare_sqlite if kind == "sqlite" else bare_postgresql
    cases = ((False, 1, 0.7), (False, 8, 0.8), (True, 8, 1.2)) if kind == "sqlite" else ((False, 16, 0.9),)
    with durable_databases(kind) as make_url, ExitStack() as open_things:
        folder = Path(open_things.enter_context(tempfile.TemporaryDirectory()))
        bare_url = make_url()
        make_runtime(bare_url).database.close()
        write = open_things.enter_context(bare(bare_url))
        service = open_things.enter_context(the_service(make_url(), folder))
        for scattered, callers, goal in cases:
            pairs = [_recorded(service, write, callers, scattered=scattered) for _ in range(rounds)]
            name = f"record 1,000 a call, {'random' if scattered else 'time-ordered'} IDs, callers: {callers}, {kind}"
            yield Row(name, "the bare driver, one caller", [floor / ours for ours, floor in pairs], goal, speed=True)
        if kind == "sqlite":
            reference = open_things.enter_context(the_reference())
            yield _single(service, reference, rounds)


def _recorded(
    service: Served, write: Callable[[Call], object], callers: int, *, scattered: bool
) -> tuple[float, float]:
    floor = through_driver(write, _calls(_BATCH, _CALLS, scattered=scattered))
    bodies = [_body(call) for call in _calls(_BATCH, _CALLS, scattered=scattered)]
    return seconds_for_all(service.port, _USAGE, service.authorized, bodies, callers), floor


def _single(service: Served, reference: Server, rounds: int) -> Row:
    ratios = []
    for _ in range(rounds):
        bodies = [_body(call) for call in _calls(1, _SINGLE_CALLS, scattered=False)]
        bare = seconds_for_all(reference.port, "/usage", service.authorized, bodies, _CONNECTIONS)
        ratios.append(bare / seconds_for_all(service.port, _USAGE, service.authorized, bodies, _CONNECTIONS))
    return Row("record one a call, 32 connections, sqlite", "FastAPI that stores nothing", ratios, 0.5, speed=True)


def _calls(batch: int, calls: int, *, scattered: bool) -> list[Call]:
    made = make_calls(batch, calls)
    if scattered:
        for report in itertools.chain.from_iterable(made):
            report["report_id"] = UUID(int=random.getrandbits(128), version=4)
    return made


def _body(call: Call) -> bytes:
    return json.dumps({"reports": [{**report, "report_id": str(report["report_id"])} for report in call]}).encode()


def requests(rounds: int) -> Iterator[Row]:
    """Open the settings page, read over REST, and send, with a dozen transmissions in the history."""
    with tempfile.TemporaryDirectory(prefix="telemetry-bench-") as name, ExitStack() as open_things:
        folder = Path(name)
        license_server = open_things.enter_context(LicenseServer(folder / "license-server", RealClock()))
        database = f"sqlite:///{folder}/service.db"
        service = open_things.enter_context(the_service(database, folder, connection_to(license_server)))
        reference = open_things.enter_context(the_reference())
        send = _sender(service)
        for _ in range(_TRANSMISSIONS):
            send()
        cookie = {"Cookie": service.cookie}
        bare = f"/page?rows={size_of(service.port, _TAB, cookie) // _BYTES_OF_A_ROW}"
        for title, path, headers, beside, what, goal in (
            ("settings page (CPU)", _TAB, cookie, bare, "FastAPI and Jinja2, as many bytes", 2.5),
            ("preview over REST (CPU)", "/api/v1/telemetry/preview", service.authorized, "/values", "a bare GET", 6),
            ("history over REST (CPU)", "/api/v1/telemetry/history", service.authorized, "/values", "a bare GET", 5),
            (
                "configuration over REST (CPU)",
                "/api/v1/telemetry/config",
                service.authorized,
                "/values",
                "a bare GET",
                3,
            ),
        ):
            ratios = [
                cpu_seconds_of(service, path, headers, 20) / cpu_seconds_of(reference, beside, {}, 20)
                for _ in range(rounds)
            ]
            yield Row(title, what, ratios, goal)
        with _floor_of_sending(folder, license_server) as floor:
            ratios = [send() / floor() for _ in range(4 * rounds)]
        yield Row("Send Now over REST", "a TLS POST by httpx and 3 commits", ratios, 1.8)


def _sender(service: Served) -> Callable[[], float]:
    """Return what records a report, sends, and returns how long the sending took."""
    key = json.dumps({"api_key": API_KEY}).encode()
    seconds_of(service.port, "PUT", "/api/v1/telemetry/config/api-key", service.authorized, 1, key)

    def send() -> float:
        seconds_of(service.port, "POST", _USAGE, service.authorized, 1, _body(make_calls(1, 1)[0]))
        return seconds_of(service.port, "POST", "/api/v1/telemetry/send-now", service.authorized, 1)

    return send


@contextmanager
def _floor_of_sending(folder: Path, license_server: LicenseServer) -> Iterator[Callable[[], float]]:
    context = httpx.create_ssl_context(str(license_server.server.ca_pem_path))
    with closing(durable(folder / "floor.db")) as connection:
        connection.execute("CREATE TABLE sent (step INTEGER)")

        def floor() -> float:
            began = time.perf_counter()
            for step in range(3):
                connection.execute("INSERT INTO sent VALUES (?)", (step,))
            with httpx.Client(verify=context, trust_env=False) as client:
                client.post(f"{license_server.server.url}/v1/telemetry", content=b"{}")
            return time.perf_counter() - began

        yield floor


def starts(rounds: int) -> Iterator[Row]:
    """Start the service, and run a command."""
    used = serving(rounds)
    imports = "the same imports, one route"
    yield Row("start to the first response (CPU)", imports, [one.seconds / other.seconds for one, other in used], 1.1)
    yield Row("resident memory", imports, [one.mebibytes / other.mebibytes for one, other in used], 1.0)
    commands = [one.seconds / other.seconds for one, other in starting(("history",), rounds)]
    yield Row("the command history (CPU)", "Python and the same imports", commands, 1.3)
