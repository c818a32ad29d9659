"""Every field that can leave, and why."""

from fastapi import APIRouter

from telemetry_service.domain.dictionary import FieldEntry, field_dictionary
from telemetry_service.identity.scopes import Scope
from telemetry_service.schemas.preview import DictionaryResponse
from telemetry_service.web.security.authorization import needs

router = APIRouter(prefix="/telemetry", tags=["insight"])


@router.get("/dictionary", response_model=DictionaryResponse)
@needs(Scope.READ)
def get_dictionary() -> dict[str, tuple[FieldEntry, ...]]:
    """List every field that can be sent, what it means, and why it is collected."""
    return {"fields": field_dictionary()}
