"""Fixtures that every test may use. The databases are real, and each test has one of its own."""

import gc
import os
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.compiled import share_compiled
from tests.support.databases import RunDatabases
from tests.support.loopback import LoopbackGuard
from tests.support.memory import memory
from tests.support.open_files import open_files
from tests.support.postgres import PostgresServer
from tests.support.turns import WORKERS_FOR_A_CORE, in_turns

_DATABASES = pytest.StashKey[RunDatabases]()
_GUARD = pytest.StashKey[LoopbackGuard]()
_FOLDER = "telemetry_run_folder"

_GARBAGE_THRESHOLDS = (50_000, 10, 10)
"""Python's own 700 new objects between two searches for garbage take a tenth of the tests' time."""

_LEFT_OPEN = 50
"""A test has a few dozens of files open, and a process may usually have 1,024."""

# No example has a deadline: how long one takes says something of the machine, not of the service. For the same
# reason slow generation of examples is no fault.
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), max_examples=100, print_blob=True, database=None)
settings.register_profile("thorough", settings.get_profile("dev"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Start more workers than there are cores, unless somebody has said how many."""
    cores = yield
    return cores if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else cores * WORKERS_FOR_A_CORE


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let those tests begin first that wait, and those of the browser side by side."""
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = in_turns(items, workers)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage before all tests are known, and never search what stays: modules and tests fill the heap.

    Afterwards it is searched for seldom.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - pytest-xdist exports no types
    """Pass the folder that the run shares to each parallel worker."""
    node.workerinput[_FOLDER] = str(node.config.stash[_DATABASES].folder)


def pytest_configure(config: pytest.Config) -> None:
    """Give the run its folders: the main process creates them, the workers get their paths."""
    if folder := memory(for_programs=True):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))
    # Each TLS context reads all authorities of the machine, which takes as long as a quick test; no test needs one.
    os.environ["SSL_CERT_FILE"] = os.devnull
    shared = getattr(config, "workerinput", {}).get(_FOLDER)
    config.stash[_DATABASES] = RunDatabases(Path(shared)) if shared else RunDatabases.make()
    config.stash[_GUARD] = LoopbackGuard()
    share_compiled()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take down what the run has put up, in the process that started it."""
    if not hasattr(config, "workerinput"):
        config.stash[_DATABASES].remove()


@pytest.fixture(scope="session", autouse=True)
def leaves_little_open() -> Iterator[None]:
    """Fail the last test of a process in which files or connections are left open, so that a leak is found in time."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # What was garbage until now is no longer open.
        gc.collect()
    left = open_files()
    assert len(left) <= _LEFT_OPEN, left


@pytest.fixture(scope="session")
def run_databases(pytestconfig: pytest.Config) -> RunDatabases:
    """What makes databases for this run."""
    return pytestconfig.stash[_DATABASES]


@pytest.fixture
def sqlite_url(run_databases: RunDatabases, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite database."""
    return run_databases.sqlite(tmp_path)


@pytest.fixture
def postgresql_url(run_databases: RunDatabases) -> Iterator[str]:
    """The URL of a fresh, migrated PostgreSQL database."""
    with run_databases.postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, migrated database, once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, run_databases: RunDatabases, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a single table, once on each kind."""
    if request.param == "sqlite":
        yield run_databases.sqlite(tmp_path, migrated=False)
        return
    with run_databases.postgresql(migrated=False) as url:
        yield url


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A running, durable PostgreSQL server of the test's own, to stop, crash and cut off. Its databases are empty."""
    server = PostgresServer.make()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(autouse=True)
def stays_on_this_machine(pytestconfig: pytest.Config) -> Iterator[None]:
    """Fail the test during which this process tried to connect to anything but the machine itself."""
    guard = pytestconfig.stash[_GUARD]
    guard.take_refused()
    yield
    assert guard.take_refused() == [], "something tried to reach an address that is not this machine's"
