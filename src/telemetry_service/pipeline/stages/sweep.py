"""The sweep: verifies the new entries of the ledger at each waking, and everything once a day and on demand.

It reads in short transactions, and waits between two of them as long as the last one took, so that nothing waits for
it. Its verdict is sealed, and everything that says "verified" without checking says when the sweep did.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic, perf_counter
from typing import TypeVar
from uuid import UUID

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.changed_rows import CODES
from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.verification import MOST_PROBLEMS, Problem, Verification
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.changed_rows import problems_with_rows
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.sweep_lines import STEP as LINES
from telemetry_service.pipeline.stages.sweep_lines import LinesCheck, LinesResults
from telemetry_service.pipeline.stages.sweep_tables import STEP as TRANSMISSIONS
from telemetry_service.pipeline.stages.sweep_tables import TablesCheck, missing_rows
from telemetry_service.pipeline.verification import (
    keep_verification,
    read_verification,
    stored_verification,
    was_replaced,
)
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.sealing.verify_ledger import Report
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head
from telemetry_service.storage.ledger_sweep import readable

EVERY = timedelta(days=1)
_CLOCKS_DIFFER = timedelta(minutes=5)
_LEASE = timedelta(hours=1)
"""How long one replica keeps the others from verifying everything: many times what a long ledger takes."""
_SPREAD_SECONDS = 1800
"""Replicas verify everything at different moments, so that usually one of them does it for all."""

_AFTER_ERROR_SECONDS = 600
_NAMED = 20
"""Problems that one entry of the ledger names; it has the number of all."""

_HEAD_CHANGED = Problem("head_changed")
_GROUP = 500
"""Transmissions of the ledger that are looked up at a time."""


class Sweeper:
    """The sweep of one process, as a regular job."""

    def __init__(self, runtime: Runtime) -> None:
        """Begin at the next run."""
        self._runtime = runtime
        self._late = timedelta(seconds=runtime.random.uniform(0, _SPREAD_SECONDS))
        self._not_before = 0.0

    def run(self) -> None:
        """Sweep; after an error, wait before the next attempt."""
        if monotonic() < self._not_before:
            return
        try:
            sweep(self._runtime, self._late)
        except Exception as error:
            self._not_before = monotonic() + _AFTER_ERROR_SECONDS
            self._runtime.swept.fails |= not isinstance(error, StorageUnavailableError)
            raise
        self._runtime.swept.fails = False


def sweep(runtime: Runtime, late: timedelta = timedelta(0)) -> Verification | None:
    """Verify what is due and keep the verdict; None if nothing is, or the process is to stop.

    ``late`` is how much later than a day after the last one this process verifies everything.
    """
    now = runtime.clock.now()
    with runtime.database.read() as tx:
        replaced, last, head = was_replaced(runtime, tx), read_verification(runtime, tx), _named(tx.ledger.head())
        rows = () if last is None else tuple(problems_with_rows(runtime, tx, last.stamps))
        gone = last is not None and last.head != head and _is_gone(tx, last)
    if last is None or replaced:
        return _verify_everything_once(runtime, now, anyway=True)
    if _complete_is_due(runtime, last, now - late):
        return _verify_everything_once(runtime, now, anyway=_is_overdue(last, now - late))
    if last.head == head:
        noted = _note_rows(runtime, last, rows, now)
        return _go_on(runtime, noted or last) or noted
    if gone:  # What was verified is no longer there, so what is behind it does not say what came before.
        return _verify_everything_once(runtime, now, anyway=True)
    found = _verify_new(runtime, last, now)
    if found is None:
        return None
    kept = _keep(runtime, found)
    # An entry at each waking must not keep the rest from being verified. But what was just found stays in the health,
    # even if it is repaired by the entry about it.
    return _go_on(runtime, kept, {*kept.problems} - {*last.problems}) or kept


def _is_gone(tx: Transaction, last: Verification) -> bool:
    """Whether the entry that was verified last is no longer there as it was."""
    found = readable(lambda: tx.ledger.line(last.seq))
    return last.seq > 0 and (found is None or sha256_hex(found.line.encode()) != last.sha256)


def _verify_everything_once(runtime: Runtime, now: datetime, *, anyway: bool) -> Verification | None:
    """Verify everything, unless another replica does it already: each would read and compute the same.

    Anyone who can write to the database can write that one does. With ``anyway``, verify it all the same.
    """
    until = now + _LEASE
    with runtime.database.write() as tx:
        if not tx.schedule.begin_verification(now, until) and not anyway:
            return None
    try:
        return verify_everything(runtime)
    finally:
        with runtime.database.write() as tx:
            tx.schedule.end_verification(until)


def _note_rows(runtime: Runtime, last: Verification, rows: Sequence[Problem], now: datetime) -> Verification | None:
    """Keep what is wrong now with the rows outside the ledger; None if that is known."""
    problems = _sorted({*_without_rows(last.problems), *rows})
    return None if problems == last.problems else _keep(runtime, replace(last, at=now, problems=problems))


def _without_rows(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the problems that are not about rows outside the ledger: all of those are checked each time."""
    return (problem for problem in problems if problem.code not in CODES)


