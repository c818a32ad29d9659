"""How things are, with the cause and the next step."""

from fastapi import APIRouter

from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.queries.health import HealthReport, read_health
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.health import HealthResponse
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import needs

router = APIRouter(prefix="/telemetry", tags=["insight"])


@router.get("/health", response_model=HealthResponse)
@needs(Scope.READ)
def get_health(context: Context) -> HealthReport:
    """Return the health status, its cause, and the next step."""
    return read_now(context.runtime, read_health)
