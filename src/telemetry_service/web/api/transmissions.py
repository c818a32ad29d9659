"""*Send Now*, the history, *Retry* and the export."""

from collections.abc import Callable, Iterator
from datetime import datetime
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from telemetry_service.domain import errors
from telemetry_service.domain.actor import Actor
from telemetry_service.domain.idempotency_key import IDEMPOTENCY_KEY_FORM, IDEMPOTENCY_KEY_PATTERN
from telemetry_service.domain.transmissions import HistoryFilter
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.export_history import export_details, export_transmissions
from telemetry_service.pipeline.actions.note_reading import note_export, note_proof
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.history import (
    HistoryPage,
    TransmissionDetail,
    is_change_cursor,
    list_changed_transmissions,
    list_transmissions,
    read_transmission,
)
from telemetry_service.pipeline.queries.sent import Message, read_message, read_sent
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot, read_now
from telemetry_service.schemas.ledger import MessageResponse
from telemetry_service.schemas.transmissions import HistoryResponse, RetriedResponse, TransmissionDetailResponse
from telemetry_service.web.api.export import csv_lines, detail_lines, json_lines
from telemetry_service.web.api.openapi_parts import (
    LINK,
    UNABLE_TO_SEND,
    UNSURE_WHAT_MAY_LEAVE,
    header,
    refused_with,
    response_header,
)
from telemetry_service.web.api.parameters import (
    IF_MATCH_PATTERN,
    AttemptNumber,
    ExportParameters,
    HistoryParameters,
    HistoryParams,
    IdempotencyKey,
    TagsSeen,
    TransmissionId,
    link_to_next,
)
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import NO_BODY
from telemetry_service.web.http.pools import waits_for_license_server
from telemetry_service.web.security.authorization import CurrentCaller, needs
from telemetry_service.web.topic import Topic

_TEXT = {"schema": {"type": "string"}}
_FORMATS: dict[str, tuple[str, str, Callable[[Runtime, HistoryFilter, datetime | None, Actor], Iterator[str]]]] = {
    "csv": ("text/csv", "csv", lambda *asked: csv_lines(export_transmissions(*asked))),
    "jsonl": ("application/jsonl", "jsonl", lambda *asked: json_lines(export_transmissions(*asked))),
    "full": ("application/jsonl", "full.jsonl", lambda *asked: detail_lines(export_details(*asked))),
}
"""What the history is exported as: the media type, the ending of the file's name, and its lines."""

_VERSION = '"7-0f8c1b5ad2e94f6c8f0e3a7d5b1c9e42"'
_IF_MATCH = header("If-Match", "The `version` of a preview, a list of versions, or `*`.", _VERSION, IF_MATCH_PATTERN)
_IDEMPOTENCY_KEY = header(
    "Idempotency-Key", f"{IDEMPOTENCY_KEY_FORM}. Repeating a key sends nothing new.", "run-7", IDEMPOTENCY_KEY_PATTERN
)

_REPLAYED = response_header("Idempotency-Replayed", "`true` if an earlier call with this key has created it.")

router = Topic("transmissions", "/telemetry")


@router.post(
    "/send-now",
    response_model=TransmissionDetailResponse,
    responses={
        200: {"headers": _REPLAYED},
        202: {
            "headers": _REPLAYED,
            "model": TransmissionDetailResponse,
            "description": "The payload was prepared and waits for its release or a bundle; nothing was sent.",
        },
    },
    dependencies=[NO_BODY],
    openapi_extra={"parameters": [_IDEMPOTENCY_KEY, _IF_MATCH]},
)
@needs(Scope.ADMIN)
@refused_with(
    *UNABLE_TO_SEND,
    *UNSURE_WHAT_MAY_LEAVE,
    errors.PreviewStaleError,
    errors.PayloadContradictionError,
    errors.IdempotencyKeyInUseError,
)
@waits_for_license_server
def post_send_now(
    context: Context, caller: CurrentCaller, response: Response, idempotency_key: IdempotencyKey, shown: TagsSeen
) -> TransmissionDetail:
    """Close the period and send it. Repeating an Idempotency-Key returns the same transmission.

    Such a response has `Idempotency-Replayed: true`. While the first call is still sending, it is refused with 409.

    Where payloads wait for their release, it is prepared only: the response is 202, and the state `awaiting_release`.
    Where they leave in bundles, the response is 202 and the state `pending` until the next bundle is exported.

    With a preview's `version` in `If-Match`, the request is refused with 412 if the payload would differ from that
    preview in more than counts, health, and times.
    """
    detail = send_now(context.runtime, caller.actor, idempotency_key, shown.versions)
    if detail.key_in_use:
        raise errors.IdempotencyKeyInUseError
    if detail.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    if detail.waits_to_leave:
        response.status_code = HTTPStatus.ACCEPTED
    return detail


