"""What every test of this repository uses, those of the service and those of its clients."""

from tests.support.one_sqlite import use_one_sqlite

pytest_plugins = ["tests.plugin"]
use_one_sqlite()  # Before a plugin imports the other one.