def _go_on(runtime: Runtime, last: Verification, just_found: Collection[Problem] = frozenset()) -> Verification | None:
    """Verify a little more of everything; if the end is not what is known, verify all of it again and keep that.

    What was ``just_found`` is kept with it.
    """
    round_ = runtime.swept.round = runtime.swept.round or Round(runtime)
    with runtime.database.read() as tx:
        if round_.go_on(tx):
            return None
    found, runtime.swept.round = round_.finish(), None
    differs = found is not None and {*found.problems} | _repaired(last) != {*last.problems}
    return verify_everything(runtime, just_found) if differs else None


def verify_everything(runtime: Runtime, just_found: Collection[Problem] = frozenset()) -> Verification | None:
    """Verify everything now and keep the verdict, with what was ``just_found``; None if the process is to stop."""
    found = examine_everything(runtime, considerate=True)
    if found is None:
        return None
    with runtime.database.read() as tx:
        repaired = _repaired(read_verification(runtime, tx))
    return _keep(runtime, replace(found, problems=_sorted({*found.problems, *just_found, *repaired})))


def _repaired(last: Verification | None) -> set[Problem]:
    """Return the problem that the entry about it repairs: it stays in the health until a person verifies the ledger."""
    return set() if last is None else {problem for problem in last.problems if problem == _HEAD_CHANGED}


def examine_everything(runtime: Runtime, *, considerate: bool = False) -> Verification | None:
    """Verify everything now, and write nothing; None if the process is to stop.

    ``considerate`` leaves the database to others between two steps.
    """
    found = _examine(runtime, (), considerate=considerate)
    return None if found is None else found.verdict


@dataclass(frozen=True, slots=True)
class Examined:
    """What a verification of everything found."""

    verdict: Verification
    report: Report
    """What the verifier says of the lines, in its own words, with all that it counted."""


def examine_now(runtime: Runtime, anchors: Sequence[str] = (), *, keep: bool) -> Examined | None:
    """Verify everything now, with the entries that ``anchors`` name; None if the process is to stop.

    With ``keep``, the verdict is stored, unless there are anchors: one that is wrong would stay in the verdict. It is a
    person's, so what was repaired before ends with it.

    Raises:
        ValueError: an anchor is neither ``HASH`` nor ``SEQ:HASH``.
    """
    found = _examine(runtime, anchors, considerate=False)
    if found is not None and keep and not anchors:
        _keep(runtime, found.verdict)
    return found


def _examine(runtime: Runtime, anchors: Sequence[str], *, considerate: bool) -> Examined | None:
    while not runtime.stopping.is_set():
        complete = _Complete(runtime, anchors)
        found = complete.run(considerate=considerate)
        if found is not None:
            return Examined(found, complete.report)
    return None


def _complete_is_due(runtime: Runtime, last: Verification, now: datetime) -> bool:
    if last.pinned != _pinned(runtime) or last.complete_at > now + EVERY + _CLOCKS_DIFFER:
        return True
    return now - last.complete_at >= EVERY


def _is_overdue(last: Verification, now: datetime) -> bool:
    """Whether the replica that has the lease should have verified everything by now, or a clock was set back."""
    return now - last.complete_at >= EVERY + _LEASE or last.complete_at > now + EVERY + _CLOCKS_DIFFER


