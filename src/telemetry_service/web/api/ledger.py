"""The ledger: its entries, its export, its verifier, and a verification now."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response, StreamingResponse

from telemetry_service.domain.errors import RoleMissingError, ScopeMissingError
from telemetry_service.domain.ledger import LedgerFilter, Nobody
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.export_entries import export_entries
from telemetry_service.pipeline.actions.export_ledger import FILE_NAME, export_ledger
from telemetry_service.pipeline.queries.ledger import LedgerPage, list_entries
from telemetry_service.pipeline.queries.who import read_person
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.check_ledger import LedgerReport, check_ledger
from telemetry_service.schemas.ledger import AnchorsInput, LedgerReportResponse, LedgerResponse
from telemetry_service.sealing.verifier_file import NAME, verifier_source
from telemetry_service.web.api.export import entry_csv_lines, entry_json_lines
from telemetry_service.web.api.openapi_parts import LINK, refused_with
from telemetry_service.web.api.parameters import (
    EntriesExportParameters,
    LedgerExportParameters,
    LedgerFilters,
    LedgerParameters,
    link_to_next,
)
from telemetry_service.web.context import Context
from telemetry_service.web.errors.request_errors import ChecksBusyError, FieldError, InputRefusedError
from telemetry_service.web.http.body import JsonBody
from telemetry_service.web.http.pools import checks_ledger
from telemetry_service.web.security.authorization import Caller, CurrentCaller, needs
from telemetry_service.web.topic import Topic

router = Topic("ledger", "/ledger")

_TEXT = {"schema": {"type": "string"}}
_FORMATS = {"csv": ("text/csv", entry_csv_lines), "jsonl": ("application/jsonl", entry_json_lines)}
"""What entries are exported as: the media type, and their lines."""

_FILE = {"schema": {"type": "string", "format": "binary"}}
_ANCHORS = {"anchors": [f"1204:{'9f' * 32}"]}


_NOBODY = {
    Nobody.NO_ENTRY: "must be the number of an entry",
    Nobody.UNREADABLE: "is the number of an entry that cannot be read",
    Nobody.NO_PERSON: "must be the number of an entry that a person made",
    Nobody.ERASED: "is the number of an entry whose person was erased",
    Nobody.CHANGED: "is the number of an entry whose person someone has changed in the database",
}


def _may_see_persons(caller: Caller, *, asked: bool) -> None:
    if asked and not caller.may_change:
        raise ScopeMissingError if caller.login is None else RoleMissingError


def _filter(context: Context, caller: Caller, query: LedgerFilters) -> LedgerFilter:
    """Return the filter, unless the caller may not know of persons, or the number of an entry leads to none.

    Raises:
        InputRefusedError: it leads to none. Without a filter, the entries of others would be returned.
    """
    _may_see_persons(caller, asked=query.persons or query.person is not None)
    which = query.filter()
    found = which.person and read_now(context.runtime, read_person, which.person)
    if isinstance(found, Nobody):
        raise InputRefusedError([FieldError("person", _NOBODY[found])])
    return which


Anchors = Annotated[AnchorsInput | None, Depends(JsonBody(AnchorsInput, _ANCHORS, required=False))]


@router.get("", response_model=LedgerResponse, responses={200: {"headers": LINK}})
@needs(Scope.READ)
def get_ledger(
    context: Context, caller: CurrentCaller, request: Request, response: Response, query: LedgerParameters
) -> LedgerPage:
    """List entries, oldest first. Reading them does not verify them."""
    which = _filter(context, caller, query)
    page = read_now(context.runtime, list_entries, query.after, query.limit, which, persons=query.persons)
    if page.next_after is not None:
        link_to_next(response, request, after=page.next_after)
    return page


@router.get(
    "/entries/export",
    response_class=StreamingResponse,
    responses={200: {"content": {media_type: _TEXT for media_type, _ in _FORMATS.values()}}},
)
@needs(Scope.READ)
def get_entries_export(context: Context, caller: CurrentCaller, query: EntriesExportParameters) -> StreamingResponse:
    """Download the filtered entries as CSV or JSON Lines, newest first. Reading them does not verify them."""
    media_type, write = _FORMATS[query.format]
    entries = export_entries(context.runtime, _filter(context, caller, query), caller.actor, persons=query.persons)
    name = f'attachment; filename="telemetry-activity.{query.format}"'
    return StreamingResponse(write(entries), media_type=media_type, headers={"Content-Disposition": name})


@router.get("/export", response_class=StreamingResponse, responses={200: {"content": {"application/zip": _FILE}}})
@needs(Scope.READ)
def get_ledger_export(context: Context, caller: CurrentCaller, query: LedgerExportParameters) -> StreamingResponse:
    """Download the ledger with its evidence, the public keys and the verifier, as a zip."""
    _may_see_persons(caller, asked=query.persons)
    name = f'attachment; filename="{FILE_NAME}"'
    export = export_ledger(context.runtime, caller.actor, persons=query.persons)
    return StreamingResponse(export, media_type="application/zip", headers={"Content-Disposition": name})


@router.get("/verifier", response_class=Response, responses={200: {"content": {"text/x-python": _FILE}}})
@needs(Scope.READ)
def get_verifier() -> Response:
    """Download the verifier: one Python file that needs only the package `cryptography`."""
    name = f'attachment; filename="{NAME}"'
    return Response(verifier_source(), media_type="text/x-python", headers={"Content-Disposition": name})


@router.post("/verify", response_model=LedgerReportResponse)
@needs(Scope.READ)
@refused_with(ChecksBusyError)
@checks_ledger
def post_verify(
    context: Context,
    caller: CurrentCaller,  # noqa: ARG001 - one caller has one place in the pool of checks
    anchors: Anchors,
) -> LedgerReport:
    """Verify the whole ledger now.

    Without an anchor, a ledger whose latest entries are missing, as in an old backup, cannot be recognized.
    """
    return check_ledger(context.runtime, anchors.anchors if anchors else (), keep=True)
