"""What the service writes into its log: a line each, on standard error, and never the text of an exception."""

import logging
import sys
import time
import traceback
from types import TracebackType

_QUIET = ("apscheduler", "alembic", "asyncio")
"""Libraries that report each of their steps; only their warnings are of interest."""


def configure_logs(level: int = logging.INFO) -> None:
    """Send the log to standard error."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(LineFormatter())
    logging.basicConfig(level=level, handlers=[lines], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class LineFormatter(logging.Formatter):
    """Time in UTC, level, origin, message. Of an exception it shows the way and the kind.

    Its text is left out, for that of a library could hold a URL, a host or a key.
    """

    def __init__(self) -> None:
        """Write moments as RFC 3339 has them."""
        self.converter = time.gmtime
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatException(  # noqa: N802 - the name is logging's
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Return the way of an exception, without its text."""
        kind, _, trace = ei
        return "".join(traceback.format_tb(trace)) + (kind.__name__ if kind else "")
