"""One run: start replicas, let things go wrong, kill, reckon; again and again."""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, create_engine

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.transmissions import LEASE
from telemetry_service.license_server.endpoint import ExchangeLimits
from telemetry_service.pipeline.actions.configure import save_configuration, set_api_key
from telemetry_service.pipeline.actions.report_facts import redeem_code
from telemetry_service.pipeline.actions.retry import retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.check_ledger import check_ledger
from telemetry_service.pipeline.stages.record import record
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import wake
from tests.support.actors import ADMIN, OPS
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.reckoning import Amount, Reckoning, add_up, codes_of, reckon_on, undelivered, unfaithful
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica
from tests.torture import worker
from tests.torture.arena import Arena
from tests.torture.auditor import verdict
from tests.torture.report import Report
from tests.torture.troubles import make_trouble
from tests.torture.usage_source import Receipts, batch, code

_CONTEXT = get_context("forkserver")
_LIMITS = ExchangeLimits(deadline=timedelta(seconds=0.7))
_STEPS = [timedelta(0), timedelta(seconds=30), 2 * LEASE, timedelta(hours=1), timedelta(hours=8), timedelta(hours=-3)]
_ROUNDS = 60
Found = TypeVar("Found")
_RARE = {Failpoint.TICK_OWNED, Failpoint.PURGE_STEP}
"""Failpoints that a short life comes to once at best."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard."""

    kills: int
    minutes: float
    replicas: int
    seed: int
    kills_between_reckonings: int = 40


@dataclass
class _Running:
    process: BaseProcess
    reporter: int
    die_at: Failpoint | None
    ready_file: Path

    def await_ready(self) -> None:
        """Wait until the replica is open, or has died."""
        for _ in range(500):
            if self.ready_file.exists() or self.process.exitcode is not None:
                return
            time.sleep(0.01)


