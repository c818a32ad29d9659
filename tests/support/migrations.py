"""Moves a database up and down the chain of migrations as a developer does: with Alembic's own commands."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from telemetry_service.storage.engine import make_migrating_engine

_ROOT = Path(__file__).parents[2]
FIRST = "0001"
BASE = "base"
HEAD = "head"


def _configuration(database_url: str) -> Config:
    configuration = Config(_ROOT / "alembic.ini", cmd_opts=Namespace(x=[f"url={database_url}"]))
    configuration.set_main_option("script_location", str(_ROOT / "migrations").replace("%", "%%"))
    return configuration


def upgrade(database_url: str, revision: str = HEAD) -> None:
    """Bring a database up to a revision."""
    command.upgrade(_configuration(database_url), revision)


def downgrade(database_url: str, revision: str = BASE) -> None:
    """Bring a database down to a revision."""
    command.downgrade(_configuration(database_url), revision)


def check(database_url: str) -> None:
    """Ask Alembic whether the database has the tables of the code; it raises an error where not."""
    command.check(_configuration(database_url))


@contextmanager
def connected(database_url: str) -> Iterator[Connection]:
    """Connect as a migration does, for one transaction."""
    engine = make_migrating_engine(database_url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
