"""What a test has caught of the log, as it would be written."""

from typing import Any

import pytest

from telemetry_service.log.events import Event
from telemetry_service.log.lines import line_of
from telemetry_service.log.write import EVENT


def lines_in(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the lines of the service's own events."""
    return [line_of(record) for record in caplog.records if hasattr(record, EVENT)]


def lines_of(caplog: pytest.LogCaptureFixture, event: Event) -> list[dict[str, Any]]:
    """Return the lines of one event, without what differs from run to run: the time."""
    return [
        {name: line[name] for name in line if name != "time"} for line in lines_in(caplog) if line["event"] == event
    ]
