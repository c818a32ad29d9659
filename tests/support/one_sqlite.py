"""One SQLite library in the tests' process: the service's.

Tests look into the database of a service that runs in their own process. Two libraries in one process do not see each
other's locks on a file.
"""

import sys
from importlib import import_module


def use_one_sqlite() -> None:
    """Let ``import sqlite3`` be the library that the service uses, from now on."""
    try:
        bundled = import_module("pysqlite3")
    except ImportError:
        return
    sys.modules["sqlite3"] = bundled
    sys.modules["sqlite3.dbapi2"] = import_module("pysqlite3.dbapi2")
