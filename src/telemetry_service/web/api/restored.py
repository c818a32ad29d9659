"""The question that a restored database asks."""

from typing import Annotated

from fastapi import Depends, Response

from telemetry_service.domain import errors
from telemetry_service.domain.restored_answer import RestoredAnswer
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.restored import answer_restored
from telemetry_service.web.api.openapi_parts import refused_with
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import JsonBody
from telemetry_service.web.security.authorization import CurrentCaller, needs
from telemetry_service.web.topic import Topic

router = Topic("transmissions", "/telemetry")

Answer = Annotated[RestoredAnswer, Depends(JsonBody(RestoredAnswer, {"open_period": "sent"}))]


@router.post("/restored", status_code=204)
@needs(Scope.ADMIN)
@refused_with(errors.NotRestoredError)
def post_restored(context: Context, caller: CurrentCaller, answer: Answer) -> Response:
    """Say whether the current period's counts were sent after the backup that was restored. Sending continues then.

    If they were, the period ends without being sent. Let reporters repeat what they sent after the backup before that:
    what they report later is sent again. Payloads that wait and may have arrived are sent again under their IDs. Every
    other one waits for its release, because it may have been withdrawn or prepared again after the backup.
    """
    answer_restored(context.runtime, answer.open_period, caller.actor)
    return Response(status_code=204)
