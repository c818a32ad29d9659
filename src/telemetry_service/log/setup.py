"""Sets up the log of a process: one handler, on stderr."""

import logging
import os
import sys
from typing import TextIO

from telemetry_service.log.background import BackgroundHandler, DescriptorHandler
from telemetry_service.log.options import LogFormat, LogLevel
from telemetry_service.log.rendering import make_formatter
from telemetry_service.log.silence import silence
from telemetry_service.log.throttle import Throttle
from telemetry_service.log.write import LOGGER

_LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


def set_up_log(level: LogLevel, log_format: LogFormat | None, journal_stream: str | None = None) -> None:
    """Write to stderr from ``level`` up. Without a format, use the console's if stderr is one, else JSON.

    ``journal_stream`` identifies the stream that systemd has passed to us (``JOURNAL_STREAM``).
    """
    silence()
    stream = sys.stderr
    terminal = stream.isatty()
    chosen = log_format or (LogFormat.CONSOLE if terminal else LogFormat.JSON)
    writer = DescriptorHandler(stream.fileno())
    writer.setFormatter(make_formatter(chosen, colors=terminal, journal=_is_journal(stream, journal_stream)))
    handler = BackgroundHandler(writer)
    handler.addFilter(Throttle())
    logging.getLogger().handlers[:] = [handler]
    set_level(level)


def set_level(level: LogLevel) -> None:
    """Write from ``level`` up from now on. The metrics also count the events that are not written."""
    root = logging.getLogger()
    root.setLevel(max(logging.WARNING, _LEVELS[level]))  # Libraries' messages below are useless.
    for handler in root.handlers:
        handler.setLevel(_LEVELS[level])
    logging.getLogger(LOGGER).setLevel(min(logging.INFO, _LEVELS[level]))


def _is_journal(stream: TextIO, journal_stream: str | None) -> bool:
    """Whether ``stream`` is the one in ``JOURNAL_STREAM``: a child may have inherited only the variable."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal_stream == f"{found.st_dev}:{found.st_ino}"
