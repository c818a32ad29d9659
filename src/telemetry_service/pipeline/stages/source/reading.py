"""Reads the source until nothing is left or the time is over, and notes what stopped it.

A source in trouble stops nothing else: no start, no run of the schedule, no *Send Now*.
"""

import time

from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.source import MOMENT, Obstacle
from telemetry_service.domain.source_errors import SourceError, SourceSlowError, SourceStateUnreadableError
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.source.events import count_step
from telemetry_service.pipeline.stages.source.facts import read_facts

ROUND_SECONDS = 60.0
"""How long the regular job reads at most before it looks at bouncers and codes again."""

FACTS_SECONDS = 60.0
"""How often bouncers and codes are read: their views are read as a whole."""

_SMALLEST_SHARE = 1_000
"""After timeouts, a step reads no less than this part of its rows."""


def read_regularly(runtime: Runtime) -> None:
    """Read what is there, for the regular job."""
    if runtime.source_reading.turn.acquire(blocking=False):
        try:
            _read(runtime, ROUND_SECONDS, facts=time.monotonic() - runtime.source_reading.facts_at >= FACTS_SECONDS)
        finally:
            runtime.source_reading.turn.release()


def read_up_to_now(runtime: Runtime) -> None:
    """Read up to this moment, for ten seconds at most, before the period is closed or left."""
    if not runtime.deployment.source_database:
        return
    until = time.monotonic() + MOMENT.total_seconds()
    if runtime.source_reading.turn.acquire(timeout=MOMENT.total_seconds()):
        try:
            _read(runtime, until - time.monotonic(), facts=True)
        finally:
            runtime.source_reading.turn.release()


def _read(runtime: Runtime, seconds: float, *, facts: bool) -> None:
    until = time.monotonic() + seconds
    try:
        while _step(runtime) and time.monotonic() < until and not runtime.stopping.is_set():
            pass
        if facts and time.monotonic() < until:
            read_facts(runtime)
            runtime.source_reading.facts_at = time.monotonic()
    except SourceError as error:
        note_obstacle(runtime, error)
    except RowUnreadableError as error:
        note_obstacle(runtime, SourceStateUnreadableError(error.column))


def _step(runtime: Runtime) -> bool:
    reading = runtime.source_reading
    try:
        return count_step(runtime)
    except SourceSlowError:
        if reading.share >= _SMALLEST_SHARE:
            raise
        reading.share *= 10
        return True


def note_obstacle(runtime: Runtime, error: SourceError) -> None:
    """Note what stopped the reading, once, so that every interface and replica says so."""
    obstacle = Obstacle(error.code, error.text, runtime.clock.now())
    with runtime.database.write() as tx:
        new = tx.source.met(obstacle)
    if new:
        log_event(Event.SOURCE_STOPPED, code=error.code)
