"""Reads from an address which part of the history is looked at."""

from collections.abc import Mapping
from datetime import date
from urllib.parse import parse_qs

from fastapi import Request

from telemetry_service.domain.transmissions import Status, Trigger
from telemetry_service.pipeline.queries.history import HistoryFilter
from telemetry_service.web.tab.sections.history import HistoryQuery

_NOT_UNDERSTOOD = "A filter is not valid, so no filter was applied."
_BACKWARDS = "“From” is later than “To”, so no filter was applied."


def history_query_of(parameters: Mapping[str, str]) -> HistoryQuery:
    """Return the place that query parameters name; a filter that is none is not applied, and says so."""
    values = {name: value for name, value in parameters.items() if value}
    try:
        chosen = HistoryFilter(
            status=Status(values["status"]) if "status" in values else None,
            trigger=Trigger(values["trigger"]) if "trigger" in values else None,
            from_day=date.fromisoformat(values["from"]) if "from" in values else None,
            to_day=date.fromisoformat(values["to"]) if "to" in values else None,
        )
    except ValueError:
        return HistoryQuery(HistoryFilter(), wrong=_NOT_UNDERSTOOD)
    if chosen.from_day and chosen.to_day and chosen.from_day > chosen.to_day:
        return HistoryQuery(HistoryFilter(), wrong=_BACKWARDS)
    return HistoryQuery(chosen, values.get("cursor"))


def history_query_in(query: str) -> HistoryQuery:
    """Return the place that the text of a query names."""
    return history_query_of({name: values[-1] for name, values in parse_qs(query).items()})


def history_query_behind(request: Request) -> HistoryQuery:
    """Return the place that the page shows from which htmx asks."""
    return history_query_in(request.headers.get("x-history-query", ""))
