"""Figures, moments, the chart and the words: what the templates are given."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.configuration import API_KEY_FORM, API_KEY_REPEATED, Configuration
from telemetry_service.domain.connection_check import StepName
from telemetry_service.domain.ledger import Kind, Nobody
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.periods import DayCount
from telemetry_service.domain.phrases import counted, iso, relative, to_come, to_the_minute
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmission_texts import RowStatus
from telemetry_service.domain.transmissions import AttemptTrigger, State, Trigger
from telemetry_service.domain.verdict import ConnectionBadge
from telemetry_service.web.tab import labels as words
from telemetry_service.web.tab.appearance import local_address
from telemetry_service.web.tab.filters import ago, counted_up_to, duration, size
from telemetry_service.web.tab.forms.settings_form import SettingsForm, read_form
from telemetry_service.web.tab.history_query import history_query_in, history_query_of
from telemetry_service.web.tab.sections.chart import HEIGHT, WIDTH, chart, scale_of
from tests.support.each import each

NOW = datetime(2026, 11, 3, 10, 0, tzinfo=UTC)


@each(
    ("distance", "words_"),
    [
        (timedelta(seconds=3), "in a few seconds"),
        (timedelta(seconds=-3), "just now"),
        (timedelta(minutes=4), "in 4 minutes"),
        (timedelta(minutes=-1), "1 minute ago"),
        (timedelta(hours=5), "in 5 hours"),
        (timedelta(days=5), "in 5 days"),
        (timedelta(days=-40), "40 days ago"),
        (timedelta(days=-400), "13 months ago"),
    ],
)
def test_a_distance_is_shown_in_its_largest_unit(distance: timedelta, words_: str) -> None:
    assert relative(NOW + distance, NOW) == words_


def test_what_is_planned_and_overdue_is_not_of_the_past() -> None:
    distance = timedelta(days=3)
    assert (to_come(NOW - distance, NOW), to_come(NOW + distance, NOW)) == ("due now", "in 3 days")


def test_every_moment_has_its_zone() -> None:
    assert (iso(NOW), to_the_minute(NOW)) == ("2026-11-03T10:00:00Z", "3 Nov 2026, 10:00 UTC")


def test_what_has_happened_is_never_to_come_although_the_clock_was_set_back_since() -> None:
    assert ago(NOW + timedelta(days=3), NOW) == "just now"


def test_every_number_has_its_unit() -> None:
    assert [counted(n, "row") for n in (0, 1, 1204)] == ["0 rows", "1 row", "1,204 rows"]
    assert [counted_up_to(n, 99, "row") for n in (1, 99, 100)] == ["1 row", "99 rows", "more than 99 rows"]
    assert [duration(n) for n in (None, 0, 999, 1500, 90_000)] == ["—", "under 1 ms", "999 ms", "1.5 s", "1.5 min"]
    assert [size(n) for n in (1, 1390, 20_480)] == ["1 byte", "1,390 bytes", "20.0 KiB"]


@each(
    ("table", "closed_set"),
    [
        (words.HEALTH, HealthStatus),
        (words.CONNECTION_BADGE, ConnectionBadge),
        (words.STATUS, RowStatus),
        (words.ATTEMPT_STATUS, State),
        (words.FREQUENCY, Frequency),
        (words.TRIGGER, Trigger),
        (words.ATTEMPT_TRIGGER, AttemptTrigger),
        (words.STEP, StepName),
        (words.ENTRY, Kind),
        (words.NOBODY, Nobody),
    ],
)
def test_every_member_of_a_closed_set_has_its_words(table: dict[object, object], closed_set: type) -> None:
    assert set(table) == set(closed_set)  # type: ignore[call-overload]  # an enumeration is iterable


def test_every_kind_of_entry_is_in_one_group_of_the_filter() -> None:
    grouped = [kind for kinds in words.ENTRY_GROUPS.values() for kind in kinds]
    assert sorted(grouped) == sorted(Kind)


@given(
    st.lists(st.integers(0, 2**40), min_size=1, max_size=40),
    st.lists(st.integers(0, 2**40), min_size=1, max_size=40),
)
def test_no_bar_leaves_the_chart(sandbox: list[int], production: list[int]) -> None:
    first = date(2026, 10, 1)
    counts = tuple(
        DayCount(first + timedelta(days=n), s, p, 0, 0)
        for n, (s, p) in enumerate(zip(sandbox, production, strict=False))
    )
    drawn = chart(counts, NOW - timedelta(days=33), NOW)
    if drawn is None:
        assert not any(c.sandbox_events + c.production_events for c in counts)
        return
    for bar in drawn.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert 0 <= bar.sandbox_y <= bar.production_y + 0.1
        assert bar.production_y + bar.production_height <= HEIGHT
    assert len(drawn.days) == len(drawn.bars)


def test_the_chart_marks_today_and_counts_billions_in_b() -> None:
    first = NOW.date() - timedelta(days=1)
    drawn = chart((DayCount(first, 2_400_000_000, 0, 0, 0), DayCount(NOW.date(), 5, 5, 0, 0)), NOW, NOW)
    assert drawn is not None
    assert [bar.unfinished for bar in drawn.bars] == [False, True]
    assert [words_ for _, words_ in drawn.lines][-1] == "2.5B"


@given(st.integers(1, 2**53))
def test_the_scale_of_the_chart_leaves_little_of_it_empty(largest: int) -> None:
    end, parts = scale_of(largest)
    assert largest < end <= 1.5 * largest + 1
    assert 1 <= parts <= 5
    assert end % parts == 0


@each(
    ("largest", "end", "lines"),
    [(1, 2, 2), (2, 3, 3), (11, 12, 3), (204, 250, 5), (1_020, 1_200, 3), (2_600, 3_000, 3), (61_000, 80_000, 4)],
)
def test_the_scale_ends_at_a_number_that_is_read_at_a_glance(largest: int, end: int, lines: int) -> None:
    assert scale_of(largest) == (end, lines)


@each(
    "address",
    [
        "https://elsewhere.example",
        "/settings/general/telemetry/../../../healthz",
        "/settings/general/telemetry/..",
        "/settings/general/telemetry/%2e%2e/%2E%2E/x",
        "/settings/general/telemetry/.%2e/x",
        "/settings/general/telemetry/x%2f..%2f..",
        "/settings/general/telemetry/./x",
        "//elsewhere.example",
        "/settings/general/telemetryx",
        "\\\\elsewhere",
        "/x\r\nSet-Cookie: a",
    ],
)
def test_a_login_never_redirects_elsewhere(address: str) -> None:
    assert local_address(address) == "/settings/general/telemetry"


def test_the_asked_for_page_is_kept_through_the_login() -> None:
    asked = "/settings/general/telemetry/history/1?status=failed"
    assert local_address(asked) == asked


@given(st.dictionaries(st.sampled_from(["status", "trigger", "from", "to", "cursor"]), st.text(max_size=20)))
def test_no_address_breaks_the_history(parameters: dict[str, str]) -> None:
    place = history_query_of(parameters)
    assert history_query_in(str(place)).filter == place.filter


def test_a_backwards_range_is_explained() -> None:
    assert "later than" in (history_query_of({"from": "2026-11-03", "to": "2026-11-01"}).wrong or "")


def test_the_key_stands_in_no_representation_of_the_form() -> None:
    assert "secret" not in repr(SettingsForm(api_key="secret secret"))


@pytest.mark.parametrize(("typed", "wrong"), [("short", API_KEY_FORM), ("x" * 20, API_KEY_REPEATED)])
def test_a_wrong_key_is_explained_and_asked_for_again(typed: str, wrong: str) -> None:
    values = Configuration(
        enabled=True, frequency=Frequency.DAILY, encrypt_payload=True, anonymize_pii=True, retention_days=30
    )
    read = read_form(SettingsForm(api_key=typed, frequency="daily", retention_days="30"), values)
    assert read.errors == {"api_key": f"{wrong} Enter the key again."}
