"""What every test of this repository uses, those of the service and those of its clients."""

pytest_plugins = ["tests.plugin"]
