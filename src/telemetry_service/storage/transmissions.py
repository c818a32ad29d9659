"""The outbox and the history: transmissions, their claims and their attempts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    not_,
    null,
    or_,
    select,
    type_coerce,
    update,
)

from telemetry_service.domain.causes import WAITS_FOR_A_PERSON, Cause
from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.situation import Waiting
from telemetry_service.domain.transmissions import (
    FAILED_STATES,
    FINAL_STATES,
    LEASE,
    LONGEST_CLAIM,
    SENDABLE_STATES,
    Attempt,
    AttemptTrigger,
    HistoryFilter,
    State,
    Status,
    Transmission,
    Trigger,
    UnreadableTransmission,
)
from telemetry_service.storage.days import within
from telemetry_service.storage.rows import filled, full_rows, readable_rows
from telemetry_service.storage.tables import EvidenceRow as Evidence
from telemetry_service.storage.tables import LedgerLineRow as Line
from telemetry_service.storage.tables import ReportingPeriod
from telemetry_service.storage.tables import TelemetryTransmissionAttempt as AttemptRow
from telemetry_service.storage.tables import TelemetryTransmissionLog as Log

InHistory = Transmission | UnreadableTransmission
"""A row of the history."""

CLOCKS_DIFFER = timedelta(minutes=1)
"""How much the clocks of two replicas may differ before one mistakes the other's plans for those of a wrong clock."""

_PLANNED = "planned"
_ELSEWHERE = frozenset({State.EXPORTED.value, State.AWAITING_RELEASE.value})
"""Waiting transmissions that the schedule does not send: a person has to do something first."""
_EXPORTABLE = (*FAILED_STATES, State.PENDING, State.EXPORTED)
_ATTEMPT = tuple(Attempt.__slots__)
_ATTEMPT_COLUMNS = tuple(getattr(AttemptRow, name) for name in _ATTEMPT)
_LOG = tuple(name for name in Transmission.__slots__ if not name.startswith("period_") or name == "period_id")
_LOG_COLUMNS = tuple(getattr(Log, name) for name in _LOG)


@dataclass(frozen=True, slots=True)
class NewTransmission:
    """What is written before any network call."""

    transmission_id: UUID
    period_id: int
    trigger: Trigger
    request_key: str | None
    prepared_sha256: str
    customer_sealed: bytes
    records_sent: int
    created_at: datetime
    state: State
    next_attempt_at: datetime | None
    """When it is due, or when it may leave unless it is released sooner; None if only a person releases it."""
    next_trigger: AttemptTrigger


@dataclass(frozen=True, slots=True)
class LastReceipt:
    """The receipt of the last acceptance, and what it may be about."""

    transmission_id: UUID
    receipt: str | None
    payload_digests: frozenset[str]


@dataclass(frozen=True, slots=True)
class Changed:
    """A transmission, and the number of the entry that is its latest change."""

    row: InHistory
    changed_in: int

    @property
    def order(self) -> tuple[int, int]:
        """By which they are listed."""
        return self.changed_in, self.row.sequence


