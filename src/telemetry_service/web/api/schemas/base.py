"""How the API writes a moment."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from telemetry_service.domain.clock import rfc3339

Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-15T02:00:00.000Z"]}),
]
"""RFC 3339 in UTC, to the millisecond: ``2026-11-15T02:00:00.000Z``."""


class ResponseModel(BaseModel):
    """The root of the answers: closed, so that nothing gets into one by accident."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
