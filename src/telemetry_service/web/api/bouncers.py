"""The registry of bouncers."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends

from telemetry_service.domain.errors import NotFoundError, RegistryFullError
from telemetry_service.domain.facts import BouncerRegistration, RegisteredBouncer
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.report_facts import register_bouncer, remove_bouncer
from telemetry_service.pipeline.queries.facts import list_bouncers
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.facts import BouncerResponse, BouncersResponse
from telemetry_service.web.api.openapi_parts import refused_with
from telemetry_service.web.api.parameters import BouncerId
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import NO_BODY, JsonBody
from telemetry_service.web.security.authorization import needs

router = APIRouter(prefix="/bouncers", tags=["facts"])

_EXAMPLE = {"environment": "production", "pair_id": "pair-7"}

Registration = Annotated[BouncerRegistration, Depends(JsonBody(BouncerRegistration, _EXAMPLE))]


@router.put(
    "/{bouncer_id}",
    response_model=BouncerResponse,
    openapi_extra=refused_with(RegistryFullError),
)
@needs(Scope.REPORT)
def put_bouncer(context: Context, bouncer_id: BouncerId, registration: Registration) -> RegisteredBouncer:
    """Register a bouncer, or change its registration."""
    return register_bouncer(context.runtime, bouncer_id, registration)


@router.delete(
    "/{bouncer_id}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[NO_BODY],
    openapi_extra=refused_with(NotFoundError),
)
@needs(Scope.REPORT)
def delete_bouncer(context: Context, bouncer_id: BouncerId) -> None:
    """Remove a bouncer from the registry. Its reported usage stays counted."""
    if not remove_bouncer(context.runtime, bouncer_id):
        raise NotFoundError


@router.get("", response_model=BouncersResponse)
@needs(Scope.REPORT, Scope.READ)
def get_bouncers(context: Context) -> dict[str, tuple[RegisteredBouncer, ...]]:
    """List the registered bouncers."""
    return {"bouncers": read_now(context.runtime, list_bouncers)}
