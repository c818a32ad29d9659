"""A database that version 0.1.0 has lived in, once on each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import RunDatabases
from tests.support.lived_in import LivedIn, postgresql_lived_in, sqlite_lived_in


@pytest.fixture(params=["sqlite", "postgresql"])
def lived_in(request: pytest.FixtureRequest, run_databases: RunDatabases, tmp_path: Path) -> Iterator[LivedIn]:
    """A database of version 0.1.0, not upgraded yet."""
    if request.param == "sqlite":
        yield sqlite_lived_in(tmp_path)
        return
    with postgresql_lived_in(run_databases) as restored:
        yield restored
