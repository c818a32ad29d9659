"""The source is counted exactly, whatever its writers do, and wherever the service is killed.

The Control Plane has its own PostgreSQL cluster, or file. Its writers know what they have committed; nothing else
counts.
"""

import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from tests.support.child import Deed, Orders, exit_code, launch
from tests.support.postgres import PostgresServer
from tests.support.reckoning import Amount, reckon
from tests.support.site import Site, usage
from tests.support.site_fixtures import clock, server
from tests.support.source import AuditTable, Event, decision, insert, other, rows_of, sqlite_insert
from tests.support.source_fixtures import audit, source_server
from tests.support.source_fixtures import site as site_with_source

__all__ = ["audit", "clock", "server", "site", "source_server"]

site = site_with_source

WHILE_READING_THE_SOURCE = (Failpoint.SOURCE_READ, Failpoint.SOURCE_COUNTED, Failpoint.SOURCE_COMMITTED)
WRITERS = 6
KILLS = 4
ON_EACH_KIND = pytest.mark.parametrize(
    ("database_url", "audit"), [("sqlite", "sqlite"), ("postgresql", "postgresql")], indirect=True
)


def counted(site: Site) -> Amount:
    """Return what the open period has."""
    return reckon(site.replica.database_url, ()).open


@ON_EACH_KIND
def test_a_reader_that_is_killed_counts_nothing_twice_and_loses_nothing(
    site: Site, audit: AuditTable, tmp_path: Path
) -> None:
    audit.write(*[decision()] * 5)
    read_up_to_now(site.runtime)
    expected = 0
    for deed in (Deed.READ_SOURCE, Deed.CATCH_UP):
        for failpoint in WHILE_READING_THE_SOURCE:
            if deed is Deed.READ_SOURCE:
                audit.write(decision(), other("bnc-2"))
                expected += 2
            die = Orders(site.replica, tmp_path / "clock", [deed], die_at=failpoint)
            assert exit_code(launch(die)) == -signal.SIGKILL
        assert exit_code(launch(Orders(site.replica, tmp_path / "clock", [deed]))) == 0
        read_up_to_now(site.runtime)
        expected += 5 if deed is Deed.CATCH_UP else 0
        assert counted(site).events == expected, deed


class Writer(Protocol):
    """A connection of the Control Plane."""

    def insert(self, *events: Event) -> None: ...

    def end(self, *, commit: bool) -> None: ...


@dataclass
class Traffic:
    """What the writers have committed, and when they stop."""

    audit: AuditTable
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    committed: Counter[str] = field(default_factory=Counter)

    def write(self, seed: int) -> None:
        """Commit transactions of different sizes and lengths until told to stop; roll some of them back."""
        chance = random.Random(seed)  # noqa: S311 - the order of a test
        while not self.over.is_set():
            with writer(self.audit) as connection:
                events = [chance.choice((decision(f"bnc-{seed}"), decision(f"bnc-{seed}", "denied"), other()))] * (
                    chance.choice((1, 1, 2, 30))
                )
                connection.insert(*events)
                time.sleep(chance.choice((0, 0, 0.01, 0.3)) if self.audit.kind == "postgresql" else 0)
                commit = chance.random() > 0.2
                connection.end(commit=commit)
            if commit:
                with self.lock:
                    self.committed.update({"events": len(events)})
                    if events[0][2] == "policy.evaluated":
                        self.committed.update({"decisions": len(events)})
                        self.committed.update({"successful": len(events) if events[0][3] == "ok" else 0})
            time.sleep(chance.choice((0, 0.002, 0.02)))

    @property
    def amount(self) -> Amount:
        return Amount(self.committed["events"], self.committed["decisions"], self.committed["successful"])


@dataclass
class _Connected:
    insert: Callable[..., None]
    end: Callable[..., None]


@contextmanager
def writer(audit: AuditTable) -> Iterator[Writer]:
    """Connect as the Control Plane does, for one transaction."""
    if audit.kind == "sqlite":
        file = sqlite3.connect(audit.owner_url, timeout=60)
        yield _Connected(
            lambda *events: sqlite_insert(file, rows_of(*events)),
            lambda *, commit: file.commit() if commit else file.rollback(),
        )
        file.close()
        return
    with audit.connect() as connection:
        yield _Connected(
            lambda *events: insert(connection, rows_of(*events)),
            lambda *, commit: connection.commit() if commit else connection.rollback(),
        )


@pytest.mark.timeout(240)
@pytest.mark.waits
@ON_EACH_KIND
def test_six_writers_two_readers_and_kills_count_exactly(
    site: Site, audit: AuditTable, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    read_up_to_now(site.runtime)
    traffic = Traffic(audit)
    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(traffic.write, seed) for seed in range(WRITERS)]
        try:
            _readers_that_die(site, tmp_path)
            if audit.kind == "postgresql":
                with writer(audit) as long:  # Everything behind a long transaction waits for it.
                    long.insert(other("bnc-long"))
                    read_up_to_now(site.runtime)
                    long.end(commit=True)
                traffic.committed.update({"events": 1})
        finally:
            traffic.over.set()
        for one in writing:
            one.result(60)
    if audit.kind == "postgresql":
        source_server: PostgresServer = request.getfixturevalue("source_server")
        source_server.restart()
        read_up_to_now(site.runtime)  # Its pooled connection is gone.
    read_up_to_now(site.runtime)
    expected = traffic.amount.plus(Amount(KILLS * 3, 0, 0))
    assert traffic.amount.events > 100, "there was something to count"
    assert counted(site) == expected


def _readers_that_die(site: Site, tmp_path: Path) -> None:
    """Let two processes read at once and kill one of them, several times, beside reports over REST."""
    orders = Orders(site.replica, tmp_path / "clock", [Deed.READ_SOURCE] * 10_000)
    chance = random.Random(7)  # noqa: S311 - the order of a test
    readers = [launch(orders), launch(orders)]
    for turn in range(KILLS):
        site.report(usage(3))
        time.sleep(chance.uniform(0.2, 0.6))
        readers[turn % 2].kill()
        readers[turn % 2].join()
        readers[turn % 2] = launch(orders)
    for reader in readers:
        reader.kill()
        reader.join()