class TransmissionStore:
    """A transmission is written once; afterwards its delivery changes, and never its ID."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection

    def add(self, new: NewTransmission) -> None:
        """Write a transmission that waits for its first attempt."""
        columns = {name: getattr(new, name) for name in NewTransmission.__slots__}
        self._connection.execute(_NEW, {**columns, "planned_at": new.created_at, "attempts_made": 0})

    def lock(self, transmission_id: UUID) -> Transmission | None:
        """Return a transmission, and keep others from changing it until this transaction ends."""
        return self._first(_LOCKED, transmission_id=transmission_id)

    def get(self, transmission_id: UUID) -> Transmission | None:
        """Return a transmission."""
        return self._first(_ONE, transmission_id=transmission_id)

    def by_sequence(self, sequence: int) -> Transmission | None:
        """Return the transmission with this number."""
        return self._first(_ONE_BY_SEQUENCE, sequence=sequence)

    def by_request_key(self, request_key: str) -> Transmission | None:
        """Return the transmission created with a caller's Idempotency-Key."""
        return self._first(_ONE_BY_REQUEST_KEY, request_key=request_key)

    def last_accepted(self) -> Transmission | None:
        """Return the accepted transmission of the latest period, if retention still keeps one that can be read."""
        found = self._page(_LAST_ACCEPTED)
        return next((one for one in found if isinstance(one, Transmission)), None)

    def last_receipt(self) -> LastReceipt | None:
        """Return the receipt of the same one, with the digests of the payloads that its attempts sent."""
        rows = list(readable_rows(self._connection.execute(_LAST_RECEIPT)))
        if not rows:
            return None
        digests = frozenset(row.payload_sha256 for row in rows if row.payload_sha256 is not None)
        return LastReceipt(rows[0].transmission_id, rows[0].receipt, digests)

    def page(self, filter_: HistoryFilter, before: int | None, limit: int) -> tuple[InHistory, ...]:
        """Return transmissions with a sequence below ``before``, newest first."""
        conditions = _conditions(filter_)
        if before is not None:
            conditions.append(Log.sequence < before)
        return self._page(_ALL.where(*conditions).order_by(Log.sequence.desc()).limit(limit))

    def page_after(self, filter_: HistoryFilter, after: int, limit: int) -> tuple[InHistory, ...]:
        """Return transmissions with a sequence above ``after``, those nearest to it, oldest first."""
        later = _ALL.where(*_conditions(filter_), Log.sequence > after)
        return self._page(later.order_by(Log.sequence).limit(limit))

    def changed_page(self, filter_: HistoryFilter, after: int, limit: int) -> tuple[Changed, ...]:
        """Return transmissions with an entry in the ledger above ``after``, by their latest entry.

        Before the first entry is what an upgrade took over and nothing has changed since.
        """
        latest = func.max(Line.seq).label("latest")
        entries = select(Line.transmission_id, latest).where(Line.seq > after, Line.transmission_id.is_not(None))
        by_row = entries.group_by(Line.transmission_id).subquery()
        changed_in = func.coalesce(by_row.c.latest, 0)
        query = select(type_coerce(Log.sequence, BigInteger), changed_in)
        joined = query.join(by_row, by_row.c.transmission_id == Log.transmission_id, isouter=after < 0)
        ordered = joined.where(*_conditions(filter_)).order_by(changed_in, Log.sequence).limit(limit)
        numbers = {row[0]: row[1] for row in self._connection.execute(ordered)}
        rows = self._page(_ALL.where(Log.sequence.in_(numbers)).order_by(Log.sequence))
        return tuple(sorted((Changed(row, numbers[row.sequence]) for row in rows), key=lambda one: one.order))

    def attempts_of(self, transmission_ids: Collection[UUID]) -> dict[UUID, tuple[Attempt, ...]]:
        """Return the attempts of several transmissions, oldest first."""
        found: dict[UUID, tuple[Attempt, ...]] = {}
        query = select(AttemptRow.transmission_id, *_ATTEMPT_COLUMNS).order_by(AttemptRow.number)
        for row in self._connection.execute(query.where(AttemptRow.transmission_id.in_(transmission_ids))):
            attempt = Attempt(*filled(row[1:], _ATTEMPT_COLUMNS))
            found[row[0]] = (*found.get(row[0], ()), attempt)
        return found

    def attempts(self, transmission_id: UUID) -> tuple[Attempt, ...]:
        """Return the attempts of a transmission, oldest first."""
        rows = self._connection.execute(_ATTEMPTS, {"transmission_id": transmission_id})
        return tuple(Attempt(*filled(row, _ATTEMPT_COLUMNS)) for row in rows)

    def latest_attempts(self, limit: int) -> tuple[tuple[UUID, Attempt], ...]:
        """Return the newest attempts with the IDs of their transmissions, newest first."""
        query = select(AttemptRow.transmission_id, *_ATTEMPT_COLUMNS)
        rows = self._connection.execute(query.order_by(AttemptRow.started_at.desc()).limit(limit)).all()
        return tuple((row[0], Attempt(*filled(row[1:], _ATTEMPT_COLUMNS))) for row in rows)

    def payload_digests(self, transmission_ids: Collection[UUID]) -> dict[UUID, set[str]]:
        """Return the digests of the payloads that the attempts of each transmission sent."""
        found: dict[UUID, set[str]] = {}
        rows = self._connection.execute(_PAYLOAD_DIGESTS, {"transmission_ids": tuple(transmission_ids)})
        for row in full_rows(rows) if transmission_ids else ():
            found.setdefault(row.transmission_id, set()).add(row.payload_sha256)
        return found

    def sealed_customer(self, transmission_id: UUID) -> bytes | None:
        """Return the sealed ID of the customer that a transmission was made for, or None if it was not stored."""
        return self._connection.execute(_SEALED_CUSTOMER, {"transmission_id": transmission_id}).scalar_one()

    def without_customer(self) -> tuple[tuple[UUID, bytes], ...]:
        """Return ID and payload of waiting transmissions without a stored customer, oldest first."""
        of_row = (Evidence.transmission_id == Log.transmission_id) & (Evidence.sha256 == Log.prepared_sha256)
        query = select(Log.transmission_id, Evidence.content).join(Evidence, of_row).order_by(Log.sequence)
        waiting = query.where(Log.customer_sealed.is_(None), Log.state.not_in(FINAL_STATES))
        rows = full_rows(self._connection.execute(waiting))
        return tuple((row.transmission_id, bytes(row.content)) for row in rows)

    def keep_customer(self, transmission_id: UUID, customer_sealed: bytes) -> None:
        """Store the customer that a transmission was made for."""
        self._connection.execute(
            update(Log).where(Log.transmission_id == transmission_id).values(customer_sealed=customer_sealed)
        )

    def prepare_again(self, transmission_id: UUID, prepared_sha256: str) -> None:
        """Replace the payload of a transmission, of which nothing can have arrived."""
        self._connection.execute(
            update(Log).where(Log.transmission_id == transmission_id).values(prepared_sha256=prepared_sha256)
        )

    def due(self, now: datetime, longest_wait: timedelta, limit: int | None = None) -> tuple[UUID, ...]:
        """Return the IDs of due transmissions, oldest first, at most ``limit``."""
        query = (
            select(Log.transmission_id)
            .where(Log.state.in_(SENDABLE_STATES), _due(now, longest_wait), _UNCLAIMED)
            .order_by(Log.sequence)
            .limit(limit)
        )
        return self._ids(query, _claim_times(now))

    def waiting(self, states: frozenset[State]) -> tuple[UUID, ...]:
        """Return the IDs of the transmissions in ``states``, oldest first."""
        query = select(Log.transmission_id).where(Log.state.in_(states)).order_by(Log.sequence)
        return self._ids(query)

    def wakeable(self, states: frozenset[State]) -> tuple[UUID, ...]:
        """Return the IDs of the transmissions in ``states`` that may be tried without a person, oldest first."""
        query = select(Log.transmission_id).where(Log.state.in_(states), _wakeable()).order_by(Log.sequence)
        return self._ids(query)

    def count_waiting(self, now: datetime) -> Waiting:
        """Count the transmissions that are not accepted yet, by whether and why they are tried again."""
        try:
            return self._count_waiting(now, with_times=True)
        except RowUnreadableError:
            return self._count_waiting(now, with_times=False)

    def _count_waiting(self, now: datetime, *, with_times: bool) -> Waiting:
        rows = self._connection.execute(_waiting_by_kind(with_times=with_times), _claim_times(now)).all()
        found = {row.kind: row for row in rows}
        numbers = {row.kind: row.number for row in rows}
        awaiting = found.get(State.AWAITING_RELEASE.value)
        planned_row = found.get(_PLANNED)
        return Waiting(
            planned=numbers.pop(_PLANNED, 0),
            awaiting_release=numbers.pop(State.AWAITING_RELEASE.value, 0),
            receipt_missing=numbers.pop(Cause.RECEIPT_MISSING.value, 0),
            held=numbers.pop(State.HELD.value, 0),
            exported=numbers.pop(State.EXPORTED.value, 0),
            rejected=sum(numbers.values()),
            next_attempt_at=None if planned_row is None else planned_row.next,
            here_since=min((row.since for row in rows if row.since and row.kind not in _ELSEWHERE), default=None),
            awaiting_since=None if awaiting is None else awaiting.since,
            awaiting_until=None if awaiting is None else awaiting.next,
            payload_changed=sum(row.changed for row in rows),
        )

    def around(self, filter_: HistoryFilter, transmission_id: UUID) -> tuple[InHistory, ...]:
        """Return a transmission, and its neighbors in a history, oldest first; without it, nothing."""
        this = select(Log.sequence).where(Log.transmission_id == transmission_id).correlate(None).scalar_subquery()
        others = _conditions(filter_)
        newer = select(func.min(Log.sequence)).where(Log.sequence > this, *others).correlate(None).scalar_subquery()
        older = select(func.max(Log.sequence)).where(Log.sequence < this, *others).correlate(None).scalar_subquery()
        return self._page(_ALL.where(Log.sequence.in_((older, this, newer))).order_by(Log.sequence))

    def count_newer(self, filter_: HistoryFilter, sequence: int) -> int:
        """Return how many transmissions of a history are newer than one of them."""
        query = select(func.count()).select_from(Log).where(*_conditions(filter_), Log.sequence > sequence)
        return self._connection.execute(query).scalar_one()

    def count_by_state(self, filter_: HistoryFilter | None = None) -> dict[State, int]:
        """Return how many transmissions are kept in each state; a state without any, or an unknown one, is omitted."""
        conditions = _conditions(filter_) if filter_ else ()
        query = select(Log.state, func.count()).where(*conditions).group_by(Log.state)
        return {row[0]: row[1] for row in full_rows(self._connection.execute(query))}

    def make_due(
        self,
        states: frozenset[State],
        at: datetime,
        trigger: AttemptTrigger,
        planned_at: datetime | None = None,
        but_for: frozenset[Cause] = frozenset(),
    ) -> None:
        """Make transmissions in ``states`` due at ``at``, unless they are due sooner or wait for a person.

        ``planned_at`` is the present time, if ``at`` is a later one. Those with a cause in ``but_for`` stay as they
        are.
        """
        later = or_(Log.next_attempt_at.is_(None), Log.next_attempt_at > at)
        concerned = or_(Log.cause.is_(None), Log.cause.not_in(but_for))
        plan = {"next_attempt_at": at, "planned_at": planned_at or at, "next_trigger": trigger}
        self._connection.execute(update(Log).where(Log.state.in_(states), later, concerned, _wakeable()).values(plan))

    def notice_over(self, now: datetime) -> tuple[UUID, ...]:
        """Return the IDs of the transmissions that wait for a release and no longer have to, oldest first."""
        over = (Log.state == State.AWAITING_RELEASE, Log.next_attempt_at <= now)
        return self._ids(select(Log.transmission_id).where(*over).order_by(Log.sequence))

    def wait_until(self, transmission_id: UUID, at: datetime | None) -> None:
        """Let a transmission that waits for a release wait until ``at``; None if only a person releases it."""
        waits = update(Log).where(Log.transmission_id == transmission_id, Log.state == State.AWAITING_RELEASE)
        self._connection.execute(waits.values(next_attempt_at=at))

    def end_all_notices(self) -> None:
        """Let every transmission that waits for a release wait for a person."""
        waits = update(Log).where(Log.state == State.AWAITING_RELEASE, Log.next_attempt_at.is_not(None))
        self._connection.execute(waits.values(next_attempt_at=None))

    def let_go(self, transmission_id: UUID, now: datetime) -> bool:
        """Make a transmission that waits for a release due now; False if it does not wait."""
        waits = update(Log).where(Log.transmission_id == transmission_id, Log.state == State.AWAITING_RELEASE)
        plan = {"next_attempt_at": now, "planned_at": now, "next_trigger": AttemptTrigger.RELEASED, "cause": None}
        return self._connection.execute(waits.values(state=State.PENDING, **plan)).rowcount == 1

    def await_release(self, transmission_id: UUID, cause: Cause | None) -> None:
        """Let a transmission that has not ended wait for a person, and say why."""
        waits = {"state": State.AWAITING_RELEASE, "cause": cause, "response_code": None, "next_attempt_at": None}
        of_row = update(Log).where(Log.transmission_id == transmission_id, Log.state.not_in(FINAL_STATES))
        self._connection.execute(of_row.values(**waits, claim_token=None, claimed_until=None))

    def withdraw(self, transmission_id: UUID, now: datetime, *, may_have_arrived: bool) -> None:
        """Never send a transmission, which is locked. Its cause says why, if the License Server may have it."""
        ended: dict[str, object] = {"next_attempt_at": None, "claim_token": None, "claimed_until": None}
        if not may_have_arrived:
            ended["cause"] = None
        of_row = update(Log).where(Log.transmission_id == transmission_id)
        self._connection.execute(of_row.values(state=State.WITHDRAWN, withdrawn_at=now, **ended))

    def planned_later(self, transmission_ids: Collection[UUID], now: datetime) -> frozenset[UUID]:
        """Return those of ``transmission_ids`` that are due only because the clock was set back since the plan."""
        asked = select(Log.transmission_id).where(Log.transmission_id.in_(transmission_ids), Log.next_attempt_at > now)
        return frozenset(self._ids(asked))

    def held_with_other_connection(self, connections: Collection[bytes], *, latest: bool) -> bool:
        """Whether any held transmission was never tried with one of ``connections``.

        With ``latest``, also whether the latest attempt of one used a different connection.
        """
        query = select(Log.transmission_id).where(*_held_with_other_connection(connections, latest=latest)).limit(1)
        return self._connection.execute(query).first() is not None

    def make_due_held_with_other_connection(
        self, connections: Collection[bytes], at: datetime, *, latest: bool
    ) -> bool:
        """Make such transmissions due at ``at``; False if there are none."""
        changed = self._connection.execute(
            update(Log)
            .where(*_held_with_other_connection(connections, latest=latest))
            .values(next_attempt_at=at, planned_at=at, next_trigger=AttemptTrigger.CONNECTION_CHANGED)
        )
        return changed.rowcount > 0

    def claim(self, transmission_id: UUID, token: UUID, now: datetime, due_within: timedelta | None = None) -> bool:
        """Take the lease on a transmission; False if it is taken, or the transmission was accepted.

        With ``due_within`` (the longest wait ever planned), also False if it is not due: another replica may have tried
        it in the meantime.
        """
        conditions = [Log.transmission_id == transmission_id, Log.state.in_(SENDABLE_STATES), _UNCLAIMED]
        if due_within is not None:
            conditions.append(_due(now, due_within))
        taken = self._connection.execute(
            update(Log)
            .where(*conditions)
            .values(
                claim_token=token,
                claimed_until=now + LEASE,
                attempts_made=Log.attempts_made + 1,
                last_attempt_at=now,
            ),
            _claim_times(now),
        )
        return taken.rowcount == 1

    def to_export(self, now: datetime, limit: int) -> tuple[UUID, ...]:
        """Return the IDs of what a bundle takes: first what never left or was refused, then what has no receipt yet.

        Of the latter, what was exported longest ago comes first, so that every payload has its turn.
        """
        exported = Log.state == State.EXPORTED
        last = case((exported, Log.last_attempt_at))
        query = select(Log.transmission_id).where(Log.state.in_(_EXPORTABLE), _UNCLAIMED)
        query = query.order_by(case((exported, 1), else_=0), last, Log.sequence).limit(limit)
        return self._ids(query, _claim_times(now))

    def count_to_export(self) -> int:
        """Return how many transmissions a bundle of any size would take."""
        query = select(func.count()).select_from(Log).where(Log.state.in_(_EXPORTABLE))
        return self._connection.execute(query).scalar_one()

    def export(self, transmission_id: UUID, now: datetime) -> bool:
        """Count an attempt in a bundle; False if the transmission is being sent, or no longer waits."""
        condition = Log.transmission_id == transmission_id, Log.state.in_(_EXPORTABLE), _UNCLAIMED
        exported = self._connection.execute(
            update(Log)
            .where(*condition)
            .values(
                state=State.EXPORTED,
                cause=None,
                response_code=None,
                attempts_made=Log.attempts_made + 1,
                last_attempt_at=now,
                last_duration_ms=None,
                next_attempt_at=None,
                claim_token=None,
                claimed_until=None,
            ),
            _claim_times(now),
        )
        return exported.rowcount == 1

    def refuse_exported(self, transmission_id: UUID, state: State, cause: Cause) -> None:
        """Record that the License Server refused the latest export of a transmission."""
        exported = Log.transmission_id == transmission_id, Log.state == State.EXPORTED
        self._connection.execute(update(Log).where(*exported).values(state=state, cause=cause))

    def next_trigger(self, transmission_id: UUID) -> AttemptTrigger:
        """Return what the next attempt was planned for."""
        return self._connection.execute(_NEXT_TRIGGER, {"transmission_id": transmission_id}).scalar_one()

    def begin_attempt(self, transmission_id: UUID, attempt: Attempt, connection: bytes) -> None:
        """Write an attempt before its network call, and close those that a crash left open.

        ``connection`` is a keyed digest of the address, proxy, pinned key and authorities.
        """
        self._connection.execute(
            update(AttemptRow)
            .where(AttemptRow.transmission_id == transmission_id, AttemptRow.finished_at.is_(None))
            .values(finished_at=attempt.started_at, state=State.RETRYING, cause=Cause.INTERRUPTED)
        )
        columns = {name: getattr(attempt, name) for name in _ATTEMPT}
        self._connection.execute(
            _NEW_ATTEMPT, {"transmission_id": transmission_id, "connection": connection, **columns}
        )

    def finish_attempt(
        self, transmission_id: UUID, number: int, columns: Mapping[str, object], body_sha256: str
    ) -> bool:
        """Write the outcome of an attempt; False if there is none with this number that sent this body."""
        of_row = AttemptRow.transmission_id == transmission_id, AttemptRow.number == number
        ended = update(AttemptRow).where(*of_row, AttemptRow.body_sha256 == body_sha256)
        return self._connection.execute(ended.values(**columns)).rowcount == 1

    def accept(self, transmission_id: UUID, columns: Mapping[str, object]) -> bool:
        """Record the acceptance, regardless of who holds the claim; False if it was known."""
        changed = self._connection.execute(
            update(Log)
            .where(Log.transmission_id == transmission_id, Log.state.not_in(FINAL_STATES))
            .values(
                **columns, state=State.SUCCESS, cause=None, next_attempt_at=None, claim_token=None, claimed_until=None
            )
        )
        return changed.rowcount == 1

    def release(self, transmission_id: UUID, token: UUID, columns: Mapping[str, object]) -> bool:
        """Release a claim after a failure; False if the lease had expired and another process took it."""
        changed = self._connection.execute(
            update(Log)
            .where(Log.transmission_id == transmission_id, Log.claim_token == token, Log.state.in_(SENDABLE_STATES))
            .values(**columns, claim_token=None, claimed_until=None)
        )
        return changed.rowcount == 1

    def _first(self, query: Select[Any], **key: object) -> Transmission | None:
        row = self._connection.execute(query, key).one_or_none()
        return None if row is None else _transmission(row)

    def _ids(self, query: Select[UUID], given: Mapping[str, object] | None = None) -> tuple[UUID, ...]:
        """Return the IDs that can be read: an unreadable one is that of no transmission."""
        return tuple(row[0] for row in full_rows(self._connection.execute(query, given)))

    def _page(self, query: Select[Any]) -> tuple[InHistory, ...]:
        try:
            return tuple(_transmission(row) for row in self._connection.execute(query))
        except RowUnreadableError:
            # Of any size: SQLite itself keeps everything else out of this column.
            numbers = query.with_only_columns(type_coerce(Log.sequence, BigInteger))
            return tuple(self._one_of(number) for number in self._connection.execute(numbers).scalars().all())

    def _one_of(self, sequence: int) -> InHistory:
        try:
            row = self._connection.execute(_ONE_BY_SEQUENCE, {"sequence": sequence}).one()
            return _transmission(row)
        except RowUnreadableError as error:
            known = self._ids(select(Log.transmission_id).where(Log.sequence == sequence))
            return UnreadableTransmission(sequence, next(iter(known), None), error.column)


