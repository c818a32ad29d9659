"""What an administrator looks at: the preview, the health, the field dictionary."""

from fastapi import APIRouter

from telemetry_service.domain.dictionary import field_dictionary
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.api.schemas.insight import DictionaryResponse, FieldResponse, HealthResponse, PreviewResponse
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import needs

router = APIRouter(prefix="/telemetry", tags=["insight"])


@router.get("/preview")
@needs(Scope.READ)
def get_preview(context: Context) -> PreviewResponse:
    """Show the open period: the guide's figures, the exact payload, its encrypted form, and what changed."""
    return PreviewResponse.of(read_now(context.runtime, build_preview))


@router.get("/health")
@needs(Scope.READ)
def get_health(context: Context) -> HealthResponse:
    """Return the health status, its cause, and the next step."""
    return HealthResponse.of_report(read_now(context.runtime, read_health))


@router.get("/dictionary")
@needs(Scope.READ)
def get_dictionary() -> DictionaryResponse:
    """List every field that can be sent, what it means, and why it is collected."""
    return DictionaryResponse(fields=tuple(FieldResponse.of(entry) for entry in field_dictionary()))
