"""kill -9 at every named point of the pipeline: nothing is lost, nothing counts twice.

A real process dies there; another one takes over, and the equation of the reporting periods holds exactly.
"""

import signal
import threading
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.facts import RecordingResult, UsageReport
from telemetry_service.domain.transmissions import LEASE, HistoryFilter, State
from telemetry_service.pipeline.actions.configure import reveal_api_key
from telemetry_service.pipeline.actions.rotate_keys import rotate_keys
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.history import list_transmissions, read_transmission
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.record import Recorder
from telemetry_service.pipeline.stages.tick import wake
from tests.reliability.test_source import WHILE_READING_THE_SOURCE
from tests.support.actors import ADMIN
from tests.support.child import Deed, Orders, exit_code, launch
from tests.support.license_server import API_KEY
from tests.support.reckoning import Amount, codes_of, reckon
from tests.support.settings import ENCRYPTION_KEY
from tests.support.site import Site, usage

BEFORE_COMMIT = {Failpoint.USAGE_WRITTEN}
WHILE_RECORDING = (Failpoint.USAGE_WRITTEN, Failpoint.USAGE_COMMITTED)
WHILE_A_TICK_RUNS = (
    Failpoint.TICK_OWNED,
    Failpoint.PERIOD_CLOSED,
    Failpoint.PREPARED,
    Failpoint.CLAIMED,
    Failpoint.SENT,
    Failpoint.OUTCOME_WRITTEN,
    Failpoint.OUTCOME_COMMITTED,
)
WHILE_SENDING_NOW = (*WHILE_A_TICK_RUNS[1:], Failpoint.PREPARED_COMMITTED)


def crash(site: Site, tmp_path: Path, deed: Deed, failpoint: Failpoint, *reports: UsageReport) -> None:
    """Let a process of its own die at a failpoint."""
    orders = Orders(site.replica, tmp_path / "clock", [deed], reports, failpoint)
    assert exit_code(launch(orders)) == -signal.SIGKILL


def recover(site: Site) -> None:
    """Let a replica take over once the lease has ended, and the schedule wake until nothing is due."""
    for _ in range(3):
        site.clock.advance(seconds=LEASE.total_seconds() + 1)
        wake(site.runtime)


def test_every_failpoint_is_one_that_a_test_dies_at() -> None:
    others = {*WHILE_SENDING_NOW, *WHILE_READING_THE_SOURCE, Failpoint.PURGE_STEP, Failpoint.KEYS_ROTATED}
    assert {*WHILE_RECORDING, *WHILE_A_TICK_RUNS, *others} == set(Failpoint)


@pytest.mark.parametrize("failpoint", WHILE_RECORDING)
def test_a_reporter_that_got_no_response_reports_again_and_counts_once(
    site: Site, tmp_path: Path, failpoint: Failpoint
) -> None:
    report = usage(7, 3, 2)
    crash(site, tmp_path, Deed.RECORD, failpoint, report)
    assert site.report(report).duplicates == (0 if failpoint in BEFORE_COMMIT else 1)
    assert reckon(site.replica.database_url, ()).open == Amount(7, 3, 2)


