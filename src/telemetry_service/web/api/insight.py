"""What an administrator looks at: the preview, the health, the field dictionary."""

from fastapi import APIRouter

from telemetry_service.access.scopes import Scope
from telemetry_service.domain.dictionary import field_dictionary
from telemetry_service.pipeline.health_report import read_health
from telemetry_service.pipeline.preview import build_preview
from telemetry_service.web.api.answers_insight import DictionaryAnswer, FieldAnswer, HealthAnswer, PreviewAnswer
from telemetry_service.web.context import Context
from telemetry_service.web.gate import needs

router = APIRouter(prefix="/telemetry", tags=["insight"])


@router.get("/preview")
@needs(Scope.READ)
def get_preview(context: Context) -> PreviewAnswer:
    """Show the open period: the guide's figures, the exact payload, its sealed form, and what changed."""
    return PreviewAnswer.of(build_preview(context.installation))


@router.get("/health")
@needs(Scope.READ)
def get_health(context: Context) -> HealthAnswer:
    """Return the health with its cause and the next step."""
    return HealthAnswer.of_report(read_health(context.installation))


@router.get("/dictionary")
@needs(Scope.READ)
def get_dictionary() -> DictionaryAnswer:
    """List every field that can leave, with what it means and why it is collected."""
    return DictionaryAnswer(fields=tuple(FieldAnswer.of(entry) for entry in field_dictionary()))