class Ordeal:
    """Owns the replicas and the oracle: the License Server's journal and what was acknowledged to the reporters."""

    def __init__(self, plan: Plan, arena: Arena, server: LicenseServer, folder: Path) -> None:
        """Prepare; :meth:`run` does it."""
        self._plan = plan
        self._arena = arena
        self._server = server
        self._folder = folder
        self._random = random.Random(plan.seed)  # noqa: S311 - chance, not a secret
        self._clock = SharedClock(folder / "clock")
        self._replica = Replica(arena.url, server.server.url, server.server.ca_pem_path, limits=_LIMITS)
        self._running: list[_Running] = []
        self._receipts = [Receipts(folder, reporter) for reporter in range(plan.replicas)]
        self._not_reported: dict[int, Amount] = {}
        self._ends: list[str] = []
        self._started = 0
        self.report = Report(arena.url.partition(":")[0].partition("+")[0], plan.replicas)
        server.store.add_key(worker.SECOND_API_KEY, CUSTOMER)

    def run(self, say: Callable[[str], None]) -> Report:
        """Go through the plan and return the report."""
        _CONTEXT.set_forkserver_preload([worker.__name__])
        began = time.monotonic()
        self._prepare()
        while self.report.kills.total() < self._plan.kills and time.monotonic() - began < self._plan.minutes * 60:
            until = self.report.kills.total() + self._plan.kills_between_reckonings
            while self.report.kills.total() < min(until, self._plan.kills):
                self._cycle()
            self._reckon()
            self.report.seconds = time.monotonic() - began
            say(f"{self.report.kills.total()} kills, {self.report.lost} lost, {self.report.doubled} doubled")
        self._audit()
        return self.report

    def end(self) -> None:
        """Leave no process behind."""
        for running in self._running:
            running.process.kill()
            running.process.join()

    def _prepare(self) -> None:
        runtime = self._replica.open(self._clock)
        set_api_key(runtime, API_KEY, ADMIN)
        runtime.database.close()

    def _cycle(self) -> None:
        while len(self._running) < self._plan.replicas:
            self._launch()
        self._disturb()
        victim = self._random.choice(self._running)
        if self._random.random() < 0.9:  # Now and then one dies while it starts.
            victim.await_ready()
        time.sleep(self._random.uniform(0.0, 0.4))
        self._bury()
        if victim in self._running:
            self._kill(victim)

    def _launch(self) -> None:
        self._started += 1
        taken = {running.reporter for running in self._running}
        reporter = min(set(range(self._plan.replicas)) - taken)
        die_at = self._random.choice([None, *Failpoint, *_RARE])
        die_after = 0 if die_at in _RARE else int(self._random.expovariate(1) * 2)
        work = worker.Work(self._replica, self._folder, reporter, self._started, die_at, die_after, self._may_switch)
        process = _CONTEXT.Process(target=worker.live, args=(work,), daemon=True)
        process.start()
        self._running.append(_Running(process, reporter, die_at, work.ready_file))

    def _disturb(self) -> None:
        self._clock.set(self._clock.now() + self._random.choice(_STEPS))
        began = make_trouble(self._server, self._random) if self._random.random() < 0.5 else None
        if began is not None:
            self.report.faults[began] += 1
        if self._random.random() < 0.06:
            name = self._random.choice(list(self._arena.faults))
            self.report.faults[name] += 1
            self._arena.faults[name](self._random)
        if self._random.random() < 0.05:
            self._pause()

    def _pause(self) -> None:
        """Stop a replica for longer than its lease, while the others go on."""
        process = self._random.choice(self._running).process
        if process.pid is None:
            return
        with suppress(ProcessLookupError):  # It has killed itself in the meantime.
            os.kill(process.pid, signal.SIGSTOP)
            self._clock.advance(seconds=LEASE.total_seconds() + 1)
            time.sleep(0.15)
            os.kill(process.pid, signal.SIGCONT)
            self.report.faults["replica paused beyond its lease"] += 1

    def _kill(self, victim: _Running) -> None:
        victim.process.kill()
        victim.process.join()
        self._running.remove(victim)
        moment = "at random" if victim.ready_file.exists() else "while starting"
        self.report.kills[moment] += victim.process.exitcode == -signal.SIGKILL

    def _bury(self) -> None:
        """Count those who have killed themselves at a failpoint."""
        for running in [running for running in self._running if running.process.exitcode is not None]:
            self._running.remove(running)
            if running.process.exitcode == -signal.SIGKILL and running.die_at is not None:
                self.report.kills[f"at {running.die_at.value}"] += 1

    def _reckon(self) -> None:
        """Kill all, let all be well, deliver what waits, and compare what the License Server has with what it must."""
        self._bury()
        for running in tuple(self._running):
            self._kill(running)
        self._server.server.listen()
        self._server.trouble()
        runtime = _patiently(lambda: self._replica.open(self._clock))
        try:
            self._finish_reports(runtime)
            self._deliver_all(runtime)
            self._verify_ledger(runtime)
        finally:
            runtime.database.close()
        engine = create_engine(self._arena.url)
        with engine.connect() as connection:
            self._compare(reckon_on(connection, self._server.journal()))
            self._look_at_deliveries(connection)
        engine.dispose()

    def _verify_ledger(self, runtime: Runtime) -> None:
        """Verify the whole ledger, with the ends of all earlier reckonings as anchors: nothing committed is gone."""
        found = check_ledger(runtime, self._ends)
        self.report.ledger_entries = found.checked.get("entries", 0)
        self.report.ledger_problems = max(self.report.ledger_problems, len(found.problems))
        if found.head is not None:
            self._ends.append(f"{found.head.seq}:{found.head.sha256}")

    def _audit(self) -> None:
        """Let somebody else verify the history of the whole run."""
        runtime = _patiently(lambda: self._replica.open(self._clock))
        try:
            self.report.export_verdict = verdict(runtime, self._server.public_key, self._ends, self._folder)
        finally:
            runtime.database.close()

    @property
    def _may_switch(self) -> bool:
        """Telemetry is switched off only between every other two reckonings: between the others all usage is sent."""
        return self.report.reckonings % 2 == 0

    def _look_at_deliveries(self, connection: Connection) -> None:
        self.report.undelivered = max(self.report.undelivered, sum(undelivered(connection)))
        self.report.other_payloads = len(unfaithful(connection, self._server.journal()))

    def _finish_reports(self, runtime: Runtime) -> None:
        """Get each reporter a response to its last batch, so that it is known what was acknowledged."""
        for receipts in self._receipts:
            number = receipts.next_number()
            redeemed = code(receipts.reporter, number)
            if redeemed is not None:
                redeem_code(runtime, redeemed, OPS)
            record(runtime, [batch(receipts.reporter, number)])
            receipts.acknowledged(number)

    def _deliver_all(self, runtime: Runtime) -> None:
        stored = read_now(runtime, read_configuration).stored
        values = stored.values.model_copy(update={"enabled": True})
        save_configuration(runtime, values, stored.version, ADMIN)
        for _ in range(_ROUNDS):
            self._clock.advance(hours=7)
            # The service does each of them again at its next waking; a busy machine must not end the run.
            _patiently(lambda: sweep(runtime))
            _patiently(lambda: wake(runtime))
            _patiently(lambda: retry_failed(runtime, ADMIN))
            with open_snapshot(runtime) as snapshot:
                waiting, codes = snapshot.situation.waiting.total, snapshot.tx.extension_codes.waiting()
            if not waiting and not codes:
                return
            if codes:
                send_now(runtime, ADMIN, None)

    def _compare(self, reckoning: Reckoning) -> None:
        report, journal = self.report, self._server.journal()
        # Retention deletes old periods that were not reported, so what was seen of them is kept here.
        earlier = add_up(self._not_reported.values())
        self._not_reported |= reckoning.not_reported_periods
        not_reported = add_up(self._not_reported.values())
        wrongly = 0 if self._may_switch else not_reported.minus(earlier).events
        expected = add_up(receipts.amount() for receipts in self._receipts)
        found = reckoning.accepted.plus(reckoning.waiting).plus(reckoning.open).plus(not_reported)
        codes, redeemed = codes_of(journal), set().union(*(receipts.codes() for receipts in self._receipts))
        differences = found.minus(expected)
        self.report = replace(
            report,
            reckonings=report.reckonings + 1,
            reports_acknowledged=sum(receipts.reports() for receipts in self._receipts),
            events_acknowledged=expected.events,
            events_accepted=reckoning.accepted.events,
            events_not_reported=not_reported.events,
            transmissions_accepted=len(journal),
            sent_again_and_recognized=sum(entry.times_received - 1 for entry in journal),
            lost=max(report.lost, -min(differences)),
            doubled=max(report.doubled, *differences),
            withheld_wrongly=report.withheld_wrongly + wrongly,
            ids_with_two_payloads=sum(entry.conflicts > 0 for entry in journal),
            codes_redeemed=len(redeemed),
            codes_lost=len(redeemed - set(codes)),
            codes_doubled=len(codes) - len(set(codes)),
            unexpected_errors=len(list(self._folder.glob("unexpected-*"))),
            damaged_database=report.damaged_database + self._arena.damaged(),
        )


def _patiently(act: Callable[[], Found]) -> Found:
    """Try until the database has recovered."""
    for _ in range(20):
        try:
            return act()
        except TelemetryError:
            time.sleep(0.5)
    return act()


def torture(plan: Plan, arena: Arena, say: Callable[[str], None]) -> Report:
    """Run ``plan`` on ``arena`` and return the report."""
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        folder = Path(name)
        clock = SharedClock(folder / "clock")
        with LicenseServer(folder / "license-server", clock) as server:
            ordeal = Ordeal(plan, arena, server, folder)
            try:
                return ordeal.run(say)
            finally:
                ordeal.end()
                for note in sorted(folder.glob("unexpected-*"))[:5]:
                    say(note.read_text())
