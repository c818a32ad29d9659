"""What the responses share: the format of times, reading values, and the cause of a failure."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasPath, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.owner import Owner
from telemetry_service.schemas.member_texts import describe_members

Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-15T02:00:00.000Z"]}),
]
"""RFC 3339 in UTC, to the millisecond: ``2026-11-15T02:00:00.000Z``."""

COMPONENT = "x-component"
"""Marks a schema that stands for a component of the description with this name."""

PayloadObject = Annotated[dict[str, Any], WithJsonSchema({COMPONENT: "TelemetryAggregatePayload"})]
"""A payload as it was stored, by whichever version."""


class ResponseModel(BaseModel):
    """The root of the responses: closed here, so that nothing gets into one by accident. Clients see it as open."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True, json_schema_extra=describe_members)


def read_from(path: str) -> Any:  # noqa: ANN401 - the field's own annotation says its type
    """Read a field from an attribute with a different name: ``read_from("verdict.badge")``."""
    return Field(validation_alias=AliasPath(*path.split(".")))


class CauseResponse(ResponseModel):
    """Why something failed, what to do, and who can do it."""

    code: Cause
    sentence: str
    next_step: str
    owner: Owner
