"""What other services report in addition to usage: bouncers, the license posture, redeemed extension codes."""

import hashlib
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Response

from telemetry_service.domain import errors
from telemetry_service.domain.facts import BouncerRegistration, ExtensionCode, RegisteredBouncer, ReportedLicense
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.report_facts import (
    redeem_code,
    register_bouncer,
    remove_bouncer,
    report_license,
)
from telemetry_service.pipeline.queries.facts import LicenseView, list_bouncers, read_license
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.facts import BouncerResponse, BouncersResponse, ExtensionCodeResponse, LicenseResponse
from telemetry_service.web.api.openapi_parts import header, refused_with, response_header
from telemetry_service.web.api.parameters import IF_MATCH_PATTERN, BouncerId, TagsSeen
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import NO_BODY, JsonBody
from telemetry_service.web.security.authorization import CurrentCaller, needs
from telemetry_service.web.topic import Topic

router = Topic("facts")

_BOUNCER = {"environment": "production", "pair_id": "pair-7"}
_LICENSE = {
    "customer_id": "cus_Example0001",
    "tier": "trial",
    "license_status": "trial",
    "expires_at": "2026-12-31T00:00:00Z",
}
_CODE = {"code_id": "EXT-2026-11", "redeemed_at": "2026-11-03T10:00:00Z"}
"""Examples of bodies, for the description."""

_ETAG = response_header("ETag", "Identifies the content of the response. Send it in `If-Match` with a change.")
_IF_MATCH = header("If-Match", "An ETag from an earlier response, a list of ETags, or `*`.", '"0f3a"', IF_MATCH_PATTERN)

Registration = Annotated[BouncerRegistration, Depends(JsonBody(BouncerRegistration, _BOUNCER))]
Posture = Annotated[ReportedLicense, Depends(JsonBody(ReportedLicense, _LICENSE))]
Code = Annotated[ExtensionCode, Depends(JsonBody(ExtensionCode, _CODE))]


@router.put("/bouncers/{bouncer_id}", response_model=BouncerResponse)
@needs(Scope.REPORT)
@refused_with(errors.RegistryFullError)
def put_bouncer(
    context: Context, caller: CurrentCaller, bouncer_id: BouncerId, registration: Registration
) -> RegisteredBouncer:
    """Register a bouncer, or change its registration."""
    return register_bouncer(context.runtime, bouncer_id, registration, caller.actor)


@router.delete("/bouncers/{bouncer_id}", status_code=HTTPStatus.NO_CONTENT, dependencies=[NO_BODY])
@needs(Scope.REPORT)
@refused_with(errors.NotFoundError)
def delete_bouncer(context: Context, caller: CurrentCaller, bouncer_id: BouncerId) -> None:
    """Remove a bouncer from the registry. Its reported usage stays counted."""
    if not remove_bouncer(context.runtime, bouncer_id, caller.actor):
        raise errors.NotFoundError


@router.get("/bouncers", response_model=BouncersResponse)
@needs(Scope.REPORT, Scope.READ)
def get_bouncers(context: Context) -> dict[str, tuple[RegisteredBouncer, ...]]:
    """List the registered bouncers."""
    return {"bouncers": read_now(context.runtime, list_bouncers)}


@router.put("/license", responses={200: {"headers": _ETAG}}, openapi_extra={"parameters": [_IF_MATCH]})
@needs(Scope.REPORT)
@refused_with(errors.CustomerContradictionError, errors.StaleLicenseError)
def put_license(
    context: Context, caller: CurrentCaller, response: Response, posture: Posture, seen: TagsSeen
) -> LicenseResponse:
    """Change the license posture. An omitted member keeps its value; null removes it.

    For tier and status, `unknown` means that there is none; a value that this version does not know is taken as
    `unknown`, as the response shows. Repeating the same values changes nothing. The License
    Server also reports tier, status, and expiry when it accepts a transmission. The latest report wins; `source` and
    `updated_at` show where it came from and when. With `If-Match`, a change is refused with 412 if the posture has
    changed since it was read.
    """

    def as_seen(present: LicenseView) -> bool:
        return _tag(LicenseResponse.model_validate(present)) in seen

    return _tagged(response, report_license(context.runtime, posture, caller.actor, as_seen))


@router.get("/license", responses={200: {"headers": _ETAG}})
@needs(Scope.REPORT, Scope.READ)
def get_license(context: Context, response: Response) -> LicenseResponse:
    """Return the license posture, who reported it last and when, and whether feature gating is active."""
    return _tagged(response, read_now(context.runtime, read_license))


@router.post("/extension-codes")
@needs(Scope.REPORT)
@refused_with(errors.ExtensionCodeConflictError, errors.ExtensionCodeRefusedError, errors.ExtensionCodesFullError)
def post_extension_code(context: Context, caller: CurrentCaller, code: Code) -> ExtensionCodeResponse:
    """Record a redeemed extension code. Repeating it changes nothing."""
    recorded = redeem_code(context.runtime, code, caller.actor)
    return ExtensionCodeResponse(code_id=code.code_id, recorded=recorded)


def _tagged(response: Response, view: LicenseView) -> LicenseResponse:
    """Set the ETag of a response from its content."""
    body = LicenseResponse.model_validate(view)
    response.headers["ETag"] = _tag(body)
    return body


def _tag(body: LicenseResponse) -> str:
    return f'"{hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]}"'
