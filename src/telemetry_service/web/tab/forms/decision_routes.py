"""*Release*, *Withdraw* and *Accept without a receipt*: a dialog that asks for the reason, then the drawer."""

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Form
from fastapi.responses import Response

from telemetry_service.domain.errors import PreviewStaleError, ReasonRefusedError
from telemetry_service.domain.release import REASON_LONGEST
from telemetry_service.pipeline.actions.accept_without_receipt import accept_without_receipt
from telemetry_service.pipeline.actions.release import release, withdraw
from telemetry_service.pipeline.queries.history import TransmissionDetail
from telemetry_service.pipeline.queries.withdrawal import withdrawal_of
from telemetry_service.pipeline.snapshot import open_snapshot
from telemetry_service.web.http.pools import waits_for_license_server
from telemetry_service.web.security.authorization import page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.delivery_routes import in_drawer_of, outcome_token
from telemetry_service.web.tab.history_query import HistoryQuery
from telemetry_service.web.tab.sections.transmission import transmission_section
from telemetry_service.web.tab.visit import CurrentVisit, Visit
from telemetry_service.web.topic import Topic

router = Topic("tab", described=False)

_PATH = f"{paths.HISTORY}/{{transmission_id}}/decide/{{decision}}"


class Decision(StrEnum):
    """What can be decided about one transmission."""

    RELEASE = "release"
    WITHDRAW = "withdraw"
    ACCEPT_WITHOUT_RECEIPT = "accept-without-receipt"


@router.get(_PATH)
@page
def ask_reason(visit: CurrentVisit, transmission_id: UUID, decision: Decision) -> Response:
    """Say what the decision does, and ask for its reason."""
    return _dialog(visit, transmission_id, decision)


@router.post(_PATH)
@page
@waits_for_license_server
def decide(
    visit: CurrentVisit,
    transmission_id: UUID,
    decision: Decision,
    reason: Annotated[str, Form()] = "",
    shown: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Do it, if the payload is still the one that the dialog showed. Sending the same form twice does nothing more."""
    try:
        detail, token = _done(visit, transmission_id, decision, reason.strip(), shown)
    except (ReasonRefusedError, PreviewStaleError) as refusal:
        return _dialog(visit, transmission_id, decision, reason, refusal.text)
    return in_drawer_of(visit, detail, token)


def _done(
    visit: Visit, transmission_id: UUID, decision: Decision, reason: str, shown: str
) -> tuple[TransmissionDetail, str]:
    runtime, actor = visit.runtime, visit.actor
    match decision:
        case Decision.RELEASE:
            detail = release(runtime, transmission_id, actor, reason, shown or None)
            return detail, outcome_token(detail, "sent")
        case Decision.WITHDRAW:
            return withdraw(runtime, transmission_id, actor, reason), "withdrawn"
        case Decision.ACCEPT_WITHOUT_RECEIPT:
            return accept_without_receipt(runtime, transmission_id, actor, reason), "accepted"


def _dialog(
    visit: Visit, transmission_id: UUID, decision: Decision, reason: str = "", wrong: str | None = None
) -> Response:
    with open_snapshot(visit.runtime) as snapshot:
        found = transmission_section(snapshot, transmission_id, HistoryQuery())
        withdraws, transmission = decision is Decision.WITHDRAW, found["drawer"].detail.transmission
        withdrawal = withdrawal_of(snapshot, transmission) if withdraws else None
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    asked = {"decision": decision.value, "reason": reason, "wrong": wrong, "reason_longest": REASON_LONGEST}
    return visit.dialog(
        "telemetry/drawer/decide.html", {"asked": asked, "decided": found["drawer"], "withdrawal": withdrawal}, status
    )
