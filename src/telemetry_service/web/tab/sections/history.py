"""The transmission history: rows, filters, and what an empty list means."""

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from telemetry_service.domain.situation import Situation
from telemetry_service.domain.transmission_texts import row_of, texts_of
from telemetry_service.domain.transmissions import FAILED_STATES, Status, Transmission, Trigger
from telemetry_service.domain.verdict import Verdict
from telemetry_service.pipeline.queries.history import HistoryFilter, HistoryPage
from telemetry_service.web.tab.filters import Moment, moment, planned
from telemetry_service.web.tab.labels import STATUS, TRIGGER, Badge
from telemetry_service.web.tab.numbers import duration, grouped

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class RowView:
    """One transmission as a row."""

    transmission_id: UUID
    created: Moment
    status: Badge
    note: str
    """When a failed one is tried again."""
    records: str
    response_code: str
    trigger: str
    attempts: str
    duration: str
    can_retry: bool
    in_flight: bool


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a filter."""

    value: str
    name: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class FilterView:
    """The filters as they stand in the URL."""

    status: tuple[Option, ...]
    trigger: tuple[Option, ...]
    from_day: str
    to_day: str
    active: bool
    query: str
    """The filters alone, for links; without the cursor."""
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryView:
    """What the section shows."""

    rows: tuple[RowView, ...]
    filters: FilterView
    cursor: str | None
    next_query: str | None
    newer_query: str | None
    own_query: str
    """Filters and cursor: where this very page of the history is."""
    in_flight: bool
    any_failed: bool
    retry_barred: str | None
    first_barred: str | None
    """Why no payload can be made at this time."""
    next_run: Moment | None
    run_missed: bool
    """Whether a run is to be made up for, before the next one."""


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which part of the history is looked at."""

    filter: HistoryFilter
    cursor: str | None = None
    wrong: str | None = None
    """What is wrong with the filter, which then was not applied."""

    def query(self) -> str:
        """Return the filters and the cursor as a query."""
        return _query(self.filter, self.cursor)


def history_view(page: HistoryPage, place: HistoryQuery, verdict: Verdict) -> HistoryView:
    """Return the section."""
    situation = page.situation
    rows = tuple(_row(transmission, situation) for transmission in page.items)
    filters = _filters(place)
    return HistoryView(
        rows=rows,
        filters=filters,
        cursor=place.cursor,
        next_query=_query(place.filter, page.next_cursor) if page.next_cursor else None,
        newer_query=_query(place.filter, page.newer_cursor) if page.newer_cursor else None,
        own_query=_query(place.filter, place.cursor),
        in_flight=any(row.in_flight for row in rows),
        any_failed=any(t.state in FAILED_STATES for t in page.items),
        retry_barred=verdict.may.retry.text if verdict.may.retry else None,
        first_barred=verdict.may.send_now.text if verdict.may.send_now else None,
        next_run=planned(verdict.next_run_at, situation.now),
        run_missed=situation.run is not None and situation.run.missed,
    )


def _row(transmission: Transmission, situation: Situation) -> RowView:
    now = situation.now
    words = texts_of(row_of(transmission, now), situation)
    return RowView(
        transmission_id=transmission.transmission_id,
        created=moment(transmission.created_at, now),
        status=STATUS[words.status],
        note=words.note,
        records=grouped(transmission.records_sent),
        response_code=str(transmission.response_code) if transmission.response_code else "none",
        trigger=TRIGGER[transmission.trigger],
        attempts=grouped(transmission.attempts_made),
        duration=duration(transmission.last_duration_ms),
        can_retry=words.can_retry,
        in_flight=words.in_flight,
    )


def _filters(place: HistoryQuery) -> FilterView:
    chosen = place.filter
    query = _query(chosen, None)
    statuses = ((Status.SUCCESS, "Success"), (Status.FAILED, "Failed"), (Status.PENDING, "Pending"))
    return FilterView(
        status=tuple(Option(s.value, name, s is chosen.status) for s, name in statuses),
        trigger=tuple(Option(t.value, TRIGGER[t], t is chosen.trigger) for t in Trigger),
        from_day=chosen.from_day.isoformat() if chosen.from_day else "",
        to_day=chosen.to_day.isoformat() if chosen.to_day else "",
        active=bool(query),
        query=query,
        wrong=place.wrong,
    )


def _query(chosen: HistoryFilter, cursor: str | None) -> str:
    values = {
        "status": chosen.status.value if chosen.status else None,
        "trigger": chosen.trigger.value if chosen.trigger else None,
        "from": chosen.from_day.isoformat() if chosen.from_day else None,
        "to": chosen.to_day.isoformat() if chosen.to_day else None,
        "cursor": cursor,
    }
    return urlencode({name: value for name, value in values.items() if value})
