"""ETags that are made from the content of a response, where nothing else has a version."""

import hashlib

from telemetry_service.schemas.base import ResponseModel
from telemetry_service.web.api.openapi_parts import header, response_header
from telemetry_service.web.api.parameters import IF_MATCH_PATTERN

ETAG = response_header("ETag", "Identifies the content of the response. Send it in `If-Match` with a change.")
IF_MATCH = header("If-Match", "An ETag from an earlier response, a list of ETags, or `*`.", '"0f3a"', IF_MATCH_PATTERN)


def tag_of(body: ResponseModel) -> str:
    """Return the strong ETag of a response."""
    return f'"{hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]}"'
