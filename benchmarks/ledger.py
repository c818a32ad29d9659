"""What an entry of the ledger costs, and what verifying 100,000 of them costs.

Writing is compared with a bare loop that signs with Ed25519 and inserts, verifying with one that verifies as many
signatures. Both alternate with what they are compared with. Run it with ``python -m benchmarks.ledger``.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, text

from benchmarks.setting import KINDS, durable_databases, make_runtime, median_ratio
from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.sweep import examine_everything
from telemetry_service.storage.engine import make_engine
from telemetry_service.storage.ledger import each_line

ENTRIES = 100_000
IN_A_TRANSACTION = 100
"""So that the time of a commit, which is the disk's, is not what is measured."""

ROUNDS = 5
_IN_A_ROUND = 2_000
_BARE = Table("bare_lines", MetaData(), Column("seq", Integer, primary_key=True), Column("line", Text))
_BY = Actor(ActorKind.TOKEN, "a1b2c3d4e5f6", "control-plane")
_SAID: dict[str, Value] = {
    "of": "registry",
    "bouncers": 12,
    "environment": "production",
    "changed": ["pair_id", "environment"],
}


def timed(act: Callable[[], object]) -> float:
    """Return how many seconds an act takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def write_entries(runtime: Runtime, number: int) -> None:
    """Write entries as a service does that is asked to record something small."""
    now = runtime.clock.now()
    for _ in range(number // IN_A_TRANSACTION):
        with runtime.database.write() as tx:
            for _ in range(IN_A_TRANSACTION):
                tx.ledger.note(now, _BY, Kind.FACTS, _SAID)


class BareLoop:
    """Signs a text of the same length and inserts it, and does nothing else."""

    def __init__(self, database_url: str, line: str) -> None:
        """Make a table for it."""
        self._engine, self._key = make_engine(database_url), Ed25519PrivateKey.generate()
        self._line, self._seq = line, 0
        with self._engine.begin() as connection:
            _BARE.create(connection)

    def write(self, number: int) -> None:
        """Sign and insert lines, as many in a transaction."""
        for _ in range(number // IN_A_TRANSACTION):
            rows = []
            for _ in range(IN_A_TRANSACTION):
                self._seq += 1
                self._key.sign(self._line.encode())
                rows.append({"seq": self._seq, "line": self._line})
            with self._engine.begin() as connection:
                connection.execute(insert(_BARE), rows)

    def verify(self, number: int) -> None:
        """Verify as many signatures."""
        signed = self._line.encode()
        key, signature = self._key.public_key(), self._key.sign(signed)
        for _ in range(number):
            key.verify(signature, signed)


def main() -> None:
    """Print one paragraph for each kind of database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    entries = parser.parse_args().entries
    for kind in KINDS:
        with durable_databases(kind) as make_database:
            measure(kind, make_database(), entries)


def measure(kind: str, database_url: str, entries: int) -> None:
    """Measure one kind of database."""
    runtime = make_runtime(database_url)
    with runtime.database.read() as tx:
        first = tx.ledger.latest(1)[0]
    write_entries(runtime, IN_A_TRANSACTION)
    with runtime.database.read() as tx:
        lengths = [len(line.line) for line in each_line(tx.ledger, first.seq)]
    bare = BareLoop(database_url, "x" * round(statistics.mean(lengths)))
    written = [
        (timed(lambda: write_entries(runtime, _IN_A_ROUND)), timed(lambda: bare.write(_IN_A_ROUND)))
        for _ in range(ROUNDS)
    ]
    microseconds = 1e6 * statistics.median(ours for ours, _ in written) / _IN_A_ROUND
    print(f"{kind}: {statistics.mean(lengths):.0f} bytes a line, {_row_bytes(runtime, database_url):.0f} with its row")
    print(f"  writing, times the bare loop:   {median_ratio(written)}  ({microseconds:.0f} µs an entry)")
    write_entries(runtime, max(0, entries - ROUNDS * _IN_A_ROUND))
    verified = [(timed(lambda: examine_everything(runtime)), timed(lambda: bare.verify(entries)))]
    print(f"  verifying {entries:,}, times the bare loop: {median_ratio(verified)}  ({verified[0][0]:.0f} s)")
    runtime.database.close()


def _row_bytes(runtime: Runtime, database_url: str) -> float:
    """Return the bytes that a line takes in the database with its indexes."""
    with runtime.database.read() as tx:
        entries = tx.ledger.count()
    size = (
        "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%telemetry_ledger%'"
        if runtime.database.kind == "sqlite"
        else "SELECT pg_total_relation_size('telemetry_ledger')"
    )
    engine = make_engine(database_url)
    with engine.connect() as connection:
        total = float(connection.execute(text(size)).scalar_one())
    engine.dispose()
    return total / entries


if __name__ == "__main__":
    main()
