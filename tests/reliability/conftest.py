"""A whole site for each test that asks for one."""

from tests.support.site_fixtures import clock, server, site

__all__ = ["clock", "server", "site"]
