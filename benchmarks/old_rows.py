"""Rows that are older than any retention, written by the database itself, as a large installation would have them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

BOUNCERS = 10_000
"""That report each day, in each environment."""

DAYS = 30
"""The days over which the IDs of the reports are spread."""

ATTEMPTS = 4
"""Of each transmission."""

KEPT = 1 + 2 * ATTEMPTS
"""Pieces of evidence of each transmission."""

_PERIODS = 20
"""Periods that have counters. Each other one has its transmission."""

_CHUNK = 100_000

_SERIES = {
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s LIMIT {rows}) SELECT n FROM s)",
    "postgresql": "(SELECT n FROM generate_series(CAST({first} AS bigint), {first} + {rows} - 1) AS n)",
}


@dataclass(frozen=True, slots=True)
class _Words:
    """What the two databases call differently, as templates for ``n``."""

    ordered_id: str
    random_id: str
    numbered_id: str
    moment: str
    day: str
    payload: str
    digest: str


_WORDS = {
    "sqlite": _Words(
        "ordered_id({n})",
        "randomblob(16)",
        "numbered_id({n})",
        "strftime('%Y-%m-%d %H:%M:%f000', {start} + {n}, 'unixepoch')",
        "date({start}, 'unixepoch', {n} || ' days')",
        "zeroblob(900)",
        "printf('%064d', {n})",
    ),
    "postgresql": _Words(
        "CAST(lpad(to_hex({n}), 12, '0') || substr(md5(CAST(random() AS text)), 13) AS uuid)",
        "gen_random_uuid()",
        "CAST(lpad(to_hex({n}), 32, '0') AS uuid)",
        "to_timestamp({start} + {n})",
        "CAST(to_timestamp({start}) AS date) + CAST({n} AS integer)",
        "decode(repeat('00', 900), 'hex')",
        "lpad(CAST({n} AS text), 64, '0')",
    ),
}


@dataclass(frozen=True, slots=True)
class OldRows:
    """How many of each kind."""

    report_ids: int
    counters: int
    transmissions: int

    @classmethod
    def share(cls, rows: int) -> "OldRows":
        """Share ``rows`` out: most are idempotency keys, then counters, then attempts with their transmissions."""
        return cls(rows * 6 // 10, rows * 3 // 10, rows // 10 // (ATTEMPTS + 2))

    @property
    def total(self) -> int:
        """Rows of all kinds together, with the periods."""
        return self.report_ids + self.counters + self.transmissions * (ATTEMPTS + 2) + _PERIODS


class OldRowsWriter:
    """Fills an installation's database with rows from ``old`` and the time before."""

    def __init__(self, engine: Engine, old: datetime) -> None:
        """Prepare; nothing is written yet."""
        self._engine, self._kind = engine, engine.dialect.name
        self._words = _WORDS[self._kind]
        self._start = int((old - timedelta(days=10 * DAYS)).timestamp())
        self._last_day = old.toordinal()

    def write(self, rows: OldRows, *, random_ids: bool) -> None:
        """Write all of them; ``random_ids`` gives the reports random IDs instead of time-ordered ones."""
        made = self._words.random_id if random_ids else self._words.ordered_id.format(n="n")
        received_on = f"{self._last_day - DAYS} + n * {DAYS} / {rows.report_ids}"
        self._insert("usage_report_ids (report_id, received_on)", (made, received_on), rows.report_ids)
        closed = (self._moment("n"), "false", "true", self._moment("n + 1"), "'tick'")
        columns = "reporting_periods (opened_at, is_open, reportable, closed_at, closed_by)"
        self._insert(columns, closed, _PERIODS + rows.transmissions)
        with self._connected() as connection:
            first = connection.execute(text("SELECT min(id) FROM reporting_periods WHERE NOT is_open")).scalar_one()
        self._insert("usage_counters", self._counter(first, rows.counters), rows.counters)
        self._insert(_LOG, self._transmission(first + _PERIODS), rows.transmissions)
        self._insert(_ATTEMPT, self._attempt(), rows.transmissions * ATTEMPTS)
        self._insert("evidence (transmission_id, sha256, content)", self._evidence(), rows.transmissions * KEPT)
        with self._connected() as connection:
            connection.exec_driver_sql("ANALYZE")

    def _counter(self, first: int, rows: int) -> tuple[str, ...]:
        day = self._words.day.format(start=self._start, n=f"(n / {2 * BOUNCERS})")
        environment = f"CASE {_rest('n', 2)} WHEN 0 THEN 'sandbox' ELSE 'production' END"
        return (
            f"{first} + n * {_PERIODS} / {rows}",
            day,
            f"'b-' || {_rest('n / 2', BOUNCERS)}",
            environment,
            "1, 1, 1",
        )

    def _transmission(self, first: int) -> tuple[str, ...]:
        made, accepted = self._moment("n"), self._moment("n + 1")
        row = (self._words.numbered_id.format(n="n"), f"{first} + n", "'scheduled'", "'success'", self._digest(0))
        return (*row, "1", made, "'tick'", str(ATTEMPTS), accepted)

    def _attempt(self) -> tuple[str, ...]:
        key = (self._words.numbered_id.format(n=f"n / {ATTEMPTS}"), f"{_rest('n', ATTEMPTS)} + 1")
        digest = self._digest("n")
        details = (
            "'2026-01-01T00:00:00.000Z'",
            "1",
            digest,
            digest,
            "900",
            "true",
            f"substr({digest}, 1, 16)",
        )
        return (*key, "'tick'", self._moment("n"), *details, "'success'", "false")

    def _evidence(self) -> tuple[str, ...]:
        """Return the payload as prepared, and the payload and the body of each attempt."""
        transmission_id = self._words.numbered_id.format(n=f"n / {KEPT}")
        return transmission_id, self._digest(_rest("n", KEPT)), self._words.payload

    def _digest(self, number: int | str) -> str:
        return self._words.digest.format(n=number)

    def _moment(self, second: str) -> str:
        return self._words.moment.format(start=self._start, n=second)

    def _insert(self, into: str, values: tuple[str, ...], rows: int) -> None:
        for first in range(0, rows, _CHUNK):
            series = _SERIES[self._kind].format(first=first, rows=min(_CHUNK, rows - first))
            statement = f"INSERT INTO {into} SELECT {', '.join(values)} FROM {series} AS series"  # noqa: S608 - our own words
            with self._connected() as connection:
                connection.exec_driver_sql(statement)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            driver = connection.connection.driver_connection
            if self._kind == "sqlite" and driver is not None:
                driver.create_function("ordered_id", 1, lambda n: n.to_bytes(6) + os.urandom(10))
                driver.create_function("numbered_id", 1, lambda n: n.to_bytes(16))
            yield connection


def _rest(number: str, divisor: int) -> str:
    """Return the remainder, without the sign that one of the drivers reads as a parameter."""
    return f"({number} - ({number}) / {divisor} * {divisor})"


_LOG = (
    "telemetry_transmission_logs (transmission_id, period_id, trigger, state, prepared_sha256, records_sent,"
    " created_at, next_trigger, attempts_made, accepted_at)"
)
_ATTEMPT = (
    "telemetry_transmission_attempts (transmission_id, number, trigger, started_at, transmitted_at, timestamp,"
    " payload_sha256, body_sha256, body_bytes, encrypted, key_id, state, duplicate)"
)
