"""The hot path of recording: idempotency keys and counters, written many at a time."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Dialect, text

_SQLITE_CHUNK = 10_000
"""Parameters in one statement; SQLite's own limit is 32,766."""


class CounterKey(NamedTuple):
    """What a counter is kept for, within a period."""

    bouncer_id: str
    environment: str


class CounterDelta(NamedTuple):
    """What is added to a counter."""

    audit_events: int
    policy_decisions: int
    successful_decisions: int


_NEW_IDS_POSTGRESQL = text(
    "INSERT INTO usage_report_ids (report_id, received_on)"
    " SELECT id, :received_on FROM unnest(CAST(:ids AS uuid[])) AS id"
    " ON CONFLICT DO NOTHING RETURNING report_id"
)
_INSERT_ID_SQLITE = "INSERT INTO usage_report_ids (report_id, received_on) VALUES (?, ?)"
_ADD = text(
    "INSERT INTO usage_counters AS c"
    " (period_id, day, bouncer_id, environment, audit_events, policy_decisions, successful_decisions)"
    " VALUES (:period_id, :day, :bouncer_id, :environment, :audit_events, :policy_decisions, :successful_decisions)"
    " ON CONFLICT (period_id, day, bouncer_id, environment) DO UPDATE SET"
    " audit_events = c.audit_events + excluded.audit_events,"
    " policy_decisions = c.policy_decisions + excluded.policy_decisions,"
    " successful_decisions = c.successful_decisions + excluded.successful_decisions"
)


class UsageStore:
    """Plain SQL on purpose: this is where the work per report has to be smallest."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection
        self._dialect: Dialect = connection.dialect

    def claim(self, report_ids: Collection[UUID], today: date) -> frozenset[UUID]:
        """Write the ids that are new, and return them; the others had been acknowledged before.

        Sorted, so that two replicas that meet the same ids never wait for each other in a circle.
        """
        ordered = sorted(report_ids)
        if self._dialect.name == "sqlite":
            return self._claim_sqlite(ordered, today.toordinal())
        parameters = {"ids": ordered, "received_on": today.toordinal()}
        return frozenset(self._connection.execute(_NEW_IDS_POSTGRESQL, parameters).scalars())

    def add(self, period_id: int, day: date, deltas: Mapping[CounterKey, CounterDelta]) -> None:
        """Add to the counters of a period: one write for each distinct key, in a fixed order."""
        bound_day = day.isoformat() if self._dialect.name == "sqlite" else day
        rows = [
            {"period_id": period_id, "day": bound_day, **key._asdict(), **deltas[key]._asdict()}
            for key in sorted(deltas)
        ]
        if rows:
            self._connection.execute(_ADD, rows)

    def _claim_sqlite(self, ordered: list[UUID], received_on: int) -> frozenset[UUID]:
        # The write lock is held since BEGIN IMMEDIATE, so nobody can write an id between the two statements.
        known: set[bytes] = set()
        for start in range(0, len(ordered), _SQLITE_CHUNK):
            chunk = tuple(report_id.bytes for report_id in ordered[start : start + _SQLITE_CHUNK])
            marks = ",".join("?" * len(chunk))
            query = f"SELECT report_id FROM usage_report_ids WHERE report_id IN ({marks})"  # noqa: S608 - only marks
            known.update(bytes(row[0]) for row in self._connection.exec_driver_sql(query, chunk))
        fresh = [report_id for report_id in ordered if report_id.bytes not in known]
        if fresh:
            rows = [(report_id.bytes, received_on) for report_id in fresh]
            self._connection.exec_driver_sql(_INSERT_ID_SQLITE, rows)
        return frozenset(fresh)
