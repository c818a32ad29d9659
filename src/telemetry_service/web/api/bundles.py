"""Bundles: waiting transmissions as a file, and the receipts that come back for them."""

from typing import Annotated

from fastapi import Depends
from fastapi.responses import Response

from telemetry_service.domain import errors
from telemetry_service.domain.receipts_file import ImportReport, ReceiptsFile
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.export_bundle import export_bundle
from telemetry_service.pipeline.actions.import_receipts import import_receipts
from telemetry_service.schemas.bundles import ImportResponse
from telemetry_service.web.api.openapi_parts import UNSURE_WHAT_MAY_LEAVE, refused_with
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import NO_BODY, JsonBody
from telemetry_service.web.security.authorization import CurrentCaller, needs
from telemetry_service.web.topic import Topic

RECEIPTS = "/telemetry/bundles/receipts"

router = Topic("bundles")

_EXAMPLE = {"receipts": ["eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"], "refused": []}
Receipts = Annotated[ReceiptsFile, Depends(JsonBody(ReceiptsFile, _EXAMPLE))]


@router.post(
    "/telemetry/bundles",
    response_class=Response,
    dependencies=[NO_BODY],
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
@needs(Scope.ADMIN)
@refused_with(
    errors.NoBundlesError,
    errors.NothingToExportError,
    errors.TelemetryDisabledError,
    errors.NotConfiguredError,
    errors.KeyUnusableError,
    *UNSURE_WHAT_MAY_LEAVE,
)
def post_bundle(context: Context, caller: CurrentCaller) -> Response:
    """Export waiting transmissions as a bundle file. Each one in it is an attempt under the present API key."""
    bundle = export_bundle(context.runtime, caller.actor)
    name = f'attachment; filename="{bundle.name}"'
    return Response(bundle.content, media_type="application/json", headers={"Content-Disposition": name})


@router.post(RECEIPTS, response_model=ImportResponse)
@needs(Scope.ADMIN)
@refused_with(errors.ReceiptKeyMissingError)
def post_receipts(context: Context, caller: CurrentCaller, file: Receipts) -> ImportReport:
    """Import the receipts that the License Server made for a bundle, or a part of them. Safe to repeat."""
    return import_receipts(context.runtime, file, caller.actor)
