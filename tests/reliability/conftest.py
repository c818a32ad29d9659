"""A whole site for each test that asks for one, and a PostgreSQL server that may be treated badly."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresServer
from tests.support.site_fixtures import clock, server, site

__all__ = ["clock", "server", "site"]


@pytest.fixture(scope="session")
def other_server() -> Iterator[PostgresServer]:
    """A quick PostgreSQL server beside the run's, to restart and cut off; each test has a database of its own on it."""
    made = PostgresServer.make(durable=False)
    try:
        made.start()
        yield made
    finally:
        made.remove()
