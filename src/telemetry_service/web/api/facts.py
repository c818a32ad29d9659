"""What other services report in addition to usage and bouncers: the license posture, redeemed extension codes."""

from typing import Annotated

from fastapi import Depends, Response

from telemetry_service.domain import errors
from telemetry_service.domain.facts import ExtensionCode, ReportedLicense
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.report_facts import redeem_code, report_license
from telemetry_service.pipeline.queries.facts import LicenseView, read_license
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.facts import ExtensionCodeResponse, LicenseResponse
from telemetry_service.web.api.content_tags import ETAG, IF_MATCH, tag_of
from telemetry_service.web.api.openapi_parts import refused_with
from telemetry_service.web.api.parameters import TagsSeen
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import JsonBody
from telemetry_service.web.security.authorization import CurrentCaller, needs
from telemetry_service.web.topic import Topic

router = Topic("facts")

_LICENSE = {
    "customer_id": "cus_Example0001",
    "tier": "trial",
    "license_status": "trial",
    "expires_at": "2026-12-31T00:00:00Z",
}
_CODE = {"code_id": "EXT-2026-11", "redeemed_at": "2026-11-03T10:00:00Z"}
"""Examples of bodies, for the description."""

Posture = Annotated[ReportedLicense, Depends(JsonBody(ReportedLicense, _LICENSE))]
Code = Annotated[ExtensionCode, Depends(JsonBody(ExtensionCode, _CODE))]


@router.put("/license", responses={200: {"headers": ETAG}}, openapi_extra={"parameters": [IF_MATCH]})
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
        return tag_of(LicenseResponse.model_validate(present)) in seen

    return _tagged(response, report_license(context.runtime, posture, caller.actor, as_seen))


@router.get("/license", responses={200: {"headers": ETAG}})
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
    response.headers["ETag"] = tag_of(body)
    return body
