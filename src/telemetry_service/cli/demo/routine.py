"""The daily events: usage, bouncers, the license, and the schedule's ticks."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from telemetry_service.cli.demo.fleet import FLEET, RETIRED_ON_DAY, RETIRED_SANDBOX, bouncer_id, usage
from telemetry_service.cli.demo.world import Event, World
from telemetry_service.domain.clock import rfc3339

CUSTOMER_ID = "cus_DemoNorthwind7"
_TOKEN_LASTS = timedelta(days=30)
_TOKEN_REFRESHED_EVERY = 7
_IN_THE_EVENING = (timedelta(hours=23, minutes=52),)
_TWICE_A_DAY = (timedelta(hours=12, minutes=4), *_IN_THE_EVENING)
_TWICE_FOR_DAYS = 8
"""The latest days are reported twice a day, so that a period of half a day is not empty."""

_CODES = ((11, "EXT-PILOT-14D"), (29, "EXT-30D-7Q2M"), (59, "EXT-Q4-EXTRA-PAIR"))


def days_of_reports(start: datetime, days: int, end: datetime) -> Iterator[Event]:
    """Yield the reports of each day, and one for the last hours at the end."""
    for number in range(days + 1):
        times = _TWICE_A_DAY if number > days - _TWICE_FOR_DAYS else _IN_THE_EVENING
        for after in times:
            yield _report_event(start + timedelta(days=number) + after, number, 1 / len(times))
    yield _report_event(end - timedelta(seconds=30), days, 0.15)


def _report_event(at: datetime, day_number: int, share: float) -> Event:
    def happen(world: World) -> None:
        world.report(usage(at, day_number, share, world.random))

    return Event(at, happen)


def registrations(start: datetime) -> Iterator[Event]:
    """Yield the registration of the bouncers, and the removal of one."""
    for pair in FLEET:
        for minute, environment in enumerate(pair.environments):
            at = start + timedelta(days=pair.since_day, hours=9, minutes=minute)
            path = f"/bouncers/{bouncer_id(pair.name, environment)}"
            yield _call(at, "PUT", path, {"environment": environment, "pair_id": f"pair-{pair.name}"})
    retired = bouncer_id(RETIRED_SANDBOX, "sandbox")
    yield _call(start + timedelta(days=RETIRED_ON_DAY, hours=8), "DELETE", f"/bouncers/{retired}")


def license_reports(start: datetime, days: int, trial_expires_at: str) -> Iterator[Event]:
    """Yield the refreshes of the license token, on a trial license, and the redeemed codes."""
    for number in range(0, days + 1, _TOKEN_REFRESHED_EVERY):
        at = start + timedelta(days=number, hours=8, minutes=30)
        posture = {
            "customer_id": CUSTOMER_ID,
            "tier": "trial",
            "license_status": "trial",
            "expires_at": trial_expires_at,
            "token_issued_at": rfc3339(start + timedelta(hours=8)),
            "token_expires_at": rfc3339(at + _TOKEN_LASTS),
            "token_refreshed_at": rfc3339(at) if number else None,
        }
        yield _call(at, "PUT", "/license", posture)
    for number, code in _CODES:
        at = start + timedelta(days=number, hours=14)
        yield _call(at, "POST", "/extension-codes", {"code_id": code, "redeemed_at": rfc3339(at)})


def _call(at: datetime, method: str, path: str, body: object = None) -> Event:
    return Event(at, lambda world: world.control_plane.call(method, path, body))


def wakings(*moments: datetime) -> Iterator[Event]:
    """Yield a waking of the schedule at each of these times; at others it would find nothing to do."""
    for at in moments:
        yield Event(at, lambda world: world.wake(), sends=True)
