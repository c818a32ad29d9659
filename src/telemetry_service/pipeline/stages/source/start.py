"""Finds where the source is read from if nothing that is there now counts."""

from telemetry_service.domain.source import Cursor, Start
from telemetry_service.domain.source_errors import SourceMissingError
from telemetry_service.pipeline.runtime import Runtime


def start_now(runtime: Runtime) -> Start:
    """Return the position from which on no row is final yet, and what is there behind it already.

    Raises:
        SourceError: the source cannot be read.
    """
    if runtime.source is None:
        raise SourceMissingError
    with runtime.source.look() as look:
        look.require_contract()
        cursor = Cursor(look.horizon().below)
        return Start(cursor, look.there(), look.newest(cursor))
