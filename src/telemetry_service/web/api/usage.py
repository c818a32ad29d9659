"""Usage reports: the hot path."""

import asyncio
from typing import Annotated

from fastapi import Depends, Response

from telemetry_service.domain import errors
from telemetry_service.domain.facts import UsageBatch, UsageReport
from telemetry_service.identity.scopes import Scope
from telemetry_service.schemas.facts import RecordingResponse
from telemetry_service.web.api.openapi_parts import refused_with
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import UsageBody
from telemetry_service.web.http.direct_route import DirectRoute
from telemetry_service.web.security.authorization import needs
from telemetry_service.web.topic import Topic

router = Topic("facts", route_class=DirectRoute)

RECORDING_SECONDS = 25
"""How long a call waits for the disk: for the group being written when it arrives, and then for its own."""

_UNDECIDED = "The database does not respond in time. Send the same reports again; each counts once."
_EXAMPLE = {
    "report_id": "01980000-0000-7000-8000-000000000001",
    "bouncer_id": "bnc-7-prd",
    "environment": "production",
    "audit_events": 120,
    "policy_decisions": 110,
    "successful_decisions": 108,
}

Reports = Annotated[list[UsageReport], Depends(UsageBody(UsageBatch, {"reports": [_EXAMPLE]}))]


@router.post("/usage", response_model=RecordingResponse)
@needs(Scope.REPORT)
@refused_with(errors.PeriodFullError, errors.TooManyBouncersError)
async def post_usage(context: Context, reports: Reports) -> Response:
    """Add usage to the open period. Once this responds, every report in the request is on disk. No report counts twice.

    A request that the period has no room for is refused as a whole; `errors` lists the reports that do not fit.
    """
    # Shielded: a caller that disconnects must not cancel what the recorder is writing.
    call = context.recorder.submit(reports)
    try:
        result = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(call)), RECORDING_SECONDS)
    except TimeoutError:
        call.cancel()  # Unless it is already being written.
        raise errors.StorageUnavailableError(_UNDECIDED) from None
    context.metrics.recorded(result)
    return Response(RecordingResponse.model_validate(result).model_dump_json(), media_type="application/json")
