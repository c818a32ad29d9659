"""A whole site for each test that asks for one, on SQLite; on both databases for a test that is ``ON_BOTH``."""

from tests.support.databases import on_sqlite
from tests.support.site_fixtures import clock, server, site

__all__ = ["clock", "on_sqlite", "server", "site"]
