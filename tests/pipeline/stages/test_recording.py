"""Usage reports: each counts once for ever, in the period that is open when it is acknowledged."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from uuid import uuid4

import pytest

from telemetry_service.domain.errors import StorageBusyError
from telemetry_service.domain.facts import Environment, RecordingResult
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.record import WAITING_CALLS, Recorder, record
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.reckoning import Amount, reckon
from tests.support.site import Site, usage


class Hold:
    """Stops the recorder in the middle of a transaction until it is released."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.released = threading.Event()
        self.transactions = 0

    def __call__(self, failpoint: Failpoint) -> None:
        if failpoint is Failpoint.USAGE_WRITTEN:
            self.transactions += 1
            self.arrived.set()
            self.released.wait(30)


@pytest.fixture
def hold() -> Hold:
    return Hold()


@pytest.fixture
def recorder(site: Site, hold: Hold) -> Iterator[Recorder]:
    """A recorder that is held up in its first transaction, with one call in it, until it is released."""
    running = Recorder(site.open(hold))
    running.start()
    running.submit([usage(1)])
    hold.arrived.wait(30)
    yield running
    hold.released.set()
    running.stop()


@ON_BOTH
def test_a_report_is_counted(site: Site) -> None:
    assert site.report(usage(10, 6, 5)) == RecordingResult(accepted=1, duplicates=0)
    assert reckon(site.replica.database_url, ()).open == Amount(10, 6, 5)


@ON_BOTH
def test_a_repeated_report_is_acknowledged_as_a_duplicate_and_not_counted_again(site: Site) -> None:
    again = usage(10)
    site.report(again)
    assert site.report(again, usage(1)) == RecordingResult(accepted=1, duplicates=1)
    assert reckon(site.replica.database_url, ()).open.events == 11


@ON_BOTH
def test_a_report_that_stands_twice_in_one_call_counts_once(site: Site) -> None:
    twice = usage(10)
    assert site.report(twice, twice) == RecordingResult(accepted=1, duplicates=1)
    assert reckon(site.replica.database_url, ()).open.events == 10


@ON_BOTH
def test_a_report_that_stands_in_two_calls_of_one_commit_counts_once(site: Site) -> None:
    twice = usage(10)
    first, second = record(site.runtime, [[twice], [twice, usage(1)]])
    assert (first, second) == (RecordingResult(1, 0), RecordingResult(1, 1))
    assert reckon(site.replica.database_url, ()).open.events == 11


@ON_BOTH
def test_a_report_repeated_after_its_period_was_closed_is_still_a_duplicate(site: Site) -> None:
    again = usage(10)
    site.report(again)
    send_now(site.runtime, ADMIN, None)
    assert site.report(again).duplicates == 1
    reckoning = reckon(site.replica.database_url, site.server.journal())
    assert (reckoning.accepted.events, reckoning.open.events) == (10, 0)


@ON_BOTH
def test_the_same_id_with_other_counts_is_a_duplicate_too(site: Site) -> None:
    report_id = uuid4()
    site.report(usage(10, report_id=report_id))
    assert site.report(usage(99, report_id=report_id)).duplicates == 1
    assert reckon(site.replica.database_url, ()).open.events == 10


@ON_BOTH
def test_each_bouncer_counts_once_whatever_it_reported_and_wherever(site: Site) -> None:
    sandbox = usage(2, bouncer="both", environment=Environment.SANDBOX)
    site.report(usage(1, bouncer="both"), sandbox, usage(3, 3, bouncer="deciding"), usage(0, bouncer="idle"))
    site.tick()
    (payload,) = site.server.payloads()
    assert (payload.bouncer_count, payload.active_reporting_bouncer_count) == (2, 1)


@ON_BOTH
def test_usage_of_an_unregistered_bouncer_is_counted_but_the_bouncer_is_not_a_deployed_one(site: Site) -> None:
    site.register("registered", Environment.PRODUCTION)
    site.report(usage(3, bouncer="stranger"))
    site.tick()
    (payload,) = site.server.payloads()
    assert (payload.total_events, payload.bouncer_count, payload.deployed_bouncer_count) == (3, 1, 1)


@ON_BOTH
def test_counts_are_kept_by_utc_day(site: Site) -> None:
    site.report(usage(1, environment=Environment.SANDBOX))
    site.clock.advance(hours=14)
    site.report(usage(2, 2, 1))
    days = read_now(site.runtime, build_preview).days
    assert [(d.day.day, d.sandbox_events, d.production_events, d.policy_decisions) for d in days] == [
        (3, 1, 0, 0),
        (4, 0, 2, 2),
    ]


@ON_BOTH
def test_many_calls_share_one_commit(site: Site, recorder: Recorder, hold: Hold) -> None:
    responses = [recorder.submit([usage(2)]) for _ in range(50)]
    hold.released.set()
    assert [response.result(30) for response in responses] == [RecordingResult(1, 0)] * 50
    assert hold.transactions == 2, "the one that was held up, and one for all the others"
    assert reckon(site.replica.database_url, ()).open.events == 101


@ON_BOTH
def test_a_call_is_not_acknowledged_before_it_is_on_disk(site: Site, recorder: Recorder, hold: Hold) -> None:
    response: Future[RecordingResult] = recorder.submit([usage(2)])
    assert not response.done()
    hold.released.set()
    response.result(30)
    assert reckon(site.replica.database_url, ()).open.events == 3


@ON_BOTH
def test_a_caller_that_disconnects_does_not_affect_others(recorder: Recorder, hold: Hold) -> None:
    gone, stays = recorder.submit([usage(2)]), recorder.submit([usage(2)])
    assert gone.cancel()
    hold.released.set()
    assert stays.result(30).accepted == 1
    assert recorder.submit([usage(2)]).result(30).accepted == 1


@ON_BOTH
def test_a_caller_cannot_go_away_any_more_once_its_reports_are_being_written(site: Site) -> None:
    hold = Hold()
    recorder = Recorder(site.open(hold))
    recorder.start()
    response = recorder.submit([usage(2)])
    hold.arrived.wait(30)
    assert not response.cancel()
    hold.released.set()
    recorder.stop()
    assert response.result(30).accepted == 1


@ON_BOTH
def test_what_was_handed_in_before_a_stop_is_written_and_what_comes_later_is_refused(
    site: Site, recorder: Recorder, hold: Hold
) -> None:
    responses = [recorder.submit([usage(1)]) for _ in range(5)]
    stopping = threading.Thread(target=recorder.stop)
    stopping.start()
    hold.released.set()
    stopping.join(30)
    assert all(response.result(30).accepted == 1 for response in responses)
    with pytest.raises(StorageBusyError):
        recorder.submit([usage(1)])
    assert reckon(site.replica.database_url, ()).open.events == 6


@ON_BOTH
def test_beyond_what_may_wait_a_call_is_refused_as_busy(recorder: Recorder) -> None:
    for _ in range(WAITING_CALLS):
        recorder.submit([usage(0)])
    with pytest.raises(StorageBusyError):
        recorder.submit([usage(0)])


@ON_BOTH
def test_one_call_that_cannot_be_written_does_not_take_the_others_with_it(
    site: Site, recorder: Recorder, hold: Hold
) -> None:
    fine = recorder.submit([usage(2)])
    impossible = recorder.submit([usage(2, bouncer=None)])  # type: ignore[arg-type]  # what validation would refuse
    fine_too = recorder.submit([usage(2)])
    hold.released.set()
    assert (fine.result(30).accepted, fine_too.result(30).accepted) == (1, 1)
    assert impossible.exception(30) is not None
    assert reckon(site.replica.database_url, ()).open.events == 5