class _Complete:
    """One verification of everything."""

    def __init__(self, runtime: Runtime, anchors: Sequence[str]) -> None:
        self._runtime, self._now = runtime, runtime.clock.now()
        with runtime.database.read() as tx:
            last, known = stored_verification(runtime, tx), read_verification(runtime, tx)
            self._checkpoint = tx.sweep.checkpoint()
            trusted = runtime.ledger_keys(tx)
        self._anchors = () if last is None else tuple({*last.rolled_back, f"{last.seq}:{last.sha256}"} - {_NOTHING})
        seen = [verdict for verdict in (last, known) if verdict is not None]
        self._answered = {name for verdict in seen for name in verdict.answered}
        expected = {name for verdict in seen for name in verdict.entries} | runtime.swept.missing
        self._lines = LinesCheck(
            trusted,
            checkpoint=self._checkpoint,
            anchors=(*self._anchors, *anchors),
            expected=expected - {_NOTHING},
            vendor_keys=() if runtime.receipt_keys is None else runtime.receipt_keys.public_keys,
        )
        self._head = Head(0, "")
        self._tables: TablesCheck | None = None
        """None before all entries were verified."""
        self._known = known

    @property
    def _stamps(self) -> dict[str, str]:
        return self._lines.stamps(self._known)

    @property
    def report(self) -> Report:
        """What the verifier says of the lines."""
        return self._lines.report()

    def run(self, *, considerate: bool) -> Verification | None:
        """Return the verdict; None if the process is to stop, or a purge of the ledger came in between."""
        if not _in_steps(self._runtime, self.step, considerate=considerate):
            return None
        return self.finish()

    def step(self, tx: Transaction, lines: int = LINES, transmissions: int = TRANSMISSIONS) -> bool:
        """Verify the next entries, then the next transmissions; False once there are none left."""
        if self._tables is None:
            self._head = tx.ledger.head()
            if not self._lines.step(tx, lines):
                self._end_of_lines()
            return True
        return self._tables.step(tx, transmissions)

    def _end_of_lines(self) -> None:
        self._ends = self._lines.ends_with(self._head.seq, self._head.sha256)
        self._results = self._lines.results()
        self._tables = TablesCheck(self._runtime, key_lost=self._results.key_lost)

    def finish(self) -> Verification | None:
        """Return the verdict after the last step; None if a purge of the ledger came in between."""
        assert self._tables is not None  # noqa: S101 - it is, after the last step
        results, tables = self._results, self._tables
        with self._runtime.database.read() as tx:
            if tx.sweep.checkpoint() != self._checkpoint:
                return None
            missing = [*self._missing(tx), *problems_with_rows(self._runtime, tx, self._stamps)]
        problems = [*results.problems, *tables.problems, *missing]
        if not self._ends:
            problems.append(_HEAD_CHANGED)
        return self._verdict(results, problems, tables.unverified)

    def _missing(self, tx: Transaction) -> list[Problem]:
        while self._lines.step(tx):  # A purge may have come in between; the next sweep verifies these lines again.
            pass
        ended, purges = self._lines.ended, self._lines.purges
        names, found = list(ended), list[Problem]()
        for start in range(0, len(names), _GROUP):
            group = {name: ended[name] for name in names[start : start + _GROUP]}
            found += missing_rows(tx, group, purges, self._now)
        return found

    def _verdict(self, results: LinesResults, problems: list[Problem], unverified: set[UUID]) -> Verification:
        counts = results.counts
        return Verification(
            at=self._now,
            complete_at=self._now,
            seq=results.seq,
            sha256=results.sha256,
            problems=_sorted({*problems}),
            unverified=tuple(sorted(unverified))[:MOST_PROBLEMS],
            evidence_checked=counts["evidence checked"],
            evidence_purged=purged_in(counts),
            migrated=counts["migrated"],
            key_fingerprints=results.keys,
            key_lost=results.key_lost,
            pinned=_pinned(self._runtime),
            head=_named(self._head),
            rolled_back=tuple(sorted({*self._anchors} & results.missing)),
            stamps=self._stamps,
            missing=tuple(sorted(results.missing)),
            answered=tuple(sorted(self._answered | results.answered)),
            ours_since=results.ours_since,
        )


class Round:
    """A verification of everything that continues a little at each waking, so that no change waits for the next day."""

    LINES, TRANSMISSIONS = 20, 5
    """At a time: about a millisecond for each entry, so that an idle process works for less than 1 % of its time."""

    def __init__(self, runtime: Runtime) -> None:
        """Start at the first entry."""
        self._complete = _Complete(runtime, ())

    def go_on(self, tx: Transaction) -> bool:
        """Verify a little; False at the end."""
        return self._complete.step(tx, self.LINES, self.TRANSMISSIONS)

    def finish(self) -> Verification | None:
        """Return what was found; None if it has to start again."""
        return self._complete.finish()


def _verify_new(runtime: Runtime, last: Verification, now: datetime) -> Verification | None:
    """Verify the entries behind the last verdict, and the transmissions that they are about."""
    with runtime.database.read() as tx:
        keys = runtime.ledger_keys(tx)
    lines, head = LinesCheck(keys, after=(last.seq, last.sha256)), Head(0, "")

    def step(tx: Transaction) -> bool:
        nonlocal head
        head = tx.ledger.head()
        return lines.step(tx)

    if not _in_steps(runtime, step, considerate=True):
        return None
    with runtime.database.read() as tx:
        while step(tx):  # The rows are compared with the entries of the same moment.
            pass
        results, about = lines.results(), set(lines.ended)
        problems, counts, lost = results.problems, results.counts, last.key_lost or results.key_lost
        stamps = lines.stamps(last)
        rows = tuple(problems_with_rows(runtime, tx, stamps))
        tables = TablesCheck(runtime, key_lost=lost)
        tables.these(tx, about)
    if not lines.ends_with(head.seq, head.sha256):
        problems.append(_HEAD_CHANGED)
    return replace(
        last,
        at=now,
        seq=results.seq,
        sha256=results.sha256,
        problems=_sorted({*_without_rows(last.problems), *problems, *tables.problems, *rows}),
        unverified=tuple(sorted({*last.unverified} - about | tables.unverified))[:MOST_PROBLEMS],
        evidence_checked=last.evidence_checked + counts["evidence checked"],
        evidence_purged=last.evidence_purged + purged_in(counts),
        migrated=last.migrated + counts["migrated"],
        key_fingerprints=results.keys if results.key_lost else _together(last.key_fingerprints, results.keys),
        key_lost=lost,
        head=_named(head),
        stamps=stamps,
        answered=tuple(sorted({*last.answered, *results.answered})),
        ours_since=_later(last.ours_since, results.ours_since),
    )


