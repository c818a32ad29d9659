"""The preview of the open period, the health, and every field that can be sent."""

from telemetry_service.domain.dictionary import FieldEntry, field_dictionary
from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.queries.health import HealthReport, read_health
from telemetry_service.pipeline.queries.preview import Preview, build_preview
from telemetry_service.pipeline.queries.source import SourceView, read_source
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.insight import DictionaryResponse, HealthResponse, PreviewResponse
from telemetry_service.schemas.source import SourceResponse
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import needs
from telemetry_service.web.topic import Topic

router = Topic("insight", "/telemetry")


@router.get("/preview", response_model=PreviewResponse)
@needs(Scope.READ)
def get_preview(context: Context) -> Preview:
    """Show the open period: the guide's figures, the exact payload, its encrypted form, and what changed."""
    return read_now(context.runtime, build_preview)


@router.get("/health", response_model=HealthResponse)
@needs(Scope.READ)
def get_health(context: Context) -> HealthReport:
    """Return the health status, its cause, and the next step."""
    return read_now(context.runtime, read_health)


@router.get("/source", response_model=SourceResponse)
@needs(Scope.READ)
def get_source(context: Context) -> SourceView:
    """Return how far the Control Plane's own database was read, and what keeps it from being read on."""
    return read_now(context.runtime, read_source)


@router.get("/dictionary", response_model=DictionaryResponse)
@needs(Scope.READ)
def get_dictionary() -> dict[str, str | tuple[FieldEntry, ...]]:
    """List every field that can be sent, what it means, and why it is collected."""
    return {"schema_sha256": current_schema().sha256, "fields": field_dictionary()}
