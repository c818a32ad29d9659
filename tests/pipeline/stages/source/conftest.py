"""A site that counts from an audit table, for each test of this folder."""

from tests.support.databases import on_sqlite
from tests.support.site_fixtures import clock, server
from tests.support.source_fixtures import audit, site, source_server

__all__ = ["audit", "clock", "on_sqlite", "server", "site", "source_server"]
