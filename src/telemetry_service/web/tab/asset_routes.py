"""Serves the static files: public, compressed, and cached permanently by the browser."""

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from telemetry_service.domain.errors import NotFoundError
from telemetry_service.web.security.authorization import public
from telemetry_service.web.tab.assets import KEPT_FOR_EVER, PREFIX
from telemetry_service.web.tab.rendering import pages_of
from telemetry_service.web.topic import Topic

router = Topic("tab", described=False)


@router.get(f"{PREFIX}/{{name}}")
@public
async def find_asset(request: Request, name: str) -> Response:
    """Redirect a host console, which cannot know the digest, to the present version of a file."""
    assets = pages_of(request).assets
    if not assets.has(name):
        raise NotFoundError
    return RedirectResponse(assets.url(name), headers={"Cache-Control": "no-cache"})


@router.get(f"{PREFIX}/{{digest}}/{{name}}")
@public
async def get_asset(request: Request) -> Response:
    """Return a static file, or 404 if the address is that of another version."""
    asset = pages_of(request).assets.find(request.url.path)
    if asset is None:
        raise NotFoundError
    headers = {"Cache-Control": KEPT_FOR_EVER, "Vary": "Accept-Encoding"}
    content = asset.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = asset.compressed
    return Response(content, media_type=asset.media_type, headers=headers)
