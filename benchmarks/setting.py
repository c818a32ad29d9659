"""What the benchmarks share: a durable database of each kind and an installation that nothing contacts."""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.service import Options, open_service
from tests.support.actors import CLI
from tests.support.postgres import PostgresServer
from tests.support.settings import settings_for

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
    settings = settings_for(database_url, "https://127.0.0.1:9", "cus_benchmark")
    runtime = open_service(settings, Options(scheduled=False)).runtime
    set_api_key(runtime, "benchmark-key-0123456789", CLI)
    return runtime


def sqlite_path(database_url: str) -> Path:
    """Return the file of a SQLite URL."""
    return Path(database_url.removeprefix("sqlite:///"))


def median_ratio(pairs: list[tuple[float, float]]) -> str:
    """Return the median of ``first / second`` over pairs that were measured in turn, with its range."""
    ratios = sorted(first / second for first, second in pairs)
    return f"{statistics.median(ratios):6.2f}  ({ratios[0]:.2f} … {ratios[-1]:.2f})"
