"""The facts that other Control Plane services report: bouncers, usage, the license, extension codes."""

import asyncio
import hashlib
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from telemetry_service.domain.errors import (
    CustomerContradictionError,
    ExtensionCodeConflictError,
    ExtensionCodeRefusedError,
    ExtensionCodesFullError,
    NotFoundError,
    PeriodFullError,
    RegistryFullError,
    StaleLicenseError,
    StorageUnavailableError,
    TooManyBouncersError,
)
from telemetry_service.domain.facts import BouncerRegistration, ExtensionCode, LicensePosture, UsageBatch, UsageReport
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.report_facts import (
    redeem_code,
    register_bouncer,
    remove_bouncer,
    report_license,
)
from telemetry_service.pipeline.queries.facts import LicenseView, list_bouncers, read_license
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.api.openapi_parts import answer_header, header, json_body, refused_with
from telemetry_service.web.api.parameters import BouncerId, TagsSeen
from telemetry_service.web.api.schemas.facts import (
    BouncerResponse,
    BouncersResponse,
    ExtensionCodeResponse,
    LicenseResponse,
    RecordingResponse,
)
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import NO_BODY, JsonBody, read_usage
from telemetry_service.web.security.authorization import needs

router = APIRouter(tags=["facts"])

_ETAG = answer_header("ETag", "Identifies the content of the response. Send it in `If-Match` with a change.")
_REPORT = {
    "report_id": "01980000-0000-7000-8000-000000000001",
    "bouncer_id": "bnc-7-prd",
    "environment": "production",
    "audit_events": 120,
    "policy_decisions": 110,
    "successful_decisions": 108,
}
_POSTURE = {
    "customer_id": "cus_Example0001",
    "tier": "trial",
    "license_status": "trial",
    "expires_at": "2026-12-31T00:00:00Z",
}
_CODE = {"code_id": "EXT-2026-11", "redeemed_at": "2026-11-03T10:00:00Z"}
"""Examples of bodies, for the description."""

Registration = Annotated[BouncerRegistration, Depends(JsonBody(BouncerRegistration))]
Posture = Annotated[LicensePosture, Depends(JsonBody(LicensePosture))]
Code = Annotated[ExtensionCode, Depends(JsonBody(ExtensionCode))]
Reports = Annotated[list[UsageReport], Depends(read_usage)]

RECORDING_SECONDS = 25
"""How long a call waits for the disk: for the group that is being written when it comes, and then for its own."""

_UNDECIDED = "The database does not respond in time. Send the same reports again; each counts once."


@router.put(
    "/bouncers/{bouncer_id}",
    openapi_extra=json_body(BouncerRegistration, {"environment": "production", "pair_id": "pair-7"})
    | refused_with(RegistryFullError),
)
@needs(Scope.REPORT)
def put_bouncer(context: Context, bouncer_id: BouncerId, registration: Registration) -> BouncerResponse:
    """Register a bouncer, or change its registration."""
    return BouncerResponse.of(register_bouncer(context.runtime, bouncer_id, registration))


@router.delete(
    "/bouncers/{bouncer_id}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[NO_BODY],
    openapi_extra=refused_with(NotFoundError),
)
@needs(Scope.REPORT)
def delete_bouncer(context: Context, bouncer_id: BouncerId) -> None:
    """Remove a bouncer from the registry. Its reported usage stays counted."""
    if not remove_bouncer(context.runtime, bouncer_id):
        raise NotFoundError


@router.get("/bouncers")
@needs(Scope.REPORT, Scope.READ)
def get_bouncers(context: Context) -> BouncersResponse:
    """List the registered bouncers."""
    found = read_now(context.runtime, list_bouncers)
    return BouncersResponse(bouncers=tuple(BouncerResponse.of(bouncer) for bouncer in found))


@router.post(
    "/usage",
    response_model=RecordingResponse,
    openapi_extra=json_body(UsageBatch, {"reports": [_REPORT]}) | refused_with(PeriodFullError, TooManyBouncersError),
)
@needs(Scope.REPORT)
async def post_usage(context: Context, reports: Reports) -> Response:
    """Add usage to the open period. Once this responds, every report in the request is on disk. No report counts twice.

    A request that the period has no room for is refused as a whole; `errors` lists the reports at fault.
    """
    # Shielded: a caller that goes away must not take back what the recorder is writing.
    call = context.recorder.submit(reports)
    try:
        result = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(call)), RECORDING_SECONDS)
    except TimeoutError:
        call.cancel()  # Where it is not being written already.
        raise StorageUnavailableError(_UNDECIDED) from None
    context.metrics.recorded(result)
    return Response(RecordingResponse.of(result).model_dump_json(), media_type="application/json")


@router.put(
    "/license",
    responses={200: {"headers": _ETAG}},
    openapi_extra=json_body(LicensePosture, _POSTURE)
    | header("If-Match", "An ETag from an earlier response, a list of ETags, or `*`.", '"0f3a"')
    | refused_with(CustomerContradictionError, StaleLicenseError),
)
@needs(Scope.REPORT)
def put_license(context: Context, response: Response, posture: Posture, seen: TagsSeen) -> LicenseResponse:
    """Change the license posture. An omitted member keeps its value; null removes it.

    For tier and status, `unknown` means that there is none. Repeating the same values changes nothing. The License
    Server also reports tier, status, and expiry when it accepts a transmission. The latest report wins; `source` and
    `updated_at` show where it came from and when. With `If-Match`, a change is refused with 412 if the posture has
    changed since it was read.
    """

    def as_seen(present: LicenseView) -> bool:
        return seen is None or _tag(LicenseResponse.of(present)) in seen

    return _tagged(response, LicenseResponse.of(report_license(context.runtime, posture, as_seen)))


@router.get("/license", responses={200: {"headers": _ETAG}})
@needs(Scope.REPORT, Scope.READ)
def get_license(context: Context, response: Response) -> LicenseResponse:
    """Return the license posture, who reported it last and when, and whether feature gating is active."""
    return _tagged(response, LicenseResponse.of(read_now(context.runtime, read_license)))


def _tagged(response: Response, answer: LicenseResponse) -> LicenseResponse:
    """Name the answer's content in its ETag."""
    response.headers["ETag"] = _tag(answer)
    return answer


def _tag(answer: LicenseResponse) -> str:
    return f'"{hashlib.sha256(answer.model_dump_json().encode()).hexdigest()[:32]}"'


@router.post(
    "/extension-codes",
    openapi_extra=json_body(ExtensionCode, _CODE)
    | refused_with(ExtensionCodeConflictError, ExtensionCodeRefusedError, ExtensionCodesFullError),
)
@needs(Scope.REPORT)
def post_extension_code(context: Context, code: Code) -> ExtensionCodeResponse:
    """Record a redeemed extension code. Repeating it changes nothing."""
    recorded = redeem_code(context.runtime, code)
    return ExtensionCodeResponse(code_id=code.code_id, recorded=recorded)
