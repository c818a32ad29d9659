"""What the benchmarks share: a durable database of each kind and an installation that nothing contacts."""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.configuration import Deployment
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.keyring import KeyRing, generate_key, parse_keys
from telemetry_service.storage.database import Database
from telemetry_service.storage.migrate import migrate
from tests.support.postgres import PostgresServer

KINDS = ("sqlite", "postgresql")


@contextmanager
def durable_databases(kind: str) -> Iterator[Callable[[], str]]:
    """Give a maker of fresh, empty databases in which a commit is on disk when it returns."""
    with tempfile.TemporaryDirectory(prefix="telemetry-bench-") as folder:
        if kind == "sqlite":
            names = iter(range(1_000))
            yield lambda: f"sqlite:///{folder}/{next(names)}.db"
            return
        server = PostgresServer.make(durable=True)
        server.start()
        try:
            names = iter(range(1_000))
            yield lambda: server.create_database(f"bench_{next(names)}")
        finally:
            server.remove()


def make_runtime(database_url: str) -> Runtime:
    """Return an installation that is fully configured; its License Server is a closed port of this machine."""
    migrate(database_url)
    runtime = Runtime(
        database=Database(database_url),
        clock=SystemClock(),
        deployment=Deployment(
            license_server_configured=True,
            customer_id="cus_benchmark",
            version="1.0.0",
            enabled=True,
            send_spread=timedelta(0),
        ),
        keys=KeyRing(parse_keys(generate_key())),
        client=LicenseServerClient(Endpoint("https://127.0.0.1:9")),
        receipt_key=None,
        connection=b"",
    )
    start(runtime)
    set_api_key(runtime, "benchmark-key-0123456789", "cli")
    return runtime


def sqlite_path(database_url: str) -> Path:
    """Return the file of a SQLite URL."""
    return Path(database_url.removeprefix("sqlite:///"))


def median_ratio(pairs: list[tuple[float, float]]) -> str:
    """Return the median of ``first / second`` over pairs that were measured in turn, with its range."""
    ratios = sorted(first / second for first, second in pairs)
    return f"{statistics.median(ratios):6.2f}  ({ratios[0]:.2f} … {ratios[-1]:.2f})"
