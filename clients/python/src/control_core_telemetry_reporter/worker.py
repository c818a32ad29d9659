"""What happens in the background: counts go from memory to the spool, and from the spools to the service."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from time import monotonic

from control_core_telemetry_reporter.courier import Courier
from control_core_telemetry_reporter.exchange import Endpoint
from control_core_telemetry_reporter.folder import SpoolFolder
from control_core_telemetry_reporter.guard import Guard
from control_core_telemetry_reporter.options import Options
from control_core_telemetry_reporter.outbox import Outbox
from control_core_telemetry_reporter.refused import RefusedFile
from control_core_telemetry_reporter.report import Sums
from control_core_telemetry_reporter.spool import Spool
from control_core_telemetry_reporter.statistics import Statistics
from control_core_telemetry_reporter.tally import Tally, merge
from control_core_telemetry_reporter.waker import Waker

log = logging.getLogger("control_core_telemetry_reporter")

_LOGGED_EVERY_SECONDS = 300.0
_FORK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker works with, in this process and in its children."""

    endpoint: Endpoint
    token: Callable[[], str]
    folder: SpoolFolder
    options: Options
    now: Callable[[], float]


class Worker:
    """Owns the spools of this process and the one thread that sends."""

    def __init__(self, parts: Parts, tally: Tally) -> None:
        self._parts = parts
        self._options = parts.options
        self._tally = tally
        self._lock = Guard()
        """A thread that uses a spool has it. No thread waits for the network with it."""
        self._memory = Outbox(Spool.in_memory(parts.options))
        self._own: Outbox | None = None
        self._others: list[Outbox] = []
        self._courier = Courier(
            parts.endpoint, parts.token, RefusedFile(parts.folder.path), parts.options, self._lock, parts.now
        )
        self._waker = Waker()
        self._rounds = Condition()
        self._asked = 0
        self._done = 0
        self._empty = False
        self._stopping = False
        self._forking = False
        self._spooled = True
        self._opens_after = 0.0
        self._sends_at = 0.0
        self._logged: tuple[str | None, float] = (None, 0.0)
        self._dropped_logged = 0
        self._thread = Thread(target=self._run, name="telemetry-reporter", daemon=True)

    def start(self) -> None:
        """Start the thread. Raises RuntimeError if the process cannot have another one."""
        self._thread.start()

    def write_through(self, sums: Sums) -> bool:
        """Add counts to the spool at once; False if that is not possible."""
        with self._lock as lock:
            return not lock.is_nested and self._spool(sums, sync=self._options.durability == "machine")

    def flush(self, seconds: float) -> bool:
        """Let the thread write and send everything, and wait for it; whether nothing is left."""
        with self._rounds:
            self._asked += 1
            asked = self._asked
            self._waker.wake()
            self._rounds.wait_for(lambda: self._done >= asked or not self._thread.is_alive(), seconds)
            return self._done >= asked and self._empty

    def stop(self, seconds: float) -> bool:
        """Write and send once more, then stop; whether nothing is left."""
        self._stopping = True
        with self._lock:
            self._write()  # The thread may be busy with a service that does not respond.
        empty = self.flush(seconds)
        self._thread.join(0.1)
        return empty

    def before_fork(self) -> None:
        """Leave the spools at rest, so that the child can close all of what it inherits."""
        self._forking = self._lock.acquire(_FORK_SECONDS)

    def after_fork(self) -> None:
        """Continue, in the process that has forked."""
        if self._forking:
            self._lock.release()

    def abandon(self) -> None:
        """Close what a forked process has inherited. Nothing of it is this process's."""
        for outbox in self._outboxes():
            with suppress(OSError):
                outbox.spool.leave()
        self._waker.close()

    def statistics(self) -> Statistics:
        """Return the present numbers. They are read without a lock, so they may be a moment apart."""
        progress = self._courier.progress
        held = sum(outbox.held for outbox in self._outboxes())
        return Statistics(
            accepted=progress.accepted,
            duplicates=progress.duplicates,
            set_aside=progress.set_aside,
            dropped=self._tally.dropped + sum(outbox.spool.dropped for outbox in self._outboxes()),
            damaged=self._parts.folder.damaged,
            waiting=sum(outbox.spool.waiting for outbox in self._outboxes()),
            failures=progress.failures,
            held=held,
            trouble=progress.trouble or (progress.held if held else None),
            spooled=self._spooled,
            reportable=progress.reportable,
        )

    def _outboxes(self) -> list[Outbox]:
        return [self._memory, *([self._own] if self._own else []), *self._others]

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._stopping
            asked = self._asked
            try:
                self._round(forced=asked > self._done or ended)
            except Exception as error:  # noqa: BLE001 - a bug here must not end the reporting of the host
                # No traceback: its lines may show what the host passed.
                log.error("telemetry is not being reported: internal error (%s)", type(error).__name__)  # noqa: TRY400
            self._finish_round(asked)
            if not ended and self._asked == asked:
                self._waker.wait(self._pause())
        self._finish_round(self._asked)
        self._close()

    def _finish_round(self, asked: int) -> None:
        with self._rounds:
            self._done = asked
            self._empty = all(outbox.is_empty for outbox in self._outboxes())
            self._rounds.notify_all()

    def _round(self, *, forced: bool) -> None:
        with self._lock:
            self._write()
        if forced or monotonic() >= max(self._sends_at, self._courier.waits_until):
            self._sends_at = monotonic() + self._options.send_seconds
            with self._lock:
                self._adopt()
            self._send()
        self._say()

    def _write(self) -> None:
        """Bring counts from memory to the spool; what was counted while it could not be written comes first."""
        taken = self._memory.spool.take_open()
        self._tally.drop(merge(taken, self._tally.take(), self._options.max_bouncers))
        if taken and not self._spool(taken, sync=True):
            self._memory.spool.add(taken, sync=False)

    def _spool(self, sums: Sums, *, sync: bool) -> bool:
        try:
            self._open_own().spool.add(sums, sync=sync)
        except OSError:
            self._spooled = False
            return False
        self._spooled = True
        return True

    def _open_own(self) -> Outbox:
        if self._own is None:
            if monotonic() < self._opens_after:
                raise BlockingIOError("the spool could not be opened a moment ago")
            self._opens_after = monotonic() + self._options.flush_seconds
            self._own = Outbox(self._parts.folder.open_own())
        return self._own

    def _adopt(self) -> None:
        """Take over what processes have left that have ended."""
        with suppress(OSError):
            self._open_own()
            for spool in self._parts.folder.left_by_others():
                self._others.append(Outbox(spool))

    def _send(self) -> None:
        until = monotonic() + self._options.send_seconds
        for outbox in self._outboxes():
            # A spool that cannot be written must not keep the others from being sent.
            with suppress(OSError):
                if not self._courier.empty(outbox, until):
                    return
        with self._lock:
            for outbox in [outbox for outbox in self._others if outbox.is_empty]:
                self._others.remove(outbox)
                self._tally.drop(outbox.spool.dropped)
                outbox.spool.close()

    def _pause(self) -> float:
        """Return the seconds until there is something to do."""
        moment = monotonic()
        send = max(self._sends_at, self._courier.waits_until) - moment
        return min(self._options.flush_seconds, max(send, 0.05))

    def _close(self) -> None:
        with self._lock:
            self._write()
            if lost := self._memory.spool.waiting:
                log.error("telemetry was lost: the spool cannot be written (%d sums or reports)", lost)
            for outbox in self._outboxes():
                with suppress(OSError):
                    outbox.spool.close()

    def _say(self) -> None:
        """Log a trouble when it begins, sometimes while it lasts, and when it is over."""
        statistics = self.statistics()
        trouble = statistics.trouble if statistics.spooled else "spool_unwritable"
        known, at = self._logged
        if trouble != known or (trouble is not None and monotonic() - at > _LOGGED_EVERY_SECONDS):
            self._logged = trouble, monotonic()
            if trouble is None:
                log.info("telemetry is being reported again")
            else:
                level = logging.WARNING if self._courier.progress.passes and statistics.spooled else logging.ERROR
                log.log(level, "telemetry is not being reported (%s); waiting: %d", trouble, statistics.waiting)
        if (lost := statistics.dropped + statistics.set_aside + statistics.damaged) > self._dropped_logged:
            self._dropped_logged = lost
            log.error(
                "telemetry was lost: %d calls dropped, %d reports set aside, %d spool files damaged",
                statistics.dropped,
                statistics.set_aside,
                statistics.damaged,
            )
