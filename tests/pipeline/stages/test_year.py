"""A healthy installation says so in every payload, at every frequency.

The rules are walked over a whole year in ``tests/domain/test_year.py``; here real exchanges show that a real schedule
and real acceptances lead to the situations that the rules are walked over.
"""

import pytest

from telemetry_service.domain.owner import Owner
from telemetry_service.domain.payload import HealthStatus, TelemetryAvailability
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.snapshot import read_now
from tests.support.actors import ADMIN
from tests.support.site import Site

_WELL = {HealthStatus.HEALTHY, HealthStatus.WARNING}


RUNS = {Frequency.TWICE_MONTHLY: 8, Frequency.WEEKLY: 6, Frequency.MONTHLY: 5, Frequency.DAILY: 31}
"""Enough for each frequency to meet the end of a month, and with it periods of different lengths."""


@pytest.mark.parametrize("frequency", Frequency)
def test_runs_that_are_accepted_minutes_later_are_available_throughout(site: Site, frequency: Frequency) -> None:
    site.configure(frequency=frequency)
    send_now(site.runtime, ADMIN, None)
    for _ in range(RUNS[frequency]):
        before = read_now(site.runtime, read_health)
        assert before.health.owner is Owner.NOBODY, before.health
        assert site.tick().tick == "prepared"
        site.clock.advance(minutes=4)
        after = read_now(site.runtime, read_health)
        assert (after.health.status, after.health.code) == (HealthStatus.HEALTHY, "ok")
    payloads = site.server.payloads()[1:]
    assert len(payloads) == RUNS[frequency]
    assert {payload.telemetry_availability for payload in payloads} == {TelemetryAvailability.AVAILABLE}
    assert {payload.health_status for payload in payloads} <= _WELL


def test_a_change_of_the_frequency_degrades_nothing(site: Site) -> None:
    site.configure(frequency=Frequency.MONTHLY)
    site.tick()
    site.clock.advance(days=20)
    site.configure(frequency=Frequency.DAILY)
    assert read_now(site.runtime, read_health).health.owner is Owner.NOBODY
    site.tick()
    assert site.server.payloads()[-1].telemetry_availability is TelemetryAvailability.AVAILABLE


def test_runs_while_telemetry_was_off_were_not_due(site: Site) -> None:
    site.tick()
    site.configure(enabled=False)
    site.tick()
    site.configure(enabled=True)
    assert check_connection(site.runtime, ADMIN).ok
    assert read_now(site.runtime, read_health).health.code in {"ok", "on_schedule"}
    site.tick()
    assert site.server.payloads()[-1].telemetry_availability is TelemetryAvailability.AVAILABLE
