"""Real processes that are paused, live in another time, or are killed again and again."""

import glob
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.transmissions import LEASE, HistoryFilter
from telemetry_service.pipeline.queries.history import list_transmissions
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.tick import wake
from tests.support.child import Deed, Orders, await_stop, exit_code, launch
from tests.support.programs import needs
from tests.support.reckoning import Amount, reckon
from tests.support.shared_clock import SharedClock
from tests.support.site import Site, usage
from tests.torture.arena import Arena, postgresql_arena, sqlite_arena
from tests.torture.ordeal import Plan, torture

pytestmark = pytest.mark.waits

FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)  # noqa: PTH207 - a pattern of its own
IN_ANOTHER_TIME = """
import sys
from pathlib import Path
from telemetry_service.domain.clock import SystemClock
from telemetry_service.pipeline.stages.tick import wake
from tests.support.site import Replica
wake(Replica(sys.argv[1], sys.argv[2], Path(sys.argv[3])).open(SystemClock()))
"""


@pytest.mark.parametrize("failpoint", [Failpoint.CLAIMED, Failpoint.SENT])
def test_a_process_stopped_beyond_its_lease_does_no_harm_when_it_goes_on(
    site: Site, tmp_path: Path, failpoint: Failpoint
) -> None:
    site.report(usage(7, 3, 2))
    site.clock.set(site.next_run_at())
    process = launch(Orders(site.replica, tmp_path / "clock", [Deed.WAKE], stop_at=failpoint))
    stopped = await_stop(process)
    site.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert wake(site.runtime).attempts == 1
    os.kill(stopped, signal.SIGCONT)
    assert exit_code(process) == 0
    (entry,) = site.server.journal()
    assert (entry.times_received, entry.conflicts) == (2 if failpoint is Failpoint.SENT else 1, 0)
    assert reckon(site.replica.database_url, site.server.journal()).accepted == Amount(7, 3, 2)


@pytest.mark.parametrize(("end", "attempts"), [(signal.SIGCONT, 0), (signal.SIGKILL, 1)], ids=["goes on", "dies"])
def test_a_process_stopped_while_it_writes_its_outcome_holds_the_others_up_and_misleads_nobody(
    site: Site, tmp_path: Path, end: signal.Signals, attempts: int
) -> None:
    """It has the row (on SQLite the database) until it goes on or dies; who waited finds what is true then."""
    site.report(usage(7, 3, 2))
    site.clock.set(site.next_run_at())
    process = launch(Orders(site.replica, tmp_path / "clock", [Deed.WAKE], stop_at=Failpoint.OUTCOME_WRITTEN))
    stopped = await_stop(process)
    site.clock.advance(seconds=LEASE.total_seconds() + 1)
    with ThreadPoolExecutor(1) as pool:
        taking_over = pool.submit(wake, site.runtime)
        with pytest.raises(TimeoutError):
            taking_over.result(0.5)
        os.kill(stopped, end)
        assert taking_over.result(30).attempts == attempts
    exit_code(process)
    (entry,) = site.server.journal()
    assert (entry.times_received, entry.conflicts) == (1 + attempts, 0)
    assert reckon(site.replica.database_url, site.server.journal()).accepted == Amount(7, 3, 2)


@needs(FAKETIME, "libfaketime, which moves a whole process in time, is not installed")
@pytest.mark.parametrize("days", [400, -200])
def test_a_process_whose_whole_clock_is_wrong_sends_nothing_twice(site: Site, clock: SharedClock, days: int) -> None:
    """One process lives in another time, TLS and all; then one with the right clock takes over."""
    present = SystemClock().now()
    clock.set(present)
    site.report(usage(7, 3, 2))
    if days < 0:
        site.tick_only()
    clock.set(present + timedelta(days=days))
    environment = {**os.environ, "LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{days:+d}d", "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    url, base_url, ca_file = site.replica.database_url, site.replica.base_url, site.replica.ca_file
    subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_TIME, url, str(base_url), str(ca_file)], env=environment, check=True
    )
    (sent,) = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items
    assert sent.last_attempt_at is not None
    assert abs(sent.last_attempt_at - clock.now()) < timedelta(days=1), "it did live, and send, in another time"
    clock.set(present + timedelta(minutes=10))
    site.report(usage(1))
    wake(site.runtime)
    for _ in range(3):
        site.tick()
    journal = site.server.journal()
    assert reckon(url, journal).total == Amount(8, 3, 2)
    assert reckon(url, journal).waiting == Amount()
    assert all(entry.conflicts == 0 for entry in journal)


@pytest.mark.parametrize("arena", [sqlite_arena, postgresql_arena], ids=["sqlite", "postgresql"])
def test_some_cycles_of_the_torture_lose_nothing_and_double_nothing(
    arena: Callable[[], AbstractContextManager[Arena]],
) -> None:
    """``make torture`` runs hundreds of them; these see to it that it goes on working."""
    with arena() as here:
        report = torture(Plan(kills=10, minutes=1.0, replicas=2, seed=11, kills_between_reckonings=10), here, print)
    assert report.kills.total() >= 10
    assert report.reports_acknowledged > 0
    assert report.clean, report.as_text()
