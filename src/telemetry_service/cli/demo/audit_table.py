"""The Control Plane's own database in the demo: an audit table that fills up, and the documented views over it.

Its bouncers are not those that report, so that no event counts twice.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from threading import Event, Thread

from telemetry_service.domain.clock import Clock, rfc3339

_TABLES = """
CREATE TABLE audit_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT, created_at TEXT NOT NULL, enforcement_point TEXT NOT NULL, stage TEXT NOT NULL,
  action TEXT NOT NULL, outcome TEXT NOT NULL, actor TEXT NOT NULL, resource TEXT NOT NULL
);
CREATE TABLE enforcement_points (name TEXT, stage TEXT, pair TEXT);
CREATE TABLE extension_codes (code TEXT, redeemed_at TEXT);
INSERT INTO enforcement_points VALUES ('gateway-live', 'live', 'gateway'), ('gateway-test', 'test', 'gateway');
"""
VIEWS = """\
CREATE VIEW telemetry_source_events AS
SELECT id AS position,
       id AS row_key,
       created_at AS occurred_at,
       enforcement_point AS bouncer_id,
       CASE WHEN stage = 'live' THEN 'production' ELSE 'sandbox' END AS environment,
       CASE WHEN action = 'policy.evaluated' THEN 'decision' ELSE 'other' END AS kind,
       CASE WHEN action = 'policy.evaluated' THEN outcome = 'ok' END AS successful
  FROM audit_log;

CREATE VIEW telemetry_source_bouncers AS
SELECT name AS bouncer_id,
       CASE WHEN stage = 'live' THEN 'production' ELSE 'sandbox' END AS environment,
       pair AS pair_id
  FROM enforcement_points;

CREATE VIEW telemetry_source_extension_codes AS
SELECT code AS code_id, redeemed_at FROM extension_codes WHERE redeemed_at IS NOT NULL;
"""
"""As in ``docs/integrating.md``."""

_INSERT = (
    "INSERT INTO audit_log (created_at, enforcement_point, stage, action, outcome, actor, resource)"
    " VALUES (?, ?, ?, ?, ?, 'alice@example.com', '/payments/7')"
)
_OLDER_DAYS = 3
_OLDER_ROWS_A_DAY = 5_000
_SECONDS = 1.0


class AuditTable:
    """A SQLite file with the audit table of the demo's Control Plane."""

    def __init__(self, path: Path, clock: Clock, random: Random) -> None:
        """Name the file; nothing is created yet."""
        self._path, self._clock, self._random = path, clock, random

    @property
    def url(self) -> str:
        """What ``TELEMETRY_SOURCE_DATABASE_URL`` is set to."""
        return f"sqlite:///{self._path}"

    def create(self) -> None:
        """Create the table with some days of older rows, unless it exists."""
        if self._path.exists():
            return
        now = self._clock.now()
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.executescript(_TABLES + VIEWS)
            for number in range(_OLDER_DAYS * _OLDER_ROWS_A_DAY, 0, -1):
                self._insert(connection, now - timedelta(days=1) * number / _OLDER_ROWS_A_DAY)

    @contextmanager
    def filling_up(self) -> Iterator[None]:
        """Let the Control Plane write a few events each second within the block."""
        over = Event()
        thread = Thread(target=self._fill, args=(over,), name="control-plane", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _fill(self, over: Event) -> None:
        while not over.wait(_SECONDS):
            with closing(sqlite3.connect(self._path)) as connection, connection:
                for _ in range(self._random.randint(1, 5)):
                    self._insert(connection, self._clock.now())

    def _insert(self, connection: sqlite3.Connection, at: datetime) -> None:
        point, stage = self._random.choice(
            (("gateway-live", "live"), ("gateway-live", "live"), ("gateway-test", "test"))
        )
        action = self._random.choice(("policy.evaluated", "policy.evaluated", "policy.published"))
        outcome = self._random.choice(("ok", "ok", "ok", "denied"))
        connection.execute(_INSERT, (rfc3339(at), point, stage, action, outcome))
