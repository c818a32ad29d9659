"""Redeemed extension codes."""

from typing import Annotated

from fastapi import APIRouter, Depends

from telemetry_service.domain.errors import (
    ExtensionCodeConflictError,
    ExtensionCodeRefusedError,
    ExtensionCodesFullError,
)
from telemetry_service.domain.facts import ExtensionCode
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.report_facts import redeem_code
from telemetry_service.schemas.facts import ExtensionCodeResponse
from telemetry_service.web.api.openapi_parts import refused_with
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import JsonBody
from telemetry_service.web.security.authorization import needs

router = APIRouter(tags=["facts"])

_EXAMPLE = {"code_id": "EXT-2026-11", "redeemed_at": "2026-11-03T10:00:00Z"}

Code = Annotated[ExtensionCode, Depends(JsonBody(ExtensionCode, _EXAMPLE))]


@router.post(
    "/extension-codes",
    openapi_extra=refused_with(ExtensionCodeConflictError, ExtensionCodeRefusedError, ExtensionCodesFullError),
)
@needs(Scope.REPORT)
def post_extension_code(context: Context, code: Code) -> ExtensionCodeResponse:
    """Record a redeemed extension code. Repeating it changes nothing."""
    recorded = redeem_code(context.runtime, code)
    return ExtensionCodeResponse(code_id=code.code_id, recorded=recorded)
