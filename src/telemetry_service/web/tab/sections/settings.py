"""The settings form: as saved, or as the administrator filled it in and must check it again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.schedule import Frequency, next_runs
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.consequences import count_rows_to_purge
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.labels import RETENTION

DATES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TypedForm:
    """What the form shows: the saved values, or the unsaved choices with their errors."""

    values: Configuration
    errors: Mapping[str, str] = field(default_factory=dict)
    stale: bool = False
    """Whether someone else has saved since the form was shown."""
    resumed: bool = False
    """Whether it was filled in before a login."""
    key_dropped: bool = False
    """Whether a key was typed that this response does not repeat."""


def settings_section(snapshot: Snapshot, typed: TypedForm | None) -> dict[str, Any]:
    """Return the saved values, what the form shows instead, and how many rows each shorter retention would delete."""
    configuration = read_configuration(snapshot)
    shorter = (days for days in RETENTION if days < configuration.stored.values.retention_days)
    return {
        "configuration": configuration,
        "form": typed or TypedForm(configuration.values),
        "rows_to_purge": {days: count_rows_to_purge(snapshot, days) for days in shorter},
    }


def with_error(typed: TypedForm | None, snapshot: Snapshot, wrong: str | None) -> TypedForm | None:
    """Return the form, with what is wrong with the API key."""
    if wrong is None:
        return typed
    return replace(typed or TypedForm(read_configuration(snapshot).values), errors={"api_key": wrong})


def next_dates(frequency: Frequency, now: datetime) -> tuple[date, ...]:
    """Return the days of the next runs at a frequency."""
    return tuple(run.date() for run in next_runs(frequency, now, DATES_SHOWN))
