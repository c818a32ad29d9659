"""After a long outage much waits at once: it goes out in turn, floods nobody, and one bad row starves no other."""

from telemetry_service.domain.actor import SCHEDULE
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.transmissions import AttemptTrigger, Trigger
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.snapshot import Snapshot, read_now
from telemetry_service.pipeline.stages.deliver import ROUND
from telemetry_service.pipeline.stages.prepare import Closing, close_and_prepare
from telemetry_service.pipeline.stages.tick import wake
from tests.support.license_server import Trouble, reply
from tests.support.site import Site


def pile_up(site: Site, number: int) -> list[str]:
    """Let so many transmissions wait, all of them due; return their ids, oldest first."""
    now = site.clock.now()
    closing = Closing(SCHEDULE, Trigger.SCHEDULED, ClosedBy.TICK, AttemptTrigger.TICK, now)
    with site.runtime.database.write() as tx:
        tx.periods.lock_open()
        return [str(close_and_prepare(Snapshot(site.runtime, tx, now), closing)) for _ in range(number)]


def received(site: Site) -> list[str]:
    """Return the ids of all requests, in their order."""
    return [request.headers["x-telemetry-id"] for request in site.server.server.requests]


def test_what_has_piled_up_goes_out_oldest_first_and_a_tick_in_between_is_run_in_time(site: Site) -> None:
    piled_up = pile_up(site, ROUND + 5)
    site.clock.set(site.next_run_at())
    report = wake(site.runtime)
    assert (report.tick, report.attempts) == ("prepared", ROUND)
    assert wake(site.runtime).attempts == 6, "the rest, and the new one"
    assert received(site)[:-1] == piled_up
    assert len(site.server.journal()) == ROUND + 6


def test_a_license_server_that_asks_to_be_left_alone_meets_one_attempt_in_each_waking(site: Site) -> None:
    piled_up = pile_up(site, 10)
    site.server.trouble(Trouble(before=reply(503, Retry_After="3600")))
    assert [wake(site.runtime).attempts for _ in range(3)] == [1, 1, 1]
    assert received(site) == piled_up[:3]
    site.server.trouble()
    assert wake(site.runtime).attempts == 7, "no transmission waits for those that have to wait"
    site.clock.advance(hours=1)
    assert wake(site.runtime).attempts == 3
    assert read_now(site.runtime, read_health).waiting == 0


def test_one_that_is_refused_as_busy_at_every_tick_holds_the_others_up_by_one_waking_only(site: Site) -> None:
    bad, *_ = pile_up(site, 1)
    for round_number in range(3):
        site.server.trouble(Trouble(before=reply(503), times=1))
        site.tick()
        wake(site.runtime)
        assert [str(entry.transmission_id) for entry in site.server.journal()].count(bad) == 0
        assert len(site.server.journal()) == round_number + 1
        assert received(site)[-2] == bad, "the oldest is tried first"
