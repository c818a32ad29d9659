"""Everything that can happen to an installation, in every order: the License Server's own journal is the oracle."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine, text

from tests.reliability.lifetime import Lifetime
from tests.support.databases import RunDatabases
from tests.support.license_server import LicenseServer
from tests.support.shared_clock import SharedClock

pytestmark = pytest.mark.waits


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(
    request: pytest.FixtureRequest, run_databases: RunDatabases, tmp_path: Path
) -> Iterator[Callable[[], str]]:
    """Make a database for each example; on PostgreSQL one for all, emptied."""
    if request.param == "sqlite":
        yield lambda: run_databases.sqlite(tmp_path)
        return
    with run_databases.postgresql() as url:
        yield partial(emptied, url)


def emptied(url: str) -> str:
    engine = create_engine(url)
    with engine.begin() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
        names = ", ".join(name for name in tables if name != "telemetry_alembic_version")
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    engine.dispose()
    return url


@pytest.mark.timeout(1800)
def test_whatever_happens_in_whatever_order_nothing_is_lost_and_nothing_counts_twice(
    fresh_url: Callable[[], str], server: LicenseServer, clock: SharedClock
) -> None:
    run_state_machine_as_test(
        lambda: Lifetime(fresh_url(), server, clock),  # type: ignore[arg-type]  # any maker of machines will do
        settings=settings(max_examples=max(8, settings().max_examples // 10), stateful_step_count=25),
    )