def _held_with_other_connection(connections: Collection[bytes], *, latest: bool) -> tuple[ColumnElement[bool], ...]:
    tried = exists().where(AttemptRow.transmission_id == Log.transmission_id, AttemptRow.connection.in_(connections))
    if latest:
        tried = tried.where(AttemptRow.number == Log.attempts_made)
    return Log.state == State.HELD, Log.next_attempt_at.is_(None), _wakeable(), ~tried


def _wakeable() -> ColumnElement[bool]:
    return or_(Log.cause.is_(None), Log.cause.not_in(WAITS_FOR_A_PERSON))


_UNCLAIMED = or_(
    Log.claimed_until.is_(None),
    Log.claimed_until <= bindparam("present"),
    Log.claimed_until > bindparam("longest_claim"),
)
"""No claim, an expired one, or one from a clock that was ahead of any real lease; at ``_claim_times``."""


def _claim_times(now: datetime) -> dict[str, datetime]:
    return {"present": now, "longest_claim": now + LONGEST_CLAIM}


def _due(now: datetime, longest_wait: timedelta) -> ColumnElement[bool]:
    """Its time has come, or a wrong clock planned it: further ahead than anything is ever planned.

    The same goes for a plan made at a time still in the future. The wait must not be as long as the clock was set back,
    and it is unknown how much of it is over.
    """
    return or_(
        Log.next_attempt_at <= now,
        Log.next_attempt_at > now + longest_wait,
        and_(Log.next_attempt_at.is_not(None), Log.planned_at > now + CLOCKS_DIFFER),
    )


