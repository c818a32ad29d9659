"""Which part of the history is shown, as in the address."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import parse_qs, urlencode

from telemetry_service.domain.transmissions import HistoryFilter, State, Status, Trigger
from telemetry_service.web.tab.days import ANY, Days, days_of

_WHOLE = HistoryFilter()
_NOT_UNDERSTOOD = "A filter is not valid, so no filter was applied."


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A filter, and the page of its results."""

    filter: HistoryFilter = _WHOLE
    cursor: str | None = None
    wrong: str | None = None
    """The problem with a filter that was not applied."""
    typed: Days = ANY
    """What was typed as its days."""

    def __str__(self) -> str:
        """Return the query of the address; empty for the newest page of the whole history."""
        chosen = self.filter
        values = {
            "status": chosen.status,
            "state": chosen.state,
            "trigger": chosen.trigger,
            "from": chosen.from_day,
            "to": chosen.to_day,
            "cursor": self.cursor,
        }
        return urlencode({name: value for name, value in values.items() if value})

    def at(self, cursor: str | None) -> Self:
        """Return the same filter for another page; None is the newest."""
        return replace(self, cursor=cursor)

    def where(self, status: Status | None, state: State | None) -> Self:
        """Return the newest page of what has another status or state; the other filters stay."""
        return replace(self, filter=replace(self.filter, status=status, state=state), cursor=None)

    @property
    def filtered(self) -> bool:
        """Whether the filter excludes anything."""
        return self.filter != _WHOLE


def history_query_of(parameters: Mapping[str, str]) -> HistoryQuery:
    """Return the query in the parameters; an invalid filter is not applied, and reported."""
    values = {name: value for name, value in parameters.items() if value}
    days = days_of(parameters)
    try:
        chosen = HistoryFilter(
            status=Status(values["status"]) if "status" in values else None,
            trigger=Trigger(values["trigger"]) if "trigger" in values else None,
            from_day=days.first,
            to_day=days.last,
            state=State(values["state"]) if "state" in values else None,
        )
    except ValueError:
        return HistoryQuery(wrong=_NOT_UNDERSTOOD)
    if days.wrong:
        return HistoryQuery(wrong=days.wrong, typed=days)
    return HistoryQuery(chosen, values.get("cursor"), typed=days)


def history_query_in(query: str) -> HistoryQuery:
    """Return the query in a text."""
    return history_query_of({name: values[-1] for name, values in parse_qs(query).items()})
