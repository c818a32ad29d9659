"""The transmission history: a page of it, how many there are of each kind, and the query that leads to it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from telemetry_service.domain.errors import CursorInvalidError
from telemetry_service.domain.situation import Situation
from telemetry_service.domain.transmission_texts import DescribedTransmission, describe
from telemetry_service.domain.transmissions import FAILED_STATES, HistoryFilter, State, Status, Transmission
from telemetry_service.pipeline.queries.history import (
    HistoryPage,
    is_newer_cursor,
    list_newer_transmissions,
    list_transmissions,
)
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.history_query import HistoryQuery

PAGE_SIZE = 25
STRIP = 30
"""How many of the latest transmissions the strip shows."""

_CURSOR_UNKNOWN = "That page of the history does not exist, so the newest page is shown."
_PENDING = frozenset({State.PENDING, State.EXPORTED})


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a chip filters by."""

    word: str
    states: frozenset[State]
    status: Status | None = None
    state: State | None = None
    always: bool = True
    """Whether the chip is there even if it would show nothing."""


_KINDS = (
    _Kind("All", frozenset(State)),
    _Kind("Success", frozenset({State.SUCCESS}), Status.SUCCESS),
    _Kind("Failed", FAILED_STATES, Status.FAILED, always=False),
    _Kind("Retrying", frozenset({State.RETRYING}), state=State.RETRYING),
    _Kind("On hold", frozenset({State.HELD}), state=State.HELD),
    _Kind("Rejected", frozenset({State.REJECTED}), state=State.REJECTED),
    _Kind("Pending", _PENDING, Status.PENDING, always=False),
    _Kind("Waiting", frozenset({State.AWAITING_RELEASE}), Status.WAITING),
    _Kind("Withdrawn", frozenset({State.WITHDRAWN}), Status.WITHDRAWN, always=False),
)


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter with the number of what it would show."""

    word: str
    number: int
    query: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of each kind, and which of them the page shows."""

    chips: tuple[Chip, ...]
    first: int
    last: int
    total: int
    failed: int
    """How many have failed, whatever is filtered."""


def history_section(snapshot: Snapshot, query: HistoryQuery) -> dict[str, Any]:
    """Return one page of the history; an unknown cursor leads to the newest page, and says so."""
    try:
        page = _page(snapshot, query)
    except CursorInvalidError:
        return history_section(snapshot, replace(query, cursor=None, wrong=_CURSOR_UNKNOWN))
    if page.newer_cursor is None:
        query = replace(query, cursor=None)  # Paging back has reached the newest page, which has only one address.
    return {
        "now": snapshot.now,
        "verdict": snapshot.verdict,
        "history": page,
        "history_query": query,
        "counts": _counts(snapshot, query, page),
    }


def strip_of(snapshot: Snapshot) -> tuple[DescribedTransmission, ...]:
    """Return the latest transmissions, oldest first."""
    found = snapshot.tx.transmissions.page(HistoryFilter(), None, STRIP)
    return tuple(_described(it, snapshot.situation) for it in reversed(found) if isinstance(it, Transmission))


def _described(it: Transmission, situation: Situation) -> DescribedTransmission:
    return describe(it, situation, {})


def _counts(snapshot: Snapshot, query: HistoryQuery, page: HistoryPage) -> Counts:
    others = replace(query.filter, status=None, state=None)
    by_state = snapshot.tx.transmissions.count_by_state(others)
    chips = tuple(_chip(kind, by_state, query) for kind in _KINDS if _is_shown(kind, by_state, query))
    shown = len(page.found)
    before = 0
    if query.cursor is not None and page.found:
        before = snapshot.tx.transmissions.count_newer(query.filter, page.found[0].sequence)
    total = next((chip.number for chip in chips if chip.chosen), before + shown)
    everything = by_state if others == HistoryFilter() else snapshot.tx.transmissions.count_by_state()
    failed = sum(everything.get(state, 0) for state in FAILED_STATES)
    return Counts(chips, min(before + 1, before + shown), before + shown, total, failed)


def _is_shown(kind: _Kind, by_state: Mapping[State, int], query: HistoryQuery) -> bool:
    return kind.always or _is_chosen(kind, query) or _number(kind, by_state) > 0


def _is_chosen(kind: _Kind, query: HistoryQuery) -> bool:
    return (kind.status, kind.state) == (query.filter.status, query.filter.state)


def _number(kind: _Kind, by_state: Mapping[State, int]) -> int:
    return sum(by_state.get(state, 0) for state in kind.states)


def _chip(kind: _Kind, by_state: Mapping[State, int], query: HistoryQuery) -> Chip:
    address = str(query.where(kind.status, kind.state))
    return Chip(kind.word, _number(kind, by_state), address, _is_chosen(kind, query))


def _page(snapshot: Snapshot, query: HistoryQuery) -> HistoryPage:
    if query.cursor is not None and is_newer_cursor(query.cursor):
        return list_newer_transmissions(snapshot, query.filter, query.cursor, PAGE_SIZE)
    return list_transmissions(snapshot, query.filter, query.cursor, PAGE_SIZE)
