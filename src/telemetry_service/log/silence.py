"""Keeps Python from printing unhandled messages, warnings and exceptions, whose text it would show."""

import logging

from telemetry_service.log.hooks import install_hooks


def silence() -> None:
    """Write no log at all. A command reports what it has to say in its own sentences."""
    # With a handler at the root, Python's handler of last resort is not used.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False
    install_hooks()
