"""What was sent, as files: the bytes whose digests the drawer shows."""

from uuid import UUID

from fastapi.responses import Response

from telemetry_service.pipeline.actions.note_reading import note_export
from telemetry_service.pipeline.queries.sent import Part, read_sent
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import CurrentCaller, viewer_page
from telemetry_service.web.tab import paths
from telemetry_service.web.topic import Topic

router = Topic("tab", described=False)


@router.get(f"{paths.HISTORY}/{{transmission_id}}/attempts/{{number}}/{{part}}")
@viewer_page
def download_part(context: Context, caller: CurrentCaller, transmission_id: UUID, number: int, part: Part) -> Response:
    """Return what an attempt sent: the canonical payload before encryption, or the body as it crossed the network."""
    attempt, content = read_now(context.runtime, read_sent, transmission_id, number, part)
    note_export(context.runtime, caller.actor, transmission_id, number, part)
    ending = "jwe" if part == "body" and attempt.encrypted else "json"
    name = f"telemetry-{transmission_id}-attempt-{number}-{part}.{ending}"
    # Not the media type that it was sent with: some browsers would add their own extension to the name.
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