@router.get("/history", response_model=HistoryResponse, responses={200: {"headers": LINK}})
@needs(Scope.READ)
@refused_with(errors.CursorInvalidError)
def get_history(context: Context, request: Request, response: Response, query: HistoryParameters) -> HistoryPage:
    """List transmissions, newest first; with `updated_since`, those that have changed since, in the order of changes.

    A transmission that changes again, such as one that is accepted at last, is found again. Ask with the latest
    `updates_cursor` for what has changed since that response: nothing is missed, whatever the clocks show.
    """
    page = read_now(context.runtime, _listed, query)
    if page.next_cursor is not None:
        link_to_next(response, request, cursor=page.next_cursor)
    return page


def _listed(snapshot: Snapshot, query: HistoryParams) -> HistoryPage:
    filter_, cursor = query.filter(), query.cursor
    if is_change_cursor(cursor or "") or (cursor is None and query.updated_since is not None):
        return list_changed_transmissions(snapshot, filter_, query.updated_since, cursor, query.limit)
    return list_transmissions(snapshot, filter_, cursor, query.limit)


@router.get(
    "/history/export",
    response_class=StreamingResponse,
    responses={200: {"content": {media_type: _TEXT for media_type, _ending, _read in _FORMATS.values()}}},
)
@needs(Scope.READ)
def get_export(context: Context, caller: CurrentCaller, query: ExportParameters) -> StreamingResponse:
    """Download the filtered history as CSV or JSON Lines, newest first.

    With `format=full`, each line is what `GET` returns for one transmission: payload, digests, receipt, and attempts.
    With `updated_since`, only what has changed since then is included.
    """
    media_type, ending, read = _FORMATS[query.format]
    written = read(context.runtime, query.filter(), query.updated_since, caller.actor)
    name = f'attachment; filename="telemetry-transmissions.{ending}"'
    return StreamingResponse(written, media_type=media_type, headers={"Content-Disposition": name})


@router.post("/history/retry-failed", response_model=RetriedResponse, dependencies=[NO_BODY])
@needs(Scope.ADMIN)
@refused_with(*UNABLE_TO_SEND, *UNSURE_WHAT_MAY_LEAVE)
@waits_for_license_server
def post_retry_failed(context: Context, caller: CurrentCaller) -> dict[str, tuple[TransmissionDetail, ...]]:
    """Send every failed transmission again, oldest first."""
    return {"transmissions": retry_failed(context.runtime, caller.actor)}


@router.get("/history/{transmission_id:uuid}", response_model=TransmissionDetailResponse)
@needs(Scope.READ)
@refused_with(errors.NotFoundError)
def get_transmission(context: Context, transmission_id: TransmissionId) -> TransmissionDetail:
    """Return one transmission with its payload and every attempt."""
    return read_now(context.runtime, read_transmission, transmission_id)


@router.get(
    "/history/{transmission_id:uuid}/attempts/{number}/payload",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
@needs(Scope.READ)
@refused_with(errors.NotFoundError)
def get_payload_as_sent(
    context: Context, caller: CurrentCaller, transmission_id: TransmissionId, number: AttemptNumber
) -> Response:
    """Return the payload of one attempt, byte for byte as it was before encryption."""
    _attempt, content = read_now(context.runtime, read_sent, transmission_id, number, "payload")
    note_export(context.runtime, caller.actor, transmission_id, number, "payload")
    return Response(content, media_type="application/json")


@router.get(
    "/history/{transmission_id:uuid}/attempts/{number}/body",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
@needs(Scope.READ)
@refused_with(errors.NotFoundError)
def get_body_as_sent(
    context: Context, caller: CurrentCaller, transmission_id: TransmissionId, number: AttemptNumber
) -> Response:
    """Return the body of one attempt, byte for byte as it crossed the network."""
    _attempt, content = read_now(context.runtime, read_sent, transmission_id, number, "body")
    note_export(context.runtime, caller.actor, transmission_id, number, "body")
    return Response(content, media_type="application/octet-stream")


@router.get("/history/{transmission_id:uuid}/attempts/{number}/message", response_model=MessageResponse)
@needs(Scope.READ)
@refused_with(errors.NotFoundError)
def get_message(
    context: Context, caller: CurrentCaller, transmission_id: TransmissionId, number: AttemptNumber
) -> Message:
    """Return one attempt as a document: the headers, the exact bytes, and the digests that the ledger names."""
    message = read_now(context.runtime, read_message, transmission_id, number)
    note_proof(context.runtime, caller.actor, transmission_id, number, holds=message.proof.holds)
    return message


@router.post("/history/{transmission_id:uuid}/retry", response_model=TransmissionDetailResponse, dependencies=[NO_BODY])
@needs(Scope.ADMIN)
@refused_with(
    errors.NotFoundError,
    errors.AttemptUnderWayError,
    errors.AwaitingReleaseError,
    errors.WithdrawnError,
    *UNABLE_TO_SEND,
    *UNSURE_WHAT_MAY_LEAVE,
)
@waits_for_license_server
def post_retry(context: Context, caller: CurrentCaller, transmission_id: TransmissionId) -> TransmissionDetail:
    """Send the stored payload again with the same ID. Safe to repeat: what is accepted by now is returned as it is."""
    return retry(context.runtime, transmission_id, caller.actor)
