"""Reckons up where all acknowledged usage is, with plain SQL that shares nothing with the service.

accepted transmissions + waiting transmissions + open period + periods not reported  =  all acknowledged usage
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, create_engine, inspect, text

from telemetry_service.reference.journal import JournalEntry

_SUMS = "COALESCE(SUM(audit_events), 0), COALESCE(SUM(policy_decisions), 0), COALESCE(SUM(successful_decisions), 0)"
_OPEN = f"SELECT {_SUMS} FROM usage_counters c JOIN reporting_periods p ON p.id = c.period_id WHERE p.is_open"  # noqa: S608
_NOT_REPORTED = (
    f"SELECT p.id, {_SUMS} FROM usage_counters c JOIN reporting_periods p ON p.id = c.period_id"  # noqa: S608
    " WHERE p.closed_by IN ('switched_off', 'switched_on') OR EXISTS"
    " (SELECT 1 FROM telemetry_transmission_logs l WHERE l.period_id = p.id AND l.state = 'withdrawn') GROUP BY p.id"
)


class Amount(NamedTuple):
    """Audit events, policy decisions and successful decisions."""

    events: int = 0
    decisions: int = 0
    successful: int = 0

    def plus(self, other: "Amount") -> "Amount":
        """Add up."""
        return Amount(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def minus(self, other: "Amount") -> "Amount":
        """Take away."""
        return Amount(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Where the usage is. What the License Server has is taken from its own journal."""

    accepted: Amount
    waiting: Amount
    open: Amount
    not_reported_periods: Mapping[int, Amount]
    waiting_ids: frozenset[UUID]

    @property
    def not_reported(self) -> Amount:
        """What was counted in periods that a switch has closed, or whose payload was withdrawn."""
        return add_up(self.not_reported_periods.values())

    @property
    def total(self) -> Amount:
        """The left side of the equation."""
        return self.accepted.plus(self.waiting).plus(self.open).plus(self.not_reported)


def reckon(database_url: str, journal: Collection[JournalEntry]) -> Reckoning:
    """Return where all usage is, by the database and the License Server's journal."""
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            return reckon_on(connection, journal)
    finally:
        engine.dispose()


def reckon_on(connection: Connection, journal: Collection[JournalEntry]) -> Reckoning:
    """Do the same on a connection that is there already."""
    accepted_ids = {entry.transmission_id for entry in journal}
    waiting = {i: payload for i, payload in _payloads(connection, _WAITING).items() if i not in accepted_ids}
    return Reckoning(
        accepted=add_up(amount_of(entry.payload) for entry in journal),
        waiting=add_up(map(amount_of, waiting.values())),
        open=_amount(connection.execute(text(_OPEN)).one()),
        not_reported_periods=_by_period(connection),
        waiting_ids=frozenset(waiting),
    )


def amount_of(payload: bytes) -> Amount:
    """Return what a payload accounts for."""
    stated = json.loads(payload)
    return Amount(stated["total_events"], stated["policy_decision_count"], stated["successful_decisions"])


def unfaithful(connection: Connection, journal: Collection[JournalEntry]) -> frozenset[UUID]:
    """Return the ids under which the License Server holds something else than the service shows as sent, or nothing.

    Kept are the payload, to which an attempt adds its moment and nothing else, and every attempt's digest.
    """
    logs = connection.execute(text("SELECT transmission_id, state FROM telemetry_transmission_logs")).all()
    kept = {transmission_id: _content(payload) for transmission_id, payload in _payloads(connection).items()}
    delivered = {_uuid(row[0]) for row in logs if row[1] == "success"}
    attempts = connection.execute(text("SELECT transmission_id, payload_sha256 FROM telemetry_transmission_attempts"))
    sent = {(_uuid(row[0]), row[1]) for row in attempts}
    other = frozenset(
        entry.transmission_id
        for entry in journal
        if entry.transmission_id in kept
        and (
            _content(entry.payload) != kept[entry.transmission_id]
            or (entry.transmission_id, entry.payload_sha256) not in sent
        )
    )
    return other | (delivered - {entry.transmission_id for entry in journal})


def undelivered(connection: Connection) -> tuple[int, int]:
    """Return how many transmissions are not shown as accepted, and how many extension codes are not."""
    transmissions = "SELECT count(*) FROM telemetry_transmission_logs WHERE state NOT IN ('success', 'withdrawn')"
    codes = "SELECT count(*) FROM extension_codes WHERE accepted_at IS NULL"
    waiting, unsent = (int(connection.execute(text(query)).scalar_one()) for query in (transmissions, codes))
    return waiting, unsent


def codes_of(journal: Collection[JournalEntry]) -> list[str]:
    """Return every extension code that the License Server received, as often as it did."""
    return [code for entry in journal for code in json.loads(entry.payload)["redeemed_extension_codes"]]


def add_up(amounts: Iterable[Amount]) -> Amount:
    """Return the sum."""
    return reduce(Amount.plus, amounts, Amount())


def _content(payload: bytes) -> dict[str, Any]:
    """Return what no attempt may change."""
    stated: dict[str, Any] = json.loads(payload)
    return {name: value for name, value in stated.items() if name != "transmitted_at"}


_LOG = "telemetry_transmission_logs"
# One that is shown as accepted and that the License Server does not have is lost, and not waiting.
_WAITING = "WHERE l.state NOT IN ('success', 'withdrawn')"
_STORED = (
    "SELECT l.transmission_id, e.content FROM telemetry_transmission_logs l JOIN evidence e"
    " ON e.transmission_id = l.transmission_id AND e.sha256 = l.prepared_sha256"
)
_STORED_BY_0_1_0 = "SELECT l.transmission_id, l.payload FROM telemetry_transmission_logs l"


def _payloads(connection: Connection, condition: str = "") -> dict[UUID, bytes]:
    """Return the stored payloads, in a database of this version or of 0.1.0."""
    old = "payload" in {column["name"] for column in inspect(connection).get_columns(_LOG)}
    rows = connection.execute(text(f"{_STORED_BY_0_1_0 if old else _STORED} {condition}"))
    return {_uuid(row[0]): bytes(row[1]) for row in rows}


def _by_period(connection: Connection) -> dict[int, Amount]:
    return {period: _amount(sums) for period, *sums in connection.execute(text(_NOT_REPORTED))}


def _amount(sums: Iterable[Any]) -> Amount:
    return Amount(*(int(n) for n in sums))


def _uuid(value: UUID | bytes) -> UUID:
    return value if isinstance(value, UUID) else UUID(bytes=bytes(value))
