"""Moments are read as RFC 3339 has them, whichever platform wrote them."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from telemetry_service.domain.timestamps import Moment, parse_moment
from tests.support.each import each

_TWO = datetime(2026, 11, 15, 2, tzinfo=UTC)


@each(
    ("written", "meant"),
    [
        ("2026-11-15T02:00:00Z", _TWO),
        ("2026-11-15t02:00:00z", _TWO),
        ("2026-11-15T03:30:00+01:30", _TWO),
        ("2026-11-15T02:00:00-00:00", _TWO),
        ("2026-11-15T02:00:00.5Z", _TWO.replace(microsecond=500_000)),
        ("2026-11-15T02:00:00.1234567Z", _TWO.replace(microsecond=123_456)),  # .NET
        ("2026-11-15T02:00:00.123456789Z", _TWO.replace(microsecond=123_456)),  # Go
        ("2026-11-15T02:00:00.9999999999999999Z", _TWO.replace(microsecond=999_999)),  # cut, not rounded
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),  # a leap second
        ("2016-12-31T15:59:60-08:00", datetime(2017, 1, 1, tzinfo=UTC)),  # a leap second elsewhere
        ("2016-12-31T23:59:60.25Z", datetime(2017, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),  # within one
    ],
)
def test_a_moment_is_read_as_go_and_dotnet_write_it(written: str, meant: datetime) -> None:
    assert parse_moment(written) == meant
    assert TypeAdapter(Moment).validate_json(json.dumps(written), strict=True) == meant


@each(
    "written",
    [
        "2026-11-15T02:00:00",
        "2026-11-15 02:00:00Z",
        "2026-11-15",
        "20261115T020000Z",
        "2026-W46-7T02:00:00Z",
        "1700000000",
        "2026-11-15T02:00Z",
        "2026-11-15T02:00:00.Z",
        "2026-11-15T02:00:00,5Z",
        "2026-11-15T02:00:00+0100",
        "2026-11-15T02:00:00+01",
        "2026-11-15T02:00:00+24:00",
        "2026-11-15T02:00:00+00:60",
        "2026-11-15T24:00:00Z",
        "2026-11-15T02:60:00Z",
        "2026-11-15T02:00:61Z",
        "2026-02-30T02:00:00Z",
        "2026-11-15T02:00:60Z",
        "2026-11-15T23:59:60Z",
        "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59-01:00",
        "1969-12-31T23:59:59Z",
        "2026-11-15T02:00:00Z\n",
        " 2026-11-15T02:00:00Z",
        "\uff12026-11-15T02:00:00Z",
        "",
    ],
)
def test_what_is_no_moment_of_rfc_3339_is_refused(written: str) -> None:
    with pytest.raises(ValueError):
        parse_moment(written)
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_json(json.dumps(written), strict=True)


@pytest.mark.parametrize("number", [1700000000, 1700000000.5, 0, True])
def test_a_number_is_no_moment(number: float) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_json(json.dumps(number), strict=True)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the zone is drawn beside it
    st.integers(-1439, 1439),
    st.text("0123456789", max_size=6),
)
def test_every_moment_comes_back_from_whatever_zone_and_fineness(local: datetime, minutes: int, finer: str) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    written = moment.isoformat(timespec="microseconds")
    assert parse_moment(written[:26] + finer + written[26:]) == moment
