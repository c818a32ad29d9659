"""On whatever day the demo is begun, there is something to see and to try."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.cli.demo.folder import TRIAL_LEFT, new_secrets
from telemetry_service.cli.demo.story import DAYS, story

BEGUN = st.datetimes(datetime(2026, 11, 1), datetime(2029, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


@given(now=BEGUN)
def test_the_story_fills_two_months_and_ends_with_two_transmissions_of_these_days(now: datetime) -> None:
    events = [event for event in story(now, new_secrets(now + TRIAL_LEFT)) if event.at < now]
    assert min(event.at for event in events) >= now - timedelta(days=DAYS + 1)
    assert len({event.at.date() for event in events}) >= DAYS
    late = [event for event in events if event.sends and event.at >= now - timedelta(days=6)]
    assert len(late) >= 2


@given(now=BEGUN)
def test_the_first_ticks_meet_their_faults_whatever_the_weekday(now: datetime) -> None:
    events = story(now, new_secrets(now + TRIAL_LEFT))
    faults = [event for event in events if event.happen.__qualname__.startswith("_tick") and not event.sends]
    repaired = [event for event in events if "_key_rotation" in event.happen.__qualname__]
    assert len(faults) == 2
    assert len(repaired) == 3
    assert all(event.at < now for event in [*faults, *repaired])
