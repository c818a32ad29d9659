"""What an entry of the ledger costs, what verifying 100,000 of them costs, and reading the chain of a transmission.

Writing is compared with a bare loop that signs with Ed25519 and inserts, verifying with one that verifies as many
signatures, and reading an entry back with a transaction that reads it back once more. Run it with ``python -m
benchmarks.ledger``.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, text

from benchmarks.setting import KINDS, durable_databases, make_runtime, median_ratio
from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.claims import chain_of
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.sweep import examine_everything
from telemetry_service.storage.engine import make_engine
from telemetry_service.storage.ledger import each_line

ENTRIES = 100_000
IN_A_TRANSACTION = 100
"""So that the time of a commit, which is the disk's, is not what is measured."""

ROUNDS = 5
_IN_A_ROUND = 2_000
_ALONE = 200
"""Transactions with one entry in a round."""
CHAIN = 9_000
"""Entries since a transmission was prepared: fewer than those of which a process remembers the signatures."""

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


def write_alone(runtime: Runtime, *, reads: int) -> None:
    """Write transactions with one entry, and read the latest one a number of times."""
    now = runtime.clock.now()
    for _ in range(_ALONE):
        with runtime.database.write() as tx:
            tx.ledger.note(now, _BY, Kind.FACTS, _SAID)
            tx.ledger.flush()
            for _ in range(reads):
                tx.ledger.since(tx.ledger.written[-1].seq - 1, 2)


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
    alone = [
        (timed(lambda: write_alone(runtime, reads=1)), timed(lambda: write_alone(runtime, reads=0)))
        for _ in range(ROUNDS)
    ]
    print(f"  one entry a transaction, read back twice, times once: {median_ratio(alone)}")
    written_so_far = IN_A_TRANSACTION + ROUNDS * (_IN_A_ROUND + 2 * _ALONE)
    write_entries(runtime, max(0, entries - written_so_far - CHAIN))
    transmission_id = prepare(runtime)
    write_entries(runtime, CHAIN)
    seconds, cpu = time.perf_counter(), time.process_time()
    verdict = examined(runtime)
    seconds, cpu = time.perf_counter() - seconds, time.process_time() - cpu
    reference, reference_cpu = -time.perf_counter(), -time.process_time()
    bare.verify(verdict.seq)
    reference, reference_cpu = reference + time.perf_counter(), reference_cpu + time.process_time()
    print(f"  verifying {verdict.seq:,}, times the bare loop: {seconds / reference:.2f}  ({seconds:.0f} s)")
    print(f"    in CPU time of this process: {cpu / reference_cpu:.2f}")
    read_chain(runtime, transmission_id, verdict, reference_cpu * CHAIN / verdict.seq)
    runtime.database.close()


def prepare(runtime: Runtime) -> UUID:
    """Write the first entry about a transmission."""
    transmission_id, now = uuid4(), runtime.clock.now()
    with runtime.database.write() as tx:
        tx.ledger.note(now, _BY, Kind.PREPARED, {"prepared_sha256": "0" * 64}, transmission_id)
    return transmission_id


def examined(runtime: Runtime) -> Verification:
    """Verify everything.

    Raises:
        RuntimeError: the process stops meanwhile.
    """
    verdict = examine_everything(runtime)
    if verdict is None:
        raise RuntimeError
    return verdict


def read_chain(runtime: Runtime, transmission_id: UUID, verdict: Verification, reference: float) -> None:
    """Measure how long the chain of a transmission takes, in CPU time of this process."""
    for name, vouching in {"no verdict": None, "the same again": None, "behind a verdict": verdict}.items():
        began = time.process_time()
        with runtime.database.read() as tx:
            chain_of(tx, transmission_id, runtime.ledger_keys(tx), vouching)
        taken = time.process_time() - began
        print(f"  chain of {CHAIN:,}, {name}: {taken:.2f} s, times the bare loop: {taken / reference:.2f}")


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
