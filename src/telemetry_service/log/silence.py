"""Keeps Python from printing what no one handles: of libraries' messages, warnings and exceptions it shows the text."""

import logging

from telemetry_service.log.hooks import install_hooks


def silence() -> None:
    """Write no log at all, as a command does: what it has to say it says in sentences of its own."""
    # With a handler at the root Python's handler of last resort is not asked.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False
    install_hooks()
