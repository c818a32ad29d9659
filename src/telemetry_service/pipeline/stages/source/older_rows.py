"""Counts older rows of the source, those from before reading began: one bounded step of a catch-up."""

from telemetry_service.domain.source import CatchUp, Cursor, Span, SpanNumbers, Step
from telemetry_service.domain.source_errors import SourceFullError, SourceMissingError, SourceSlowError
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.stages.add_counts import NoRoomError
from telemetry_service.pipeline.stages.source.events import add_step
from telemetry_service.source.database import COUNTING_SECONDS, SourceDatabase

_SMALLEST_SHARE = 1_000


def numbers_of(runtime: Runtime, span: Span) -> SpanNumbers:
    """Count what a catch-up would count.

    Raises:
        SourceError: the source cannot be read.
    """
    with _source(runtime).look(COUNTING_SECONDS) as look:
        look.require_contract()
        return look.numbers(span)


def number_behind(runtime: Runtime, cursor: Cursor) -> int:
    """Count the rows that can be read behind a cursor.

    Raises:
        SourceError: the source cannot be read.
    """
    with _source(runtime).look(COUNTING_SECONDS) as look:
        look.require_contract()
        return look.number_behind(cursor)


def count_older_step(runtime: Runtime, catch_up: CatchUp) -> None:
    """Read and count the next step of a catch-up, unless another process has meanwhile.

    Raises:
        SourceError: the source cannot be read on, or the open period has no room.
    """
    step = _read(runtime, catch_up)
    runtime.failpoint(Failpoint.SOURCE_READ)
    try:
        with runtime.database.write() as tx:
            period = tx.periods.share_open()
            finished = step.rows == 0
            if not tx.source.move_catch_up(catch_up, step.end, step.rows, step.counted, finished=finished):
                return
            add_step(runtime, tx, period.period_id, step)
            runtime.failpoint(Failpoint.SOURCE_COUNTED)
    except NoRoomError:
        raise SourceFullError from None
    runtime.failpoint(Failpoint.SOURCE_COMMITTED)


def _read(runtime: Runtime, catch_up: CatchUp) -> Step:
    reading = runtime.source_reading
    while True:
        try:
            with _source(runtime).look() as look:
                look.require_contract()
                return look.step(catch_up.cursor, reading.share, catch_up.span)
        except SourceSlowError:
            if reading.share >= _SMALLEST_SHARE:
                raise
            reading.share *= 10


def _source(runtime: Runtime) -> SourceDatabase:
    if runtime.source is None:
        raise SourceMissingError
    return runtime.source
