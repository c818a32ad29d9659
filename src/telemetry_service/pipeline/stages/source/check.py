"""Checks the source before it is used, and says what is wrong with its views, rights and cursor."""

from dataclasses import dataclass

from telemetry_service.domain.errors import SettingsError
from telemetry_service.domain.source import Horizon, SourceState
from telemetry_service.domain.source_errors import (
    SourceError,
    SourceMissingError,
    SourceRestoredError,
    SourceSchemaError,
)
from telemetry_service.pipeline.runtime import Runtime


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
            return SourceReport(horizon, state, None, look.warnings())
    except SourceError as error:
        return SourceReport(None, state, error)
