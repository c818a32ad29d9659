"""The ledger as people read it: what proves it, and the whole activity list."""

import re
from typing import Annotated, Any

from fastapi import Form
from fastapi.responses import Response

from telemetry_service.domain.ledger import ANCHOR_PATTERN
from telemetry_service.pipeline.queries.field_approvals import read_field_approvals
from telemetry_service.pipeline.queries.ledger import read_ledger_keys
from telemetry_service.pipeline.snapshot import Snapshot, read_now
from telemetry_service.pipeline.stages.check_ledger import check_ledger, in_words
from telemetry_service.pipeline.verification import read_verification
from telemetry_service.web.http.pools import checks_ledger
from telemetry_service.web.security.authorization import viewer_page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.rendering import see_other
from telemetry_service.web.tab.sections.activity import activity_query_of, activity_view
from telemetry_service.web.tab.visit import CurrentVisit
from telemetry_service.web.topic import Topic

_PROOF, _ACTIVITY = "telemetry/proof/page.html", "telemetry/activity/page.html"
_ROWS = "telemetry/activity/rows.html"
_VERDICT, _WAITING = "telemetry/proof/verdict.html", "telemetry/proof/waiting.html"
_OF_THE_PROOF = ("telemetry/proof/fields.html", "telemetry/proof/ledger.html")
_ANCHOR_WRONG = "An anchor is HASH or SEQ:HASH, and HASH has 64 hex digits in lower case."

router = Topic("tab", described=False)


@router.get(paths.PROOF)
@viewer_page
def show_proof(visit: CurrentVisit) -> Response:
    """Show the head of the ledger and the keys, and offer a verification, the export and the verifier."""
    return visit.page(_PROOF, read_now(visit.runtime, _proof))


@router.post(paths.VERIFY)
@viewer_page
@checks_ledger
def verify_now(visit: CurrentVisit, anchor: Annotated[str, Form(max_length=100)] = "") -> Response:
    """Verify the whole ledger, and show what was found."""
    typed = anchor.strip()
    if typed and not re.fullmatch(ANCHOR_PATTERN, typed):
        return visit.page(_PROOF, read_now(visit.runtime, _proof) | {"anchor_wrong": _ANCHOR_WRONG})
    report = check_ledger(visit.runtime, [typed] if typed else (), keep=True)
    return visit.page(_PROOF, read_now(visit.runtime, _proof) | {"report": report})


@router.get(paths.ACTIVITY)
@viewer_page
def show_activity(visit: CurrentVisit) -> Response:
    """Show one page of the whole activity list, filtered by what was done and by whom."""
    query = activity_query_of(visit.request.query_params)
    return visit.page(_ACTIVITY, read_now(visit.runtime, activity_view, query))


@router.get(paths.ACTIVITY_LIVE)
@viewer_page
def show_live_activity(visit: CurrentVisit) -> Response:
    """Show again the rows of a page that is open to htmx, which asks every few seconds; a browser gets the page."""
    if not visit.htmx:
        return see_other(f"{paths.ACTIVITY}?{visit.request.url.query}")
    query = activity_query_of(visit.request.query_params)
    return visit.live(read_now(visit.runtime, activity_view, query), _ROWS)


@router.get(paths.PROOF_LIVE)
@viewer_page
def show_live_proof(
    visit: CurrentVisit,
    reported: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response:
    """Show again what changes on its own in *Proof*; what someone has verified stays as it was found."""
    if not visit.htmx:
        return see_other(paths.PROOF)
    shown = read_now(visit.runtime, _proof)
    beside = () if reported else (_VERDICT,)
    return visit.live(shown, *beside, *_OF_THE_PROOF, *((_WAITING,) if shown["service"] else ()))


def _proof(snapshot: Snapshot) -> dict[str, Any]:
    pinned, verdict = snapshot.runtime.receipt_keys, read_verification(snapshot.runtime, snapshot.tx)
    return {
        "head": snapshot.tx.ledger.head(),
        "keys": read_ledger_keys(snapshot),
        "pinned": pinned.fingerprints if pinned else (),
        "verdict": verdict,
        "overdue": verdict is not None and verdict.is_overdue(snapshot.now),
        "found": [in_words(problem) for problem in verdict.problems] if verdict else [],
        "now": snapshot.now,
        "service": snapshot.verdict if snapshot.runtime.deployment.in_bundles else None,
        "approvals": read_field_approvals(snapshot),
        "report": None,
        "anchor_wrong": None,
    }
