"""The limits of the open period: its sums and distinct bouncers, written with the counters in one transaction."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, Dialect, Row, select, text

from telemetry_service.domain.payload import MAX_INTEGER
from telemetry_service.domain.periods import BouncerTraffic, PeriodSums
from telemetry_service.storage.tables import ReportingPeriod

_CHUNK = 10_000
"""Parameters in one statement; SQLite's own limit is 32,766."""

_KNOWN_SQLITE = (
    "SELECT bouncer_id, has_traffic, has_decisions FROM usage_bouncers WHERE period_id = ? AND bouncer_id IN"
)
_KNOWN_POSTGRESQL = text(
    "SELECT b.bouncer_id, b.has_traffic, b.has_decisions FROM unnest(CAST(:ids AS text[])) AS given(id)"
    " JOIN usage_bouncers b ON b.period_id = :period_id AND b.bouncer_id = given.id"
)
"""A join: with ``= ANY(...)`` PostgreSQL may scan the whole array for each row."""

_INSERT_SQLITE = "INSERT INTO usage_bouncers (period_id, bouncer_id, has_traffic, has_decisions) VALUES (?, ?, ?, ?)"
_INSERT_POSTGRESQL = text(
    "INSERT INTO usage_bouncers (period_id, bouncer_id, has_traffic, has_decisions)"
    " SELECT :period_id, id, traffic, decisions FROM unnest("
    "CAST(:ids AS text[]), CAST(:traffic AS boolean[]), CAST(:decisions AS boolean[])) AS given(id, traffic, decisions)"
    " ORDER BY id ON CONFLICT DO NOTHING RETURNING bouncer_id"
)
_RAISE = text(
    "UPDATE usage_bouncers SET has_traffic = (has_traffic OR :has_traffic),"
    " has_decisions = (has_decisions OR :has_decisions) WHERE period_id = :period_id AND bouncer_id = :bouncer_id"
)
_ADD = text(
    "UPDATE reporting_periods SET events = events + :events, decisions = decisions + :decisions,"
    " bouncers = bouncers + :bouncers WHERE id = :period_id"
    " AND events <= :most_events AND decisions <= :most_decisions AND bouncers <= :most_bouncers"
)
"""The statement that adds also checks the limit: after waiting for another replica, it sees what that one added."""


class UsageBoundStore:
    """Only a bouncer that is new in the period, or has new kinds of traffic, needs a separate write."""

    def __init__(self, connection: Connection) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection
        self._dialect: Dialect = connection.dialect

    def sums(self, period_id: int) -> PeriodSums:
        """Return the sums of the open period so far."""
        row = ReportingPeriod
        query = select(row.events, row.decisions, row.bouncers).where(row.id == period_id)
        return PeriodSums(*self._connection.execute(query).one())

    def known(self, period_id: int, bouncer_ids: Sequence[str]) -> dict[str, BouncerTraffic]:
        """Return the bouncers that the period already knows, each with its traffic."""
        if self._dialect.name == "sqlite":
            rows = self._known_sqlite(period_id, bouncer_ids)
        else:
            given = {"period_id": period_id, "ids": list(bouncer_ids)}
            rows = iter(self._connection.execute(_KNOWN_POSTGRESQL, given))
        return {name: BouncerTraffic(bool(traffic), bool(decisions)) for name, traffic, decisions in rows}

    def note(self, period_id: int, bouncers: Mapping[str, BouncerTraffic], known: Mapping[str, BouncerTraffic]) -> int:
        """Record the traffic of each bouncer, in a fixed order, and return how many are new."""
        new = {name: bouncers[name] for name in sorted(bouncers.keys() - known.keys())}
        inserted = self._insert(period_id, new)
        # Rows that were known, or that another replica inserted meanwhile, may need more flags.
        more = [n for n in known if n in bouncers and bouncers[n].adds_to(known[n])]
        self._raise(period_id, {n: bouncers[n] for n in sorted({*more, *(new.keys() - inserted)})})
        return len(inserted)

    def add(self, period_id: int, delta: PeriodSums, max_bouncers: int) -> bool:
        """Add to the sums; False, with nothing added, if one of them would exceed its limit."""
        given = {
            "period_id": period_id,
            "events": delta.events,
            "decisions": delta.decisions,
            "bouncers": delta.bouncers,
            "most_events": MAX_INTEGER - delta.events,
            "most_decisions": MAX_INTEGER - delta.decisions,
            # Bouncers that the period already knows always have room, even after the limit was lowered.
            "most_bouncers": max_bouncers - delta.bouncers if delta.bouncers else MAX_INTEGER,
        }
        return self._connection.execute(_ADD, given).rowcount == 1

    def _known_sqlite(self, period_id: int, bouncer_ids: Sequence[str]) -> Iterator[Row[str, bool, bool]]:
        for start in range(0, len(bouncer_ids), _CHUNK):
            chunk = bouncer_ids[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            yield from self._connection.exec_driver_sql(f"{_KNOWN_SQLITE} ({marks})", (period_id, *chunk))

    def _insert(self, period_id: int, new: Mapping[str, BouncerTraffic]) -> set[str]:
        if not new:
            return set()
        if self._dialect.name == "sqlite":
            # The write lock is held since BEGIN IMMEDIATE, so none of them can have been inserted since the query.
            rows = [(period_id, name, traffic.has_traffic, traffic.has_decisions) for name, traffic in new.items()]
            self._connection.exec_driver_sql(_INSERT_SQLITE, rows)
            return set(new)
        given = {
            "period_id": period_id,
            "ids": list(new),
            "traffic": [traffic.has_traffic for traffic in new.values()],
            "decisions": [traffic.has_decisions for traffic in new.values()],
        }
        return set(self._connection.execute(_INSERT_POSTGRESQL, given).scalars())

    def _raise(self, period_id: int, bouncers: Mapping[str, BouncerTraffic]) -> None:
        rows = [
            {
                "period_id": period_id,
                "bouncer_id": name,
                "has_traffic": traffic.has_traffic,
                "has_decisions": traffic.has_decisions,
            }
            for name, traffic in bouncers.items()
        ]
        if rows:
            self._connection.execute(_RAISE, rows)
