"""Refusals that are given before the application is reached, with the headers that it would have added."""

from starlette.responses import Response

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.log.context import REQUEST_ID_HEADER, answering
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.web.problems import answer_to
from telemetry_service.web.request_ids import new_request_id
from telemetry_service.web.security_headers import ALWAYS


def early_refusal(error: TelemetryError, address: str) -> Response:
    """Return the problem document of an error of ours, after which the connection ends, and log who was refused."""
    with answering(new_request_id(), address or None) as request:
        answer = answer_to(error)
        log_event(Event.REQUEST_REFUSED, code=error.code, status=answer.status_code)
    answer.headers[REQUEST_ID_HEADER] = request.request_id
    answer.headers.update({**ALWAYS, "Cache-Control": "no-store", "Connection": "close"})
    return answer