def test_a_report_is_not_acknowledged_while_its_own_transaction_is_open(site: Site) -> None:
    submitted = threading.Event()
    responses: list[Future[RecordingResult]] = []
    acknowledged: list[bool] = []

    def look(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.USAGE_WRITTEN:
            submitted.wait(30)
            acknowledged.append(responses[0].done())

    recorder = Recorder(site.open(look))
    recorder.start()
    responses.append(recorder.submit([usage(7)]))
    submitted.set()
    assert responses[0].result(30).accepted == 1
    recorder.stop()
    assert acknowledged == [False]


@pytest.mark.parametrize("failpoint", WHILE_A_TICK_RUNS)
def test_a_tick_that_was_killed_is_finished_by_the_next_process(
    site: Site, tmp_path: Path, failpoint: Failpoint
) -> None:
    site.report(usage(7, 3, 2))
    site.redeem("EXT-30D-7Q2M")
    site.clock.set(site.next_run_at())
    crash(site, tmp_path, Deed.WAKE, failpoint)
    recover(site)
    journal = site.server.journal()
    reckoning = reckon(site.replica.database_url, journal)
    assert (reckoning.accepted, reckoning.waiting, reckoning.open) == (Amount(7, 3, 2), Amount(), Amount())
    assert [entry.conflicts for entry in journal] == [0], "one tick is one payload, and one id has one"
    assert codes_of(journal) == ["EXT-30D-7Q2M"]
    (transmission,) = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items
    assert transmission.state is State.SUCCESS


@pytest.mark.parametrize("failpoint", WHILE_SENDING_NOW)
def test_a_send_now_that_was_killed_is_finished_by_the_next_process_or_never_happened(
    site: Site, tmp_path: Path, failpoint: Failpoint
) -> None:
    site.report(usage(7, 3, 2))
    crash(site, tmp_path, Deed.SEND_NOW, failpoint)
    recover(site)
    reckoning = reckon(site.replica.database_url, site.server.journal())
    rolled_back = failpoint in {Failpoint.PERIOD_CLOSED, Failpoint.PREPARED}
    assert (reckoning.open if rolled_back else reckoning.accepted) == Amount(7, 3, 2)
    assert reckoning.total == Amount(7, 3, 2)


def test_an_attempt_that_a_crash_cut_off_is_shown_as_interrupted(site: Site, tmp_path: Path) -> None:
    crash(site, tmp_path, Deed.SEND_NOW, Failpoint.SENT)
    recover(site)
    (transmission,) = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items
    first, second = read_now(site.runtime, read_transmission, transmission.transmission_id).attempts
    assert (first.cause, first.finished_at) == (Cause.INTERRUPTED, second.started_at)
    assert (second.state, second.duplicate) == (State.SUCCESS, True)


def test_until_the_lease_of_a_crashed_process_has_expired_no_process_sends_its_transmission(
    site: Site, tmp_path: Path
) -> None:
    crash(site, tmp_path, Deed.SEND_NOW, Failpoint.CLAIMED)
    site.clock.advance(seconds=LEASE.total_seconds() - 1)
    assert wake(site.runtime).attempts == 0
    site.clock.advance(seconds=1)
    assert wake(site.runtime).attempts == 1


def test_a_purge_that_was_killed_is_finished_by_the_next_and_takes_nothing_that_must_stay(
    site: Site, tmp_path: Path
) -> None:
    site.report(usage(7))
    site.tick()
    site.clock.advance(days=60)
    site.report(usage(5))
    crash(site, tmp_path, Deed.PURGE, Failpoint.PURGE_STEP)
    assert purge(site.runtime) > 0
    assert purge(site.runtime) == 0
    assert read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items == ()
    assert reckon(site.replica.database_url, site.server.journal()).total.events == 12


@pytest.mark.parametrize("milliseconds", [0, 3, 9, 20, 35, 60])
def test_a_process_killed_at_any_moment_loses_nothing(site: Site, tmp_path: Path, milliseconds: int) -> None:
    reports = [usage(1, 1, 1) for _ in range(50)]
    site.clock.set(site.next_run_at())
    deeds = [Deed.RECORD, Deed.WAKE, Deed.RECORD, Deed.SEND_NOW]
    process = launch(Orders(site.replica, tmp_path / "clock", deeds, reports))
    process.join(timedelta(milliseconds=100 + milliseconds).total_seconds())
    process.kill()
    exit_code(process)
    site.report(*reports)
    recover(site)
    assert reckon(site.replica.database_url, site.server.journal()).total == Amount(50, 50, 50)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_after_a_crash_the_database_file_is_whole(site: Site, tmp_path: Path) -> None:
    crash(site, tmp_path, Deed.RECORD, Failpoint.USAGE_WRITTEN, usage(1))
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    engine.dispose()


def test_keys_that_were_half_rotated_are_rotated_by_the_next_run(site: Site, tmp_path: Path) -> None:
    newer = bytes(range(1, 33))
    both = replace(site.replica, encryption_keys=(newer, ENCRYPTION_KEY))
    orders = Orders(both, tmp_path / "clock", [Deed.ROTATE_KEYS], (), Failpoint.KEYS_ROTATED)
    assert exit_code(launch(orders)) == -signal.SIGKILL
    site.report(usage(7, 3, 2))
    assert send_now(site.runtime, ADMIN, None).transmission.state is State.SUCCESS, "a replica goes on meanwhile"
    rotated = rotate_keys(site.open(replica=both), ADMIN)
    assert (rotated.counts.older.total(), rotated.counts.unreadable.total()) == (0, 0)
    assert reveal_api_key(site.open(replica=replace(site.replica, encryption_keys=(newer,))), ADMIN) == API_KEY
