"""Checks the source before it is used, and says what is wrong with its views, rights and cursor."""

from dataclasses import dataclass

from telemetry_service.domain.errors import SettingsError
from telemetry_service.domain.source import Horizon, SourceState
from telemetry_service.domain.source_errors import (
    SourceAwayError,
    SourceDeniedError,
    SourceError,
    SourceMissingError,
    SourceRestoredError,
    SourceSchemaError,
    stored_error,
)
from telemetry_service.pipeline.runtime import Runtime

_DISPROVED = (SourceAwayError, SourceDeniedError, SourceSchemaError)
"""What a look that succeeds has shown to be over, even before the service reads on."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What a check found."""

    horizon: Horizon | None
    """What can be read; None if the source cannot be."""
    state: SourceState | None
    error: SourceError | None
    warnings: tuple[str, ...] = ()


def refuse_wrong_views(runtime: Runtime) -> None:
    """Check the views at the start of the service.

    A source that is away, or that does not grant its rights now, stops no start: the health says so.

    Raises:
        SettingsError: the views are not as documented.
    """
    if runtime.source is None:
        return
    try:
        with runtime.source.look() as look:
            look.require_contract()
    except SourceSchemaError as error:
        problems = error.problems or (error.text,)
        raise SettingsError(tuple(f"TELEMETRY_SOURCE_DATABASE_URL: {problem}" for problem in problems)) from None
    except SourceError:
        return


def check_source(runtime: Runtime) -> SourceReport:
    """Look at the source without counting anything.

    Raises:
        SourceMissingError: the deployment names no source.
    """
    if runtime.source is None:
        raise SourceMissingError
    with runtime.database.read() as tx:
        state = tx.source.state()
    try:
        with runtime.source.look() as look:
            look.require_contract()
            horizon = look.horizon()
            begun = state.begun if state else None
            if begun is not None and look.went_back(begun.cursor, horizon):
                return SourceReport(horizon, state, SourceRestoredError())
            if begun is not None:
                look.anchor(begun)
            return SourceReport(horizon, state, _stopped(state), look.warnings())
    except SourceError as error:
        return SourceReport(None, state, error)


def _stopped(state: SourceState | None) -> SourceError | None:
    """Return why the service has stopped reading, if this look does not show that it is over."""
    if state is None or state.obstacle is None:
        return None
    error = stored_error(state.obstacle)
    return None if isinstance(error, _DISPROVED) else error
