"""*Release*, *Withdraw* and *Accept without a receipt*: decisions about one transmission, each with a reason."""

from typing import Annotated

from fastapi import Depends

from telemetry_service.domain import errors
from telemetry_service.domain.release import ReasonInput
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.accept_without_receipt import accept_without_receipt
from telemetry_service.pipeline.actions.release import release, withdraw
from telemetry_service.pipeline.queries.history import TransmissionDetail
from telemetry_service.schemas.transmissions import TransmissionDetailResponse
from telemetry_service.web.api.openapi_parts import UNSURE_WHAT_MAY_LEAVE, refused_with
from telemetry_service.web.api.parameters import TransmissionId
from telemetry_service.web.context import Context
from telemetry_service.web.errors.request_errors import ExchangesBusyError
from telemetry_service.web.http.body import JsonBody
from telemetry_service.web.http.pools import waits_for_license_server
from telemetry_service.web.security.authorization import CurrentCaller, needs
from telemetry_service.web.topic import Topic

_EXAMPLE = {"reason": "Reviewed with the works council on 2026-11-27"}
Reason = Annotated[ReasonInput, Depends(JsonBody(ReasonInput, _EXAMPLE))]

router = Topic("transmissions", "/telemetry/history/{transmission_id:uuid}")


@router.post("/release", response_model=TransmissionDetailResponse)
@needs(Scope.ADMIN)
@refused_with(
    errors.NotFoundError,
    errors.TelemetryDisabledError,
    *UNSURE_WHAT_MAY_LEAVE,
    errors.NotAwaitingReleaseError,
    errors.WithdrawnError,
    errors.PayloadChangedError,
    errors.ReasonRefusedError,
    ExchangesBusyError,
)
@waits_for_license_server
def post_release(
    context: Context, caller: CurrentCaller, transmission_id: TransmissionId, given: Reason
) -> TransmissionDetail:
    """Release a payload that waits, and send it. Safe to repeat.

    If it waits because of a new field, that field is approved with it.
    """
    return release(context.runtime, transmission_id, caller.actor, given.reason)


@router.post("/withdraw", response_model=TransmissionDetailResponse)
@needs(Scope.ADMIN)
@refused_with(
    errors.NotFoundError,
    errors.AlreadyDeliveredError,
    errors.AttemptUnderWayError,
    errors.MayHaveArrivedError,
    errors.ReasonRefusedError,
)
def post_withdraw(
    context: Context, caller: CurrentCaller, transmission_id: TransmissionId, given: Reason
) -> TransmissionDetail:
    """Never send a payload of which nothing can have arrived. Safe to repeat.

    Its counts are not reported, and its extension codes are included in the next payload.
    """
    return withdraw(context.runtime, transmission_id, caller.actor, given.reason)


@router.post("/accept-without-receipt", response_model=TransmissionDetailResponse)
@needs(Scope.ADMIN)
@refused_with(
    errors.NotFoundError,
    errors.AttemptUnderWayError,
    errors.ReceiptNotMissingError,
    errors.WithdrawnError,
    errors.ReasonRefusedError,
)
def post_accept_without_receipt(
    context: Context, caller: CurrentCaller, transmission_id: TransmissionId, given: Reason
) -> TransmissionDetail:
    """Count a transmission as accepted that waits for a valid receipt. Safe to repeat."""
    return accept_without_receipt(context.runtime, transmission_id, caller.actor, given.reason)
