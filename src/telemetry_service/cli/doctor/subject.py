"""What the checks of a database that is ready look at."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from telemetry_service.domain.connection_check import ConnectionCheck
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.pipeline.actions.check_connection import try_connection
from telemetry_service.service import OpenService
from telemetry_service.settings import Settings


@dataclass(frozen=True)
class Subject:
    """One installation at one moment."""

    settings: Settings
    service: OpenService
    now: datetime
    offline: bool

    @cached_property
    def exchange(self) -> ConnectionCheck | TelemetryError | None:
        """The result of one signed message, which nothing records, or why there is none; None if offline."""
        if self.offline:
            return None
        try:
            return try_connection(self.service.runtime)
        except TelemetryError as error:
            return error
