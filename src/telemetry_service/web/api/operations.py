"""For operators: liveness, readiness, metrics, and the description of the API."""

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from telemetry_service.identity.scopes import Scope
from telemetry_service.schemas.insight import AliveResponse, Liveness, ReadinessResponse
from telemetry_service.web.api.openapi import Description
from telemetry_service.web.context import Context
from telemetry_service.web.http.place import place_of
from telemetry_service.web.metrics.metrics import CONTENT_TYPE
from telemetry_service.web.security.authorization import needs, public
from telemetry_service.web.topic import Topic

router = Topic("operations")


@router.get("/healthz", response_model=AliveResponse, responses={503: {"model": AliveResponse}})
@public
async def get_healthz(context: Context) -> Response:
    """Report that the process responds and that its threads are running."""
    ended = [name for name, lives in context.threads().items() if not lives]
    body = AliveResponse(status=Liveness.THREAD_ENDED if ended else Liveness.ALIVE, ended_threads=ended)
    return JSONResponse(body.model_dump(mode="json"), 503 if ended else 200)


@router.get("/readyz", response_model=ReadinessResponse, responses={503: {"model": ReadinessResponse}})
@public
async def get_readyz(context: Context) -> Response:
    """Report whether the service can do its work.

    It can if the scheduler runs and the database is writable. Trouble at the License Server does not matter. The
    response comes from memory and never waits for other requests.
    """
    body = ReadinessResponse.model_validate(context.readiness())
    return JSONResponse(body.model_dump(), 200 if body.ready else 503)


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
@needs(Scope.METRICS, lasting=True)
def get_metrics(context: Context) -> Response:
    """Return the metrics in Prometheus format. While the database cannot be read, those that come from it are missing.

    Meanwhile, a token that was used in the last 10 minutes still works here.
    """
    return Response(context.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


@router.get("/api/v1/openapi.json", include_in_schema=False)
@public
async def get_openapi(request: Request) -> Response:
    """Return the description of this API (OpenAPI 3.1)."""
    description: Description = request.app.state.description
    return Response(await description.of(request.app, place_of(request).prefix), media_type="application/json")
