"""*Send Now*, *Retry* and *Retry all failed*: the result is a message, the row's new state and the drawer."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Form
from fastapi.responses import Response

from telemetry_service.domain.errors import PreviewStaleError
from telemetry_service.domain.outcome import request_written
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.transmissions import FAILED_STATES, State
from telemetry_service.pipeline.actions.restored import answer_restored
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import count_by_state
from telemetry_service.pipeline.queries.history import TransmissionDetail
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.web.http.pools import waits_for_license_server
from telemetry_service.web.security.authorization import page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.history_query import history_query_in
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.rendering import see_other
from telemetry_service.web.tab.sections.transmission import transmission_section
from telemetry_service.web.tab.views import DRAWER, NO_DIALOG, OF_THE_OVERVIEW, TOASTS, overview
from telemetry_service.web.tab.visit import CurrentVisit, Visit
from telemetry_service.web.topic import Topic

router = Topic("tab", described=False)


@router.get(paths.SEND_NOW)
@page
def ask_send_now(visit: CurrentVisit) -> Response:
    """Show the payload before it is sent. The form contains the key that makes clicking twice harmless."""
    return _dialog(visit)


@router.post(paths.SEND_NOW)
@page
@waits_for_license_server
def send(
    visit: CurrentVisit,
    request_key: Annotated[UUID, Form()],
    shown: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    """Close the period and send it, if it is still what the dialog showed. Sending the same form twice counts once."""
    try:
        detail = send_now(visit.runtime, visit.actor, str(request_key), frozenset({shown}))
    except PreviewStaleError as stale:
        return _dialog(visit, stale.text)
    # While the first of two equal forms is being sent, the second leads to its transmission.
    return in_drawer_of(visit, detail, "sending" if detail.key_in_use else outcome_token(detail, "sent"))


@router.post(f"{paths.HISTORY}/{{transmission_id}}/retry")
@page
@waits_for_license_server
def retry_one(
    visit: CurrentVisit,
    transmission_id: UUID,
    in_drawer: Annotated[bool, Form(alias="drawer")] = False,  # noqa: FBT002 - a form's field
    query: Annotated[str, Form()] = "",
) -> Response:
    """Send the stored payload again, now."""
    detail = retry(visit.runtime, transmission_id, visit.actor)
    token = "accepted-before" if detail.accepted_before else outcome_token(detail, "retried")
    return in_drawer_of(visit, detail, token) if in_drawer else _in_history(visit, query, token)


@router.get(paths.RETRY_FAILED)
@page
def ask_retry_all(visit: CurrentVisit) -> Response:
    """Say how many are sent again, before they are."""
    with open_snapshot(visit.runtime) as snapshot:
        states = count_by_state(snapshot)
        shown = {"failed": sum(states[state] for state in FAILED_STATES), "retry_barred": snapshot.verdict.may.retry}
    return visit.dialog("telemetry/overview/retry_all.html", shown)


@router.post(paths.RETRY_FAILED)
@page
@waits_for_license_server
def retry_all(visit: CurrentVisit, query: Annotated[str, Form()] = "") -> Response:
    """Send every failed transmission again, oldest first, and say how many were accepted."""
    details = retry_failed(visit.runtime, visit.actor)
    accepted = sum(detail.transmission.state is State.SUCCESS for detail in details)
    return _in_history(visit, query, f"retried-{accepted}-of-{len(details)}" if details else "none-failed")


@router.post(paths.RESTORED)
@page
def answer(visit: CurrentVisit, open_period: Annotated[OpenPeriod, Form()]) -> Response:
    """Record what was sent before a restore; sending continues."""
    answer_restored(visit.runtime, open_period, visit.actor)
    return see_other(f"{paths.TAB}?done=restored")


def _dialog(visit: Visit, changed: str | None = None) -> Response:
    """Respond with the dialog; ``changed`` says why it is shown again."""
    preview = read_now(visit.runtime, build_preview)
    status = HTTPStatus.PRECONDITION_FAILED if changed else HTTPStatus.OK
    shown = {"preview": preview, "changed": changed, "request_key": str(uuid4())}
    return visit.dialog("telemetry/payload/send_now.html", shown, status)


def outcome_token(detail: TransmissionDetail, done: str) -> str:
    """Return the message about the outcome of a transmission; another process may be sending it now."""
    match detail.transmission.state:
        case State.SUCCESS:
            return done
        case State.PENDING:
            return "sending"
        case State.AWAITING_RELEASE:
            return "prepared"
        case _:
            written = request_written(detail.transmission.cause, detail.transmission.response_code)
            return {True: f"{done}-failed", False: "not-sent", None: "no-response"}[written]


def in_drawer_of(visit: Visit, detail: TransmissionDetail, token: str) -> Response:
    """Respond with the drawer of a transmission and a message."""
    transmission_id = detail.transmission.transmission_id
    if not visit.htmx:
        return see_other(paths.transmission(transmission_id, f"done={token}"))
    with open_snapshot(visit.runtime) as snapshot:
        shown = overview(snapshot, visit.query_behind) if visit.from_overview else {}
        shown |= transmission_section(snapshot, transmission_id, visit.query_behind)
    beside = OF_THE_OVERVIEW if visit.from_overview else ()
    return visit.fragments(DRAWER, shown | {"toast": message(token)}, *beside, TOASTS, NO_DIALOG)


def _in_history(visit: Visit, query: str, token: str) -> Response:
    if not visit.htmx:
        # The filters are parsed and written again, so that this redirect contains nothing else.
        parameters = "&".join(part for part in (str(history_query_in(query)), f"done={token}") if part)
        return see_other(f"{paths.TAB}?{parameters}#history")
    shown = read_now(visit.runtime, overview, visit.query_behind)
    return visit.fragments(None, shown | {"toast": message(token)}, *OF_THE_OVERVIEW, TOASTS, NO_DIALOG)
