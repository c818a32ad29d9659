"""The history: newest first, page by page, and as far as it is filtered."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from telemetry_service.domain.transmissions import HistoryFilter, State, Status, Trigger
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import count_by_state
from telemetry_service.pipeline.queries.history import list_newer_transmissions, list_transmissions
from telemetry_service.pipeline.snapshot import read_now
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.license_server import Strike, Trouble, reply
from tests.support.site import Site


def send(site: Site, strike: Strike | None = None) -> UUID:
    site.server.trouble(Trouble(before=strike) if strike else Trouble())
    return send_now(site.runtime, ADMIN, None).transmission.transmission_id


def found(site: Site, filter_: HistoryFilter) -> list[UUID]:
    """Return what a filter leaves, newest first."""
    return [one.transmission_id for one in read_now(site.runtime, list_transmissions, filter_, None, 100).items]


def test_it_is_read_page_by_page_newest_first(site: Site) -> None:
    sent = [send(site) for _ in range(5)]
    pages, cursor = [], None
    while True:
        page = read_now(site.runtime, list_transmissions, HistoryFilter(), cursor, 2)
        pages.append([one.transmission_id for one in page.items])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == [[sent[4], sent[3]], [sent[2], sent[1]], [sent[0]]]


@ON_BOTH
def test_it_is_turned_back_page_by_page_too(site: Site) -> None:
    sent = [send(site) for _ in range(5)]
    second = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 2).next_cursor
    third = read_now(site.runtime, list_transmissions, HistoryFilter(), second, 2).next_cursor
    oldest = read_now(site.runtime, list_transmissions, HistoryFilter(), third, 2)
    assert oldest.newer_cursor is not None
    middle = read_now(site.runtime, list_newer_transmissions, HistoryFilter(), oldest.newer_cursor, 2)
    assert [one.transmission_id for one in middle.items] == [sent[2], sent[1]]
    assert middle.newer_cursor is not None
    newest = read_now(site.runtime, list_newer_transmissions, HistoryFilter(), middle.newer_cursor, 2)
    assert [one.transmission_id for one in newest.items] == [sent[4], sent[3]]
    assert newest.newer_cursor is None


@ON_BOTH
def test_it_is_turned_back_with_the_filter_and_skips_nothing(site: Site) -> None:
    failed = []
    for _ in range(4):
        failed.append(send(site, reply(422)))
        send(site)
    filter_ = HistoryFilter(status=Status.FAILED)
    second = read_now(site.runtime, list_transmissions, filter_, None, 3).next_cursor
    last = read_now(site.runtime, list_transmissions, filter_, second, 3)
    assert last.newer_cursor is not None
    newer = read_now(site.runtime, list_newer_transmissions, filter_, last.newer_cursor, 2)
    assert [one.transmission_id for one in newer.items] == [failed[2], failed[1]]


@ON_BOTH
def test_it_is_filtered_by_the_guides_words_and_by_what_made_a_transmission(site: Site) -> None:
    rejected, held, retrying = send(site, reply(422)), send(site, reply(401)), send(site, reply(503))
    accepted = send(site)
    site.tick_only()
    (pending,) = found(site, HistoryFilter(trigger=Trigger.SCHEDULED))
    assert found(site, HistoryFilter(status=Status.FAILED)) == [retrying, held, rejected]
    assert found(site, HistoryFilter(status=Status.SUCCESS)) == [accepted]
    assert found(site, HistoryFilter(status=Status.PENDING)) == [pending]
    assert found(site, HistoryFilter(trigger=Trigger.MANUAL)) == [accepted, retrying, held, rejected]
    assert found(site, HistoryFilter(status=Status.FAILED, trigger=Trigger.SCHEDULED)) == []


@pytest.fixture
def at_the_edges(site: Site) -> Callable[[HistoryFilter], list[int]]:
    """Transmissions made in the first and in the last microsecond of three UTC days; each is known by its number."""
    sent = []
    for day in (4, 5, 6):
        for moment in (datetime(2026, 11, day, tzinfo=UTC), datetime(2026, 11, day, 23, 59, 59, 999_999, UTC)):
            site.clock.set(moment)
            sent.append(send(site))
    return lambda filter_: [sent.index(one) for one in reversed(found(site, filter_))]


@ON_BOTH
def test_it_is_filtered_by_utc_days_of_which_the_first_and_the_last_belong_to_it(
    at_the_edges: Callable[[HistoryFilter], list[int]],
) -> None:
    assert at_the_edges(HistoryFilter(from_day=date(2026, 11, 5))) == [2, 3, 4, 5]
    assert at_the_edges(HistoryFilter(to_day=date(2026, 11, 5))) == [0, 1, 2, 3]
    assert at_the_edges(HistoryFilter(from_day=date(2026, 11, 5), to_day=date(2026, 11, 5))) == [2, 3]
    assert at_the_edges(HistoryFilter(from_day=date(2026, 11, 7))) == []


@ON_BOTH
def test_transmissions_are_counted_by_their_state(site: Site) -> None:
    assert set(read_now(site.runtime, count_by_state).values()) == {0}
    send(site)
    send(site)
    send(site, reply(401))
    site.tick_only()
    assert read_now(site.runtime, count_by_state) == {
        State.PENDING: 1,
        State.SUCCESS: 2,
        State.RETRYING: 0,
        State.HELD: 1,
        State.REJECTED: 0,
        State.AWAITING_RELEASE: 0,
        State.EXPORTED: 0,
        State.WITHDRAWN: 0,
    }
