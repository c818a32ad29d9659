"""Bundles in the tab: *Export Bundle* is a download, *Import Receipts* an upload. Both work without JavaScript."""

from typing import Annotated

from fastapi import File, UploadFile
from fastapi.responses import Response

from telemetry_service.domain.receipts_file import FILE_BYTES, read_receipts_file
from telemetry_service.pipeline.actions.export_bundle import export_bundle
from telemetry_service.pipeline.actions.import_receipts import import_receipts
from telemetry_service.web.security.authorization import page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.visit import CurrentVisit
from telemetry_service.web.topic import Topic

router = Topic("tab", described=False)


@router.post(paths.BUNDLES)
@page
def export(visit: CurrentVisit) -> Response:
    """Download a bundle of the waiting payloads."""
    bundle = export_bundle(visit.runtime, visit.actor)
    name = f'attachment; filename="{bundle.name}"'
    # Not the media type of JSON: some browsers would show the file in place of saving it.
    return Response(bundle.content, media_type="application/octet-stream", headers={"Content-Disposition": name})


@router.post(paths.RECEIPTS)
@page
def take_receipts(visit: CurrentVisit, file: Annotated[UploadFile, File()]) -> Response:
    """Import a file of receipts, and show what became of each. Sending the same file twice changes nothing."""
    receipts = read_receipts_file(file.file.read(FILE_BYTES + 1))
    report = import_receipts(visit.runtime, receipts, visit.actor)
    return visit.dialog("telemetry/proof/receipts_imported.html", {"report": report})