def _keep(runtime: Runtime, found: Verification) -> Verification:
    """Store a verdict. What is wrong and was not known yet becomes one entry of the ledger and a line in the log."""
    with runtime.database.write() as tx:
        last = stored_verification(runtime, tx, lock=True)
        known = frozenset() if last is None else frozenset(last.problems)
        # Another process may have verified entries that were written since this verification began.
        later = {problem for problem in known if problem.seq is not None and problem.seq > found.seq}
        found = replace(found, problems=_sorted({*found.problems, *later}))
        newest = read_verification(runtime, tx)
        found = found if newest is None else _with(found, newest)
        new = [problem for problem in found.problems if problem not in known]
        keep_verification(runtime, tx, found)
        if new:
            tx.ledger.note(found.at, SERVICE, Kind.VERIFY_FAILED, _named_problems(new))
    runtime.swept.verdict = found
    for problem in new[:_NAMED]:
        log_event(Event.VERIFY_FAILED, code=problem.code, seq=problem.seq, transmission_id=problem.transmission_id)
    return found


def _with(found: Verification, other: Verification) -> Verification:
    """Return a verdict with what another process has learned while this verification ran, perhaps for a long time."""
    found = replace(found, answered=_together(found.answered, other.answered))
    if found.complete_at == other.complete_at:  # It has looked for none of the missing entries itself.
        found = replace(found, missing=_together(found.missing, other.missing))
    if other.seq <= found.seq or f"{other.seq}:{other.sha256}" in found.missing:
        return found
    return replace(
        found,
        at=max(found.at, other.at),
        seq=other.seq,
        sha256=other.sha256,
        unverified=_together(found.unverified, other.unverified),
        key_fingerprints=other.key_fingerprints,
        key_lost=other.key_lost,
        head=other.head,
        missing=_together(found.missing, other.missing),
        stamps={**found.stamps, **other.stamps},
        ours_since=_later(found.ours_since, other.ours_since),
    )


def _named_problems(problems: list[Problem]) -> dict[str, Value]:
    named: list[Value] = [
        {
            "code": problem.code,
            "seq": problem.seq,
            "transmission_id": None if problem.transmission_id is None else str(problem.transmission_id),
        }
        for problem in problems[:_NAMED]
    ]
    return {"problems": len(problems), "first": named}


def _in_steps(runtime: Runtime, step: Callable[[Transaction], bool], *, considerate: bool) -> bool:
    """Run steps, each in its own transaction, to the end; False if the process is to stop."""
    more = True
    while more and not runtime.stopping.is_set():
        began = perf_counter()
        with runtime.database.read() as tx:
            more = step(tx)
        if more and considerate:
            runtime.stopping.wait(perf_counter() - began)
    return not more


def purged_in(counts: Mapping[str, int]) -> int:
    """Return how often entries name evidence that is gone; here, nothing is withheld."""
    return counts.get("evidence purged", 0) + counts.get("evidence purged or withheld", 0)


def _pinned(runtime: Runtime) -> tuple[str, ...]:
    return () if runtime.receipt_keys is None else runtime.receipt_keys.fingerprints


def _named(head: Head) -> str:
    return f"{head.seq}:{head.sha256}"


_NOTHING = f"0:{'0' * 64}"
"""The end of an empty ledger, which no line can have."""


def _later(known: int | None, found: int | None) -> int | None:
    return None if known is None or found is None else max(known, found)


_Named = TypeVar("_Named")


def _together(before: tuple[_Named, ...], later: tuple[_Named, ...]) -> tuple[_Named, ...]:
    return tuple(dict.fromkeys((*before, *later)))


def _sorted(problems: set[Problem]) -> tuple[Problem, ...]:
    """Those that stop everything first: there are a few, and no number of others may push them out."""

    def place(problem: Problem) -> tuple[bool, int, str, str]:
        return (problem.code not in CODES, problem.seq or 0, problem.code, str(problem.transmission_id))

    return tuple(sorted(problems, key=place))[:MOST_PROBLEMS]
