"""``Retry-After`` in every form that a server, or an attacker, may give it."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.license_server.retry_after import LONGEST, parse_retry_after
from tests.license_server.conftest import NOW
from tests.support.each import each


@each(
    ("value", "wish"),
    [
        ("0", timedelta(0)),
        ("1", timedelta(seconds=1)),
        (" 120 ", timedelta(minutes=2)),
        ("00000000000000000000120", timedelta(minutes=2)),
        ("31622400", LONGEST),
        ("31622401", LONGEST),
        ("9" * 5000, LONGEST),
        ("Sun, 15 Nov 2026 03:03:17 GMT", timedelta(hours=1)),
        ("Sun, 15 Nov 2026 03:03:17 -0000", timedelta(hours=1)),
        ("Sun, 15 Nov 2026 05:03:17 +0200", timedelta(hours=1)),
        ("Sunday, 15-Nov-26 03:03:17 GMT", timedelta(hours=1)),
        ("Sun Nov 15 03:03:17 2026", timedelta(hours=1)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
    ],
)
def test_seconds_and_dates_are_understood_and_bounded(value: str, wish: timedelta) -> None:
    assert parse_retry_after(value, NOW) == wish


@each(
    "value",
    [None, "", " ", "-1", "+1", "1.5", "1e3", "٣", "²", "soon", "1, 2", "Sun, 99 Nov 2026 99:99:99 GMT", "NaN", "0x10"],
)
def test_anything_else_says_nothing(value: str | None) -> None:
    assert parse_retry_after(value, NOW) is None


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,9} [A-Z][a-z]{2} \d{1,9} \d\d:\d\d:\d\d [-+]\d{4,9}"))
def test_nothing_in_it_does_harm(value: str) -> None:
    wish = parse_retry_after(value, NOW)
    assert wish is None or timedelta(0) <= wish <= LONGEST
