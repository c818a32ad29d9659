"""Reckons up where all acknowledged usage is, with plain SQL that shares nothing with the service.

accepted transmissions + waiting transmissions + open period + periods not reported  =  all acknowledged usage
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, create_engine, text

from telemetry_service.reference.journal import JournalEntry

_SUMS = "COALESCE(SUM(audit_events), 0), COALESCE(SUM(policy_decisions), 0), COALESCE(SUM(successful_decisions), 0)"
_OPEN = f"SELECT {_SUMS} FROM usage_counters c JOIN reporting_periods p ON p.id = c.period_id WHERE p.is_open"  # noqa: S608
_NOT_REPORTED = (
    f"SELECT {_SUMS} FROM usage_counters c JOIN reporting_periods p ON p.id = c.period_id"  # noqa: S608 - constants
    " WHERE p.closed_by IN ('switched_off', 'switched_on')"
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
    not_reported: Amount
    waiting_ids: frozenset[UUID]

    @property
    def total(self) -> Amount:
        """The left side of the equation."""
        return self.accepted.plus(self.waiting).plus(self.open).plus(self.not_reported)


def reckon(database_url: str, journal: Collection[JournalEntry]) -> Reckoning:
    """Return where all usage is, by the database and the License Server's journal."""
    accepted_ids = {entry.transmission_id for entry in journal}
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            stored = _payloads(connection)
            waiting = {i: payload for i, payload in stored.items() if i not in accepted_ids}
            return Reckoning(
                accepted=_total(entry.payload for entry in journal),
                waiting=_total(waiting.values()),
                open=_amount(connection, _OPEN),
                not_reported=_amount(connection, _NOT_REPORTED),
                waiting_ids=frozenset(waiting),
            )
    finally:
        engine.dispose()


def amount_of(payload: bytes) -> Amount:
    """Return what a payload accounts for."""
    stated = json.loads(payload)
    return Amount(stated["total_events"], stated["policy_decision_count"], stated["successful_decisions"])


def codes_of(journal: Collection[JournalEntry]) -> list[str]:
    """Return every extension code that the License Server was told of, as often as it was."""
    return [code for entry in journal for code in json.loads(entry.payload)["redeemed_extension_codes"]]


def _total(payloads: Iterable[bytes]) -> Amount:
    total = Amount()
    for payload in payloads:
        total = total.plus(amount_of(payload))
    return total


def _payloads(connection: Connection) -> dict[UUID, bytes]:
    rows = connection.execute(text("SELECT transmission_id, payload FROM telemetry_transmission_logs"))
    return {_uuid(row[0]): bytes(row[1]) for row in rows}


def _amount(connection: Connection, query: str) -> Amount:
    return Amount(*(int(n) for n in connection.execute(text(query)).one()))


def _uuid(value: UUID | bytes) -> UUID:
    return value if isinstance(value, UUID) else UUID(bytes=bytes(value))
