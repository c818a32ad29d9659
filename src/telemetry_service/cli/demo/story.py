"""The two months before today: what the administrator did, and which problems came and went.

Its end leaves something to try: a failed transmission for *Retry*, and an open period with a few days of usage.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from telemetry_service.cli.demo.folder import DemoSecrets
from telemetry_service.cli.demo.routine import days_of_reports, license_reports, registrations, wakings
from telemetry_service.cli.demo.world import Event, World
from telemetry_service.domain.schedule import Frequency, next_run_after
from telemetry_service.reference.faults import Drop, Faults, Garbage, ResponseStatus

DAYS = 61
_WEEKLY_DAYS = 35
"""For this long, telemetry was sent weekly; then the default, twice a month, was enough."""

_OPEN_PERIOD = timedelta(days=6)
"""How long the present period has been open, unless a tick fell into that time."""

_MINUTE = timedelta(minutes=1)


def story(now: datetime, secrets: DemoSecrets) -> list[Event]:
    """Return everything that happened in the two months up to ``now``."""
    start = (now - timedelta(days=DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    ticks = list(_ticks(start, now))
    return [
        *registrations(start),
        *license_reports(start, DAYS, secrets.trial_expires_at),
        *days_of_reports(start, DAYS, now),
        *_first_day(start, secrets.api_key),
        *(event for number, tick in enumerate(ticks) for event in _tick(number, tick, secrets)),
        Event(start + timedelta(days=_WEEKLY_DAYS, hours=11), lambda world: _save(world, Frequency.TWICE_MONTHLY)),
        *_last_week(_opening(ticks[-1], now), now),
    ]


def _ticks(start: datetime, now: datetime) -> Iterator[datetime]:
    change = start + timedelta(days=_WEEKLY_DAYS, hours=11)
    tick = next_run_after(Frequency.WEEKLY, start + timedelta(days=1))
    while tick < now:
        yield tick
        following = next_run_after(Frequency.WEEKLY, tick)
        tick = following if following < change else next_run_after(Frequency.TWICE_MONTHLY, max(tick, change))


def _opening(last_tick: datetime, now: datetime) -> datetime:
    """Return when the present week of the story begins: after the last tick was sent, even if that was recently."""
    return max(last_tick + min(10 * _MINUTE, (now - last_tick) / 2), now - _OPEN_PERIOD)


def _first_day(start: datetime, api_key: str) -> Iterator[Event]:
    """Yield the setup, a connection test, and a first transmission."""

    def set_up(world: World) -> None:
        world.administrator.call("PUT", "/telemetry/config/api-key", {"api_key": api_key})
        _save(world, Frequency.WEEKLY)

    at = start + timedelta(hours=9, minutes=40)
    yield Event(at, set_up)
    yield Event(at + 2 * _MINUTE, lambda world: _ask(world, "/telemetry/test-connection"), sends=True)
    yield Event(at + 5 * _MINUTE, lambda world: _ask(world, "/telemetry/send-now"), sends=True)


def _tick(number: int, tick: datetime, secrets: DemoSecrets) -> Iterator[Event]:
    """Yield a tick and the outcome of its transmission."""
    # The transmission is sent up to five minutes after the tick; the attempts planned by back-off follow.
    yield from wakings(tick + _MINUTE / 2, tick + 6 * _MINUTE)
    if number == 1:
        yield Event(tick, lambda world: world.license_server.set_faults(_busy()))
        yield from wakings(tick + 20 * _MINUTE, tick + 40 * _MINUTE)
    elif number == 2:  # noqa: PLR2004 - the third tick
        yield Event(tick, lambda world: world.license_server.set_faults(_cut_off()))
        yield from wakings(tick + 15 * _MINUTE)
    elif number == 3:  # noqa: PLR2004 - the fourth tick
        yield from _key_rotation(tick, secrets)


def _busy() -> Faults:
    """The License Server is under maintenance for the next two requests."""
    return Faults(failure=ResponseStatus(status=503, retry_after="600"), remaining=2)


def _cut_off() -> Faults:
    """The next transmission arrives, but the connection breaks before the response."""
    return Faults(failure=Drop(), after_storing=True, remaining=1)


def _key_rotation(tick: datetime, secrets: DemoSecrets) -> Iterator[Event]:
    """Yield a key that was revoked before its successor was entered, two days of waiting, and the fix."""

    def enter(world: World) -> None:
        world.administrator.call("PUT", "/telemetry/config/api-key", {"api_key": secrets.later_api_key})

    yield Event(tick - timedelta(hours=1), lambda world: world.license_server.revoke_key(secrets.api_key))
    remedy = tick + timedelta(days=2, hours=8, minutes=12)
    yield Event(remedy, enter)
    yield Event(remedy + _MINUTE, lambda world: _ask(world, "/telemetry/test-connection"), sends=True)
    yield from wakings(remedy + 2 * _MINUTE)


def _last_week(opening: datetime, now: datetime) -> Iterator[Event]:
    """Yield two clicks of *Send Now*: the first ran into a captive portal, the second was accepted."""

    def meet_portal(world: World) -> None:
        world.license_server.set_faults(Faults(failure=Garbage(), remaining=1))
        _ask(world, "/telemetry/send-now")

    span = now - opening
    yield Event(opening + span * 0.02, meet_portal, sends=True)
    yield Event(opening + span * 0.15, lambda world: _ask(world, "/telemetry/send-now"), sends=True)


def _ask(world: World, path: str) -> None:
    world.administrator.call("POST", path)


def _save(world: World, frequency: Frequency) -> None:
    seen = world.administrator.call("GET", "/telemetry/config")
    values = {
        "enabled": True,
        "frequency": frequency.value,
        "encrypt_payload": True,
        "anonymize_pii": True,
        "retention_days": 90,
    }
    world.administrator.call("PUT", "/telemetry/config", values, if_match=seen.etag)
