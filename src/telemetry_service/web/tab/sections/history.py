"""The transmission history: a page of it, and the query that leads to it."""

from dataclasses import replace
from typing import Any

from telemetry_service.domain.errors import CursorInvalidError
from telemetry_service.domain.transmissions import Status
from telemetry_service.pipeline.queries.history import (
    HistoryPage,
    is_newer_cursor,
    list_newer_transmissions,
    list_transmissions,
)
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.history_query import HistoryQuery

PAGE_SIZE = 25
STATUSES = {
    Status.SUCCESS: "Success",
    Status.FAILED: "Failed",
    Status.PENDING: "Pending",
    Status.WAITING: "Waiting",
    Status.WITHDRAWN: "Withdrawn",
}
"""The choices of the filter, in order."""
_CURSOR_UNKNOWN = "That page of the history does not exist, so the newest page is shown."


def history_section(snapshot: Snapshot, query: HistoryQuery) -> dict[str, Any]:
    """Return one page of the history; an unknown cursor leads to the newest page, and says so."""
    try:
        page = _page(snapshot, query)
    except CursorInvalidError:
        return history_section(snapshot, replace(query, cursor=None, wrong=_CURSOR_UNKNOWN))
    if page.newer_cursor is None:
        query = replace(query, cursor=None)  # Paging back has reached the newest page, which has only one address.
    return {"now": snapshot.now, "verdict": snapshot.verdict, "history": page, "history_query": query}


def _page(snapshot: Snapshot, query: HistoryQuery) -> HistoryPage:
    if query.cursor is not None and is_newer_cursor(query.cursor):
        return list_newer_transmissions(snapshot, query.filter, query.cursor, PAGE_SIZE)
    return list_transmissions(snapshot, query.filter, query.cursor, PAGE_SIZE)