# Statements that are often run are built once: building one takes longer than SQLite needs to run it.
_ALL: Select[Any] = select(
    *_LOG_COLUMNS,
    ReportingPeriod.opened_at.label("period_opened_at"),
    # One that is open has no transmission, unless someone wrote a row by hand: the ledger does not agree with that.
    func.coalesce(ReportingPeriod.closed_at, ReportingPeriod.opened_at).label("period_closed_at"),
).outerjoin(ReportingPeriod)
_OF_TRANSMISSION = Log.transmission_id == bindparam("transmission_id")
_LAST_ACCEPTED = _ALL.where(Log.state == State.SUCCESS).order_by(Log.sequence.desc()).limit(1)
_ONE = _ALL.where(_OF_TRANSMISSION)
_LOCKED = _ONE.with_for_update(of=Log)
_ONE_BY_SEQUENCE = _ALL.where(Log.sequence == bindparam("sequence"))
_ONE_BY_REQUEST_KEY = _ALL.where(Log.request_key == bindparam("request_key"))
_SEALED_CUSTOMER = select(Log.customer_sealed).where(_OF_TRANSMISSION)
_NEXT_TRIGGER = select(Log.next_trigger).where(_OF_TRANSMISSION)
_LAST_RECEIPT = (
    select(Log.transmission_id, Log.receipt, AttemptRow.payload_sha256)
    .where(Log.sequence == select(func.max(Log.sequence)).where(Log.state == State.SUCCESS).scalar_subquery())
    .outerjoin(AttemptRow, AttemptRow.transmission_id == Log.transmission_id)
)
_ATTEMPTS = (
    select(*_ATTEMPT_COLUMNS)
    .where(AttemptRow.transmission_id == bindparam("transmission_id"))
    .order_by(AttemptRow.number)
)
_PAYLOAD_DIGESTS = select(AttemptRow.transmission_id, AttemptRow.payload_sha256).where(
    AttemptRow.transmission_id.in_(bindparam("transmission_ids"))
)
_NEW, _NEW_ATTEMPT = insert(Log), insert(AttemptRow)


