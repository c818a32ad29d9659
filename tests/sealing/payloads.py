"""A valid payload for the tests of sealing: the examples of the field dictionary, and changes to them."""

import json

from pydantic import JsonValue

from telemetry_service.domain.dictionary import field_dictionary
from telemetry_service.domain.payload import TelemetryAggregatePayload


def example_members() -> dict[str, JsonValue]:
    """Return the top-level members of the example payload."""
    return {entry.name: entry.example for entry in field_dictionary() if "." not in entry.name}


def payload(**changes: JsonValue) -> TelemetryAggregatePayload:
    """Return the example payload with some members changed."""
    return TelemetryAggregatePayload.model_validate_json(json.dumps(example_members() | changes))
