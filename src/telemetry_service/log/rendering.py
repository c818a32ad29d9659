"""Formats a line, as a JSON document or for a console. Only this module uses structlog."""

import logging
from collections.abc import Mapping
from typing import Any

from structlog.dev import ConsoleRenderer
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter

from telemetry_service.log.lines import line_of
from telemetry_service.log.options import LogFormat

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))
"""The levels as numbered by systemd's journal (sd-daemon(3))."""


def make_formatter(log_format: LogFormat, *, colors: bool = False, journal: bool = False) -> logging.Formatter:
    """Return the formatter; for the ``journal`` each line begins with its priority."""
    renderer: Any = JSONRenderer()
    if log_format is LogFormat.CONSOLE:
        renderer = ConsoleRenderer(colors=colors, timestamp_key="time", sort_keys=False, pad_event_to=24)
    formatter = ProcessorFormatter(
        foreign_pre_chain=[_only_what_may_be_written],
        processors=[renderer],
        use_get_message=False,  # A library's text is not even formatted.
    )
    return _JournalFormatter(formatter) if journal else formatter


def _only_what_may_be_written(_logger: object, _name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return line_of(found["_record"])


class _JournalFormatter(logging.Formatter):
    """Puts the priority before each line, so that ``journalctl -p warning`` works."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        priority = next(number for level, number in _PRIORITIES if record.levelno >= level)
        return f"<{priority}>{self._inner.format(record)}"
