"""The log options of a deployment."""

from enum import StrEnum


class LogFormat(StrEnum):
    """The format of a line."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The lowest level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
