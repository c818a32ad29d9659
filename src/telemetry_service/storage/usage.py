"""The hot path of recording: writes many idempotency keys and counters at a time."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Dialect, delete, select, text

from telemetry_service.storage.tables import UsageReportId

_ID_BYTES = 16
_SQLITE_CHUNK = 10_000
"""Parameters in one statement; SQLite's own limit is 32,766."""


class CounterKey(NamedTuple):
    """The key of a counter within a period."""

    bouncer_id: str
    environment: str


class CounterDelta(NamedTuple):
    """What is added to a counter."""

    audit_events: int
    policy_decisions: int
    successful_decisions: int


_CLAIM_POSTGRESQL = text(
    "WITH given AS (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:checksums AS bigint[])) AS given (id, checksum)),"
    " fresh AS (INSERT INTO usage_report_ids (report_id, received_on, checksum)"
    " SELECT id, :received_on, checksum FROM given ON CONFLICT DO NOTHING RETURNING report_id)"
    " SELECT id FROM given EXCEPT SELECT report_id FROM fresh"
)
"""Returns only the known IDs, usually none; returning the new ones would mean reading and parsing each."""

_INSERT_ID_SQLITE = "INSERT INTO usage_report_ids (report_id, received_on, checksum) VALUES (?, ?, ?)"
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
    """Plain SQL on purpose: the work per report has to be smallest here."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection
        self._dialect: Dialect = connection.dialect

    def claim(self, reports: Mapping[int, int], today: date) -> set[int]:
        """Write the new IDs, each with its checksum, and return the others, which were acknowledged before.

        An ID is the 128-bit integer of its UUID: integers hash and sort several times faster. They are
        sorted, so that two replicas with the same IDs never deadlock.
        """
        ordered = sorted(reports)
        if self._dialect.name == "sqlite":
            return self._claim_sqlite(ordered, reports, today.toordinal())
        # One literal of all IDs: adapting each one separately costs more than the database's work.
        literal = "{" + ",".join([f"{number:032x}" for number in ordered]) + "}"
        checksums = "{" + ",".join([str(reports[number]) for number in ordered]) + "}"
        given = {"ids": literal, "checksums": checksums, "received_on": today.toordinal()}
        return {UUID(str(report_id)).int for report_id in self._connection.execute(_CLAIM_POSTGRESQL, given).scalars()}

    def checksums(self, report_ids: Collection[int]) -> dict[int, int]:
        """Return the checksums that these IDs were acknowledged with, as far as they were kept."""
        found: dict[int, int] = {}
        ordered = [UUID(int=number) for number in sorted(report_ids)]
        for start in range(0, len(ordered), _SQLITE_CHUNK):
            asked = select(UsageReportId.report_id, UsageReportId.checksum).where(UsageReportId.checksum.is_not(None))
            chunk = asked.where(UsageReportId.report_id.in_(ordered[start : start + _SQLITE_CHUNK]))
            found |= {row.report_id.int: row.checksum for row in self._connection.execute(chunk)}
        return found

    def add(self, period_id: int, day: date, deltas: Mapping[CounterKey, CounterDelta]) -> None:
        """Add to the counters of a period: one write for each distinct key, in a fixed order."""
        bound_day = day.isoformat() if self._dialect.name == "sqlite" else day
        rows = [
            {"period_id": period_id, "day": bound_day, **key._asdict(), **deltas[key]._asdict()}
            for key in sorted(deltas)
        ]
        if rows:
            self._connection.execute(_ADD, rows)

    def give_back(self, report_ids: Collection[int]) -> None:
        """Release IDs that this transaction has claimed: their reports are not counted."""
        ordered = [UUID(int=number) for number in sorted(report_ids)]
        for start in range(0, len(ordered), _SQLITE_CHUNK):
            chunk = ordered[start : start + _SQLITE_CHUNK]
            self._connection.execute(delete(UsageReportId).where(UsageReportId.report_id.in_(chunk)))

    def _claim_sqlite(self, ordered: list[int], reports: Mapping[int, int], received_on: int) -> set[int]:
        # The write lock is held since BEGIN IMMEDIATE, so no one can write an ID between the two statements.
        known: set[bytes] = set()
        written = [number.to_bytes(_ID_BYTES) for number in ordered]
        for start in range(0, len(written), _SQLITE_CHUNK):
            chunk = tuple(written[start : start + _SQLITE_CHUNK])
            marks = ",".join("?" * len(chunk))
            query = f"SELECT report_id FROM usage_report_ids WHERE report_id IN ({marks})"  # noqa: S608 - only marks
            known.update(row[0] for row in self._connection.exec_driver_sql(query, chunk))
        new = zip(written, ordered, strict=True)
        fresh = [(report_id, received_on, reports[number]) for report_id, number in new if report_id not in known]
        if fresh:
            self._connection.exec_driver_sql(_INSERT_ID_SQLITE, fresh)
        return {int.from_bytes(report_id) for report_id in known}
