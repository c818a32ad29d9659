"""The transmission history: rows, filters, and what an empty list means."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from telemetry_service.domain.transmissions import FAILED_STATES, State, Status, Transmission, Trigger
from telemetry_service.pipeline.history import HistoryFilter, HistoryPage
from telemetry_service.web.settings_tab.figures import duration, grouped
from telemetry_service.web.settings_tab.moments import Moment, moment, optional_moment, planned
from telemetry_service.web.settings_tab.words import AGAIN, STATUS, TRIGGER, Sign

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class RowView:
    """One transmission as a row."""

    transmission_id: UUID
    created: Moment
    status: Sign
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
    next_run: Moment | None


@dataclass(frozen=True, slots=True)
class HistoryPlace:
    """Which part of the history is looked at."""

    filter: HistoryFilter
    cursor: str | None = None
    wrong: str | None = None
    """What is wrong with the filter, which then was not applied."""

    def query(self) -> str:
        """Return the filters and the cursor as a query."""
        return _query(self.filter, self.cursor)


def history_view(
    page: HistoryPage, place: HistoryPlace, now: datetime, retry_barred: str | None, next_run: datetime | None
) -> HistoryView:
    """Return the section at ``now``."""
    rows = tuple(_row(transmission, now) for transmission in page.items)
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
        retry_barred=retry_barred,
        next_run=optional_moment(next_run, now),
    )


def is_in_flight(transmission: Transmission, now: datetime) -> bool:
    """Whether the row will change by itself in a moment: being sent, or waiting for a first attempt that is due."""
    due = transmission.next_attempt_at is not None and transmission.next_attempt_at <= now
    return transmission.in_flight(now) or (transmission.state is State.PENDING and due)


def _row(transmission: Transmission, now: datetime) -> RowView:
    in_flight = is_in_flight(transmission, now)
    return RowView(
        transmission_id=transmission.transmission_id,
        created=moment(transmission.created_at, now),
        status=Sign("Sending", "clock", "info") if in_flight else STATUS[transmission.state],
        note="" if in_flight else _note(transmission, now),
        records=grouped(transmission.records_sent),
        response_code=str(transmission.response_code) if transmission.response_code else "none",
        trigger=TRIGGER[transmission.trigger],
        attempts=grouped(transmission.attempts_made),
        duration=duration(transmission.last_duration_ms),
        can_retry=transmission.state in FAILED_STATES and not in_flight,
        in_flight=in_flight,
    )


def _note(transmission: Transmission, now: datetime) -> str:
    if transmission.state is State.SUCCESS:
        return ""
    again = planned(transmission.next_attempt_at, now)
    return f"next attempt {again.relative}" if again else AGAIN.get(transmission.state, "")


def _filters(place: HistoryPlace) -> FilterView:
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
