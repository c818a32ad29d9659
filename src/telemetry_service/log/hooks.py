"""Logs uncaught exceptions as events; Python would print their text."""

import sys
import threading
from types import TracebackType

from telemetry_service.log.write import log_exception


def install_hooks() -> None:
    """Replace Python's hooks for the whole process."""
    sys.excepthook = _main
    sys.unraisablehook = _unraisable
    threading.excepthook = _thread


def _main(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    if not isinstance(error, KeyboardInterrupt):
        log_exception(error, "process")


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    if found.exc_value is not None:
        log_exception(found.exc_value, "clean-up")


def _thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None:
        log_exception(found.exc_value, "thread")
