"""An audit table for each test that asks for one."""

from tests.support.source_fixtures import audit, source_server

__all__ = ["audit", "source_server"]
