"""A logging configuration that cannot leak: no access log, and no text of any exception.

A URL can be in an access log's line, and a host, a key or a value in an exception's text. What is
logged of an exception is its type and its places in the program.
"""

import logging
import traceback
from types import TracebackType
from typing import Any

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class QuietFormatter(logging.Formatter):
    """Writes where an exception came from, and never what it says."""

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - the standard library's name
        """Return the type of an exception and the places that it passed."""
        kind, _error, trace = ei
        if kind is None:
            return ""
        places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(trace)]
        return "\n".join([kind.__name__, *places])


LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"quiet": {"()": QuietFormatter, "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "quiet", "stream": "ext://sys.stderr"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "uvicorn": {"level": "WARNING"},
        "uvicorn.access": {"handlers": [], "propagate": False},
        "apscheduler": {"level": "WARNING"},
        "alembic": {"level": "WARNING"},
    },
}
"""For ``logging.config.dictConfig``."""
