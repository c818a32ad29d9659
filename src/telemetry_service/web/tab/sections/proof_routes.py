"""What was sent, as files: the bytes whose digests the drawer shows."""

from typing import Literal
from uuid import UUID

from fastapi.responses import Response

from telemetry_service.domain.errors import NotFoundError
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import page
from telemetry_service.web.tab import paths
from telemetry_service.web.topic import Topic

router = Topic("tab", described=False)


@router.get(f"{paths.HISTORY}/{{transmission_id}}/attempts/{{number}}/{{part}}")
@page
def download_part(context: Context, transmission_id: UUID, number: int, part: Literal["payload", "body"]) -> Response:
    """Reproduce what an attempt sent, and return it.

    That is the canonical payload before encryption, or the body as it crossed the network, which needs the API key
    that sealed it.
    """
    detail = read_now(context.runtime, read_transmission, transmission_id)
    attempt = next((it for it in detail.attempts if it.number == number), None)
    if attempt is None:
        raise NotFoundError
    proof = read_now(context.runtime, prove, detail.transmission, attempt)
    content = proof.payload if part == "payload" else proof.body
    if content is None:
        raise NotFoundError
    ending = "jwe" if part == "body" and attempt.encrypted else "json"
    name = f"telemetry-{transmission_id}-attempt-{number}-{part}.{ending}"
    # Not the media type that it was sent with: some browsers would add their own extension to the name.
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
