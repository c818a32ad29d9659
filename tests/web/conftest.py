"""The service of a test, and one that the tests of a file share where none of them changes what the others see."""

from collections.abc import Iterator

import pytest

from tests.support.databases import RunDatabases, on_sqlite
from tests.support.running import Running

__all__ = ["on_sqlite"]


@pytest.fixture
def service(database_url: str) -> Iterator[Running]:
    """A service of the test's own."""
    with Running(database_url) as running:
        yield running


@pytest.fixture(scope="module")
def shared(run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service on SQLite that the tests of a file share."""
    with Running(run_databases.sqlite(tmp_path_factory.mktemp("shared"))) as running:
        yield running
