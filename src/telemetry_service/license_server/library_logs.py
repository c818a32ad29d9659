"""httpx and httpcore log the URL, and at DEBUG every header. Here they log nothing."""

import logging

_LOGGERS = (
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def silence_library_logs() -> None:
    """Turn off the loggers of the HTTP libraries, for the whole process and at every level.

    ``disabled`` rather than a level, which a later configuration of logging may change.
    """
    for name in _LOGGERS:
        logging.getLogger(name).disabled = True
