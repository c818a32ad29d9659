"""The hot path of recording: writes many idempotency keys and counters at a time."""

import json
from collections.abc import Collection, Mapping, Sequence
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

_NTH_ID = f"substr(?, given.key * {_ID_BYTES} + 1, {_ID_BYTES})"
_KNOWN_SQLITE = (
    "SELECT r.report_id FROM json_each(?) AS given"  # noqa: S608 - no value is part of it
    f" CROSS JOIN usage_report_ids AS r ON r.report_id = {_NTH_ID}"
)
"""A cross join, so that SQLite looks up each given ID."""
_INSERT_SQLITE = (
    "INSERT INTO usage_report_ids (report_id, received_on, checksum)"  # noqa: S608 - no value is part of it
    f" SELECT {_NTH_ID}, ?, given.value FROM json_each(?) AS given"
)
_COUNTERS = "period_id, day, bouncer_id, environment, audit_events, policy_decisions, successful_decisions"
_COUNT_UP = (
    " ON CONFLICT (period_id, day, bouncer_id, environment) DO UPDATE SET"
    " audit_events = c.audit_events + excluded.audit_events,"
    " policy_decisions = c.policy_decisions + excluded.policy_decisions,"
    " successful_decisions = c.successful_decisions + excluded.successful_decisions"
)
_ADD_SQLITE = (
    f"INSERT INTO usage_counters AS c ({_COUNTERS}) SELECT ?, ?, "  # noqa: S608 - no value is part of it
    + ", ".join(f"json_extract(given.value, '$[{number}]')" for number in range(5))
    + f" FROM json_each(?) AS given WHERE true{_COUNT_UP}"
)
_ADD_POSTGRESQL = text(
    f"INSERT INTO usage_counters AS c ({_COUNTERS}) SELECT :period_id, :day, given.*"  # noqa: S608 - no value is part of it
    " FROM unnest(CAST(:bouncers AS text[]), CAST(:environments AS text[]), CAST(:events AS bigint[]),"
    f" CAST(:decisions AS bigint[]), CAST(:successes AS bigint[])) AS given{_COUNT_UP}"
)


class UsageStore:
    """Plain SQL on purpose: the work per report has to be smallest here.

    All reports of a group are written by one statement: the driver lets other threads run with each row of a statement,
    and then waits for its turn.
    """

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
        """Add to the counters of a period, each key once and in a fixed order."""
        rows = [(key.bouncer_id, str(key.environment), *deltas[key]) for key in sorted(deltas)]
        if not rows:
            return
        if self._dialect.name == "sqlite":
            self._connection.exec_driver_sql(_ADD_SQLITE, (period_id, day.isoformat(), json.dumps(rows)))
            return
        columns = ("bouncers", "environments", "events", "decisions", "successes")
        given = dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
        self._connection.execute(_ADD_POSTGRESQL, {"period_id": period_id, "day": day, **given})

    def give_back(self, report_ids: Collection[int]) -> None:
        """Release IDs that this transaction has claimed: their reports are not counted."""
        ordered = [UUID(int=number) for number in sorted(report_ids)]
        for start in range(0, len(ordered), _SQLITE_CHUNK):
            chunk = ordered[start : start + _SQLITE_CHUNK]
            self._connection.execute(delete(UsageReportId).where(UsageReportId.report_id.in_(chunk)))

    def _claim_sqlite(self, ordered: Sequence[int], reports: Mapping[int, int], received_on: int) -> set[int]:
        # The write lock is held since BEGIN IMMEDIATE, so no one can write an ID between the two statements.
        given = _ids_and_checksums(ordered, reports)
        rows = self._connection.exec_driver_sql(_KNOWN_SQLITE, (given[1], given[0]))
        known = {int.from_bytes(report_id) for (report_id,) in rows}
        if known:
            given = _ids_and_checksums([number for number in ordered if number not in known], reports)
        self._connection.exec_driver_sql(_INSERT_SQLITE, (given[0], received_on, given[1]))
        return known


def _ids_and_checksums(ordered: Sequence[int], reports: Mapping[int, int]) -> tuple[bytes, str]:
    """Return the IDs one after another, and a JSON array with the checksum of each."""
    ids = b"".join([number.to_bytes(_ID_BYTES) for number in ordered])
    return ids, json.dumps([reports[number] for number in ordered])
