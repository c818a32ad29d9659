"""What would leave now."""

from fastapi import APIRouter

from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.queries.preview import Preview, build_preview
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.preview import PreviewResponse
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import needs

router = APIRouter(prefix="/telemetry", tags=["insight"])


@router.get("/preview", response_model=PreviewResponse)
@needs(Scope.READ)
def get_preview(context: Context) -> Preview:
    """Show the open period: the guide's figures, the exact payload, its encrypted form, and what changed."""
    return read_now(context.runtime, build_preview)
