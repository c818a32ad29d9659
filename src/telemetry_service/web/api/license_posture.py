"""The license posture."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from telemetry_service.domain.errors import CustomerContradictionError, StaleLicenseError
from telemetry_service.domain.facts import LicensePosture
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.queries.facts import LicenseView, read_license
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.facts import LicenseResponse
from telemetry_service.web.api.openapi_parts import header, refused_with, response_header
from telemetry_service.web.api.parameters import TagsSeen
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import JsonBody
from telemetry_service.web.security.authorization import needs

router = APIRouter(prefix="/license", tags=["facts"])

_ETAG = response_header("ETag", "Identifies the content of the response. Send it in `If-Match` with a change.")
_EXAMPLE = {
    "customer_id": "cus_Example0001",
    "tier": "trial",
    "license_status": "trial",
    "expires_at": "2026-12-31T00:00:00Z",
}

Posture = Annotated[LicensePosture, Depends(JsonBody(LicensePosture, _EXAMPLE))]


@router.put(
    "",
    responses={200: {"headers": _ETAG}},
    openapi_extra=header("If-Match", "An ETag from an earlier response, a list of ETags, or `*`.", '"0f3a"')
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
        return seen is None or _tag(LicenseResponse.model_validate(present)) in seen

    return _tagged(response, report_license(context.runtime, posture, as_seen))


@router.get("", responses={200: {"headers": _ETAG}})
@needs(Scope.REPORT, Scope.READ)
def get_license(context: Context, response: Response) -> LicenseResponse:
    """Return the license posture, who reported it last and when, and whether feature gating is active."""
    return _tagged(response, read_now(context.runtime, read_license))


def _tagged(response: Response, view: LicenseView) -> LicenseResponse:
    """Name the answer's content in its ETag."""
    answer = LicenseResponse.model_validate(view)
    response.headers["ETag"] = _tag(answer)
    return answer


def _tag(answer: LicenseResponse) -> str:
    return f'"{hashlib.sha256(answer.model_dump_json().encode()).hexdigest()[:32]}"'
