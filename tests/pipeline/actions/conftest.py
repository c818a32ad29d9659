"""Besides a site: a database that version 0.1.0 has lived in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import RunDatabases
from tests.support.lived_in import (
    LivedIn,
    postgresql_lived_in,
    postgresql_upgraded,
    sqlite_lived_in,
    sqlite_upgraded,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def lived_in(request: pytest.FixtureRequest, run_databases: RunDatabases, tmp_path: Path) -> Iterator[LivedIn]:
    """A database of version 0.1.0; with the schema of this version for a test that begins with its first start."""
    upgraded = "upgraded" in request.fixturenames
    if request.param == "sqlite":
        yield sqlite_upgraded(run_databases, tmp_path) if upgraded else sqlite_lived_in(tmp_path)
        return
    with postgresql_upgraded(run_databases) if upgraded else postgresql_lived_in(run_databases) as found:
        yield found
