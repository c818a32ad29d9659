"""A believable past for a console: weeks of usage, runs, a failure or two and an extension code."""

from datetime import timedelta

from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from tests.browser.console import Console
from tests.support.license_server import NO_TROUBLE, Trouble, reply

_PAIRS = 12
_DAYS = 40
_WEEK = (5, 6, 6, 7, 5, 2, 1)
"""How busy a day is: bouncers rest at the weekend."""


def live_for_weeks(console: Console) -> None:
    """Live from early November to the middle of December, and end on an ordinary working day."""
    console.set_key()
    console.register_pairs(_PAIRS)
    console.report_license()
    console.redeem("EXT-30D-7Q2M")
    for day in range(_DAYS):
        console.report(_PAIRS, scale=_WEEK[console.clock.now().weekday()])
        if day == 2:
            console.send()
        _run_if_due(console)
        console.clock.advance(days=1)
    console.redeem("EXT-14D-0K3A")
    _refused(console, 422)
    console.clock.advance(hours=20)
    console.report(_PAIRS, scale=6)
    console.send()
    for day in range(6):
        console.clock.advance(days=1)
        console.report(_PAIRS, scale=_WEEK[day])


def _run_if_due(console: Console) -> None:
    due = read_now(console.runtime, read_configuration).next_run_at
    if due is None or due - console.clock.now() >= timedelta(days=1):
        return
    console.tick()
    console.clock.advance(minutes=6)
    console.server.trouble(Trouble(before=reply(503), times=1))
    console.wake()
    console.clock.advance(minutes=3)
    console.wake()
    console.server.trouble(NO_TROUBLE)


def _refused(console: Console, status: int) -> None:
    console.server.trouble(Trouble(before=reply(status), times=1))
    console.send()
    console.server.trouble(NO_TROUBLE)
