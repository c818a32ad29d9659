"""Besides a site: a database that version 0.1.0 has lived in."""

from tests.upgrade.conftest import lived_in

__all__ = ["lived_in"]
