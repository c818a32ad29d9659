"""*Test Connection*: with the typed key, or else with the saved one."""

from typing import Any

from fastapi.responses import Response, StreamingResponse

from telemetry_service.domain.configuration import api_key_error
from telemetry_service.domain.connection_check import OnStep, StepName, ignore_step
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.web.http.pools import waits_for_license_server
from telemetry_service.web.security.authorization import page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.settings_form import SentForm, kept_form
from telemetry_service.web.tab.forms.step_stream import stream_steps
from telemetry_service.web.tab.views import SETTINGS, settings_view
from telemetry_service.web.tab.visit import CurrentVisit, Visit
from telemetry_service.web.topic import Topic

_RESULT = "telemetry/settings/connection_test.html"
_BADGE = "telemetry/settings/server_badge.html"

router = Topic("tab", described=False)


@router.post(paths.TEST_CONNECTION)
@page
@waits_for_license_server
def test_the_connection(visit: CurrentVisit, form: SentForm) -> Response:
    """Test without saving; changes in the form stay there."""
    if visit.htmx:
        return _stream(visit, form.key)
    shown = _test(visit, form.key)
    with open_snapshot(visit.runtime) as snapshot:
        typed = kept_form(form, read_configuration(snapshot))
        shown |= settings_view(snapshot, typed)
    return visit.page(SETTINGS, shown)


def _stream(visit: Visit, typed_key: str | None) -> Response:
    """Respond with each step as it begins, and then as to any other request of htmx."""
    pages = visit.pages

    def running(step: StepName) -> str:
        return pages.text(_RESULT, {"begun": step, "streamed": True})

    def finished(result: dict[str, Any]) -> str:
        shown = {"verdict": read_now(visit.runtime, lambda snapshot: snapshot.verdict), **result, "streamed": True}
        return pages.parts(_RESULT, (_BADGE,), visit.with_token(shown))

    # Ask proxies not to buffer the response.
    headers = {"Vary": "Cookie, HX-Request", "X-Accel-Buffering": "no"}
    steps = stream_steps(
        visit.context.pools.exchanges,
        lambda on_step: _test(visit, typed_key, on_step),
        running,
        finished,
        _refused,
    )
    return StreamingResponse(steps, media_type="text/html", headers=headers)


def _test(visit: Visit, typed_key: str | None, on_step: OnStep = ignore_step) -> dict[str, Any]:
    if typed_key is not None and (problem := api_key_error(typed_key)) is not None:
        return {"refusal": problem}
    try:
        check = check_connection(visit.runtime, visit.actor, typed_key, on_step)
    except TelemetryError as refusal:
        return _refused(refusal)
    return {"check": check, "unsaved_key": typed_key is not None}


def _refused(refusal: TelemetryError) -> dict[str, Any]:
    return {"refusal": refusal.text}