@cache
def _waiting_by_kind(*, with_times: bool) -> Select[Any]:
    planned = or_(Log.next_attempt_at.is_not(None), not_(_UNCLAIMED))
    sendable = Log.state.in_(SENDABLE_STATES)
    kind = case(
        (and_(sendable, planned), _PLANNED),
        (and_(sendable, Log.cause == Cause.RECEIPT_MISSING), Cause.RECEIPT_MISSING.value),
        else_=type_coerce(Log.state, String),
    )
    columns = (
        kind.label("kind"),
        func.count().label("number"),
        func.min(Log.next_attempt_at if with_times else null()).label("next"),
        func.min(Log.created_at if with_times else null()).label("since"),
        func.sum(case((Log.cause == Cause.PAYLOAD_CHANGED, 1), else_=0)).label("changed"),
    )
    return select(*columns).where(Log.state.not_in(FINAL_STATES)).group_by(kind)


def _transmission(row: Row[Any]) -> Transmission:
    filled(row, (*_LOG_COLUMNS, ReportingPeriod.opened_at))
    return Transmission(**row._asdict())


_STATES = {
    Status.PENDING: frozenset({State.PENDING, State.EXPORTED}),
    Status.WAITING: frozenset({State.AWAITING_RELEASE}),
    Status.SUCCESS: frozenset({State.SUCCESS}),
    Status.WITHDRAWN: frozenset({State.WITHDRAWN}),
    Status.FAILED: FAILED_STATES,
}


def _conditions(filter_: HistoryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filter_.status is not None:
        conditions.append(Log.state.in_(_STATES[filter_.status]))
    if filter_.state is not None:
        conditions.append(Log.state == filter_.state)
    if filter_.trigger is not None:
        conditions.append(Log.trigger == filter_.trigger)
    conditions += within(Log.created_at, filter_.from_day, filter_.to_day)
    if filter_.changed_after is not None:
        conditions.append(Log.transmission_id.in_(select(Line.transmission_id).where(Line.seq > filter_.changed_after)))
    return conditions
