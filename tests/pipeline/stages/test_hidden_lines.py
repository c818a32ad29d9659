"""Whoever hides a line of the ledger keeps a payload from being sent, and brings no earlier one back."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import Engine, bindparam, create_engine, text

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.transmissions import State, Transmission
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.release import withdraw
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.queries.proof import Proof, prove
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.pipeline.stages.sweep import sweep, verify_everything
from telemetry_service.pipeline.transmission_check import Flaw
from telemetry_service.sealing.identity import pseudonym
from telemetry_service.storage.types import Id16
from tests.support.actors import ADMIN
from tests.support.backup import copied
from tests.support.databases import ON_BOTH
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site, usage

LOGS = "telemetry_transmission_logs"
WHY = "Reviewed by the works council"
LAST_LINE = (
    "transmission_id = :id AND kind = :kind AND seq = (SELECT max(seq) FROM telemetry_ledger WHERE kind = :kind)"
)


@pytest.fixture
def site(database_url: str, clock: SharedClock, server: LicenseServer) -> Iterator[Site]:
    """A site like that of the other tests."""
    made = Site(Replica(database_url, server.server.url, server.server.ca_pem_path), clock, server)
    yield made
    made.close()


@dataclass
class Intruder:
    """Somebody who may write to the database, and has no key."""

    engine: Engine

    def run(self, statement: str, transmission_id: UUID | None = None, **values: object) -> None:
        """Execute a statement; ``:id`` is the transmission."""
        typed = text(statement)
        if transmission_id is not None:
            typed, values = typed.bindparams(bindparam("id", type_=Id16())), {**values, "id": transmission_id}
        with self.engine.begin() as connection:
            assert connection.execute(typed, values).rowcount == 1


@pytest.fixture
def intruder(site: Site) -> Iterator[Intruder]:
    """The intruder's connection to the database."""
    engine = create_engine(site.replica.database_url)
    yield Intruder(engine)
    engine.dispose()


def unindex(intruder: Intruder, transmission_id: UUID, kind: str) -> None:
    """Keep the index from finding the latest line of a kind."""
    intruder.run(f"UPDATE telemetry_ledger SET transmission_id = NULL WHERE {LAST_LINE}", transmission_id, kind=kind)


def give_another_kind(intruder: Intruder, transmission_id: UUID, kind: str) -> None:
    """Let the index say something else of it, too."""
    change = "UPDATE telemetry_ledger SET transmission_id = NULL, kind = 'tick'"
    intruder.run(f"{change} WHERE {LAST_LINE}", transmission_id, kind=kind)


def delete(intruder: Intruder, transmission_id: UUID, kind: str) -> None:
    """Delete it."""
    intruder.run(f"DELETE FROM telemetry_ledger WHERE {LAST_LINE}", transmission_id, kind=kind)


def replace_by_its_neighbor(intruder: Intruder, transmission_id: UUID, kind: str) -> None:
    """Put a copy of the line before it in its place."""
    before = "SELECT line FROM telemetry_ledger WHERE seq = :before"
    with intruder.engine.begin() as connection:
        query = text(f"SELECT seq FROM telemetry_ledger WHERE {LAST_LINE}")
        seq = connection.execute(
            query.bindparams(bindparam("id", type_=Id16())), {"id": transmission_id, "kind": kind}
        ).scalar_one()
    change = f"UPDATE telemetry_ledger SET transmission_id = NULL, line = ({before})"
    intruder.run(f"{change} WHERE {LAST_LINE}", transmission_id, kind=kind, before=seq - 1)


def make_it_no_text(intruder: Intruder, transmission_id: UUID, kind: str) -> None:
    """Put something in its place that is no line."""
    change = "UPDATE telemetry_ledger SET transmission_id = NULL, line = 'x'"
    intruder.run(f"{change} WHERE {LAST_LINE}", transmission_id, kind=kind)


Hide = Callable[[Intruder, UUID, str], None]
WAYS = [unindex, give_another_kind, delete, replace_by_its_neighbor, make_it_no_text]


def waiting(site: Site) -> Transmission:
    """Return a transmission that waits for its first attempt."""
    site.report(usage(5))
    site.tick_only()
    with site.runtime.database.read() as tx:
        (transmission_id,) = tx.transmissions.waiting(frozenset({State.PENDING}))
    return read(site, transmission_id)


def read(site: Site, transmission_id: UUID) -> Transmission:
    return read_now(site.runtime, read_transmission, transmission_id).transmission


def arrived(site: Site) -> tuple[str, ...]:
    """Try to send everything, and return the names of the customer under which payloads have arrived."""
    sweep_twice(site)
    deliver_due(site.runtime)
    with site.runtime.database.read() as tx:
        left = tx.transmissions.waiting(frozenset({State.PENDING, State.RETRYING, State.HELD}))
    for transmission_id in left:
        with suppress(TelemetryError):
            retry(site.runtime, transmission_id, ADMIN)
    return tuple(payload.customer_id for payload in site.server.payloads())


def sweep_twice(site: Site) -> None:
    """Let the sweep see what was done to the ledger, and its own entry about that: until then, nothing leaves."""
    for _ in range(2):
        sweep(site.runtime)


def is_held(site: Site, transmission: Transmission) -> bool:
    found = read(site, transmission.transmission_id)
    return (found.state, found.cause) == (State.HELD, Cause.PAYLOAD_CHANGED)


def make_due(intruder: Intruder, transmission: Transmission) -> None:
    """Let the row look as it did before anything was decided."""
    columns = "state = 'pending', cause = NULL, prepared_sha256 = :digest"
    intruder.run(
        f"UPDATE {LOGS} SET {columns} WHERE transmission_id = :id",
        transmission.transmission_id,
        digest=transmission.prepared_sha256,
    )


def add_lines(site: Site, count: int = 3) -> None:
    """Let other things happen."""
    for number in range(count):
        site.configure(anonymize_pii=bool(number % 2))
    site.configure(anonymize_pii=True)


@ON_BOTH
def test_what_was_withdrawn_does_not_leave_although_the_line_that_says_so_was_hidden(
    site: Site, intruder: Intruder
) -> None:
    transmission = waiting(site)
    withdraw(site.runtime, transmission.transmission_id, ADMIN, WHY)
    for others_follow in (False, True):
        if others_follow:
            add_lines(site)
        put_back = copied(site.replica.database_url)
        for hide in WAYS:
            hide(intruder, transmission.transmission_id, "withdrawn")
            make_due(intruder, transmission)
            assert arrived(site) == (), (hide.__name__, others_follow)
            assert is_held(site, transmission), (hide.__name__, others_follow)
            put_back()
            site.runtime = site.open()  # The one before would notice that the database is an older copy.


@ON_BOTH
def test_a_customer_id_in_clear_does_not_leave_although_the_line_that_replaced_it_was_hidden(
    site: Site, intruder: Intruder
) -> None:
    site.configure(anonymize_pii=False)
    in_clear = waiting(site)
    site.configure(anonymize_pii=True)
    put_back = copied(site.replica.database_url)
    for hide in WAYS:
        hide(intruder, in_clear.transmission_id, "prepared")
        make_due(intruder, in_clear)
        assert arrived(site) == (), hide.__name__
        assert is_held(site, in_clear), hide.__name__
        put_back()
        site.runtime = site.open()


def proof_of(site: Site, transmission: Transmission) -> Proof:
    with open_snapshot(site.runtime) as snapshot:
        return prove(snapshot, read_transmission(snapshot, transmission.transmission_id))


@ON_BOTH
def test_a_proof_says_that_a_line_was_hidden(site: Site, intruder: Intruder) -> None:
    for hide in WAYS:
        transmission = waiting(site)
        withdraw(site.runtime, transmission.transmission_id, ADMIN, WHY)
        add_lines(site)
        assert proof_of(site, transmission).findings == ()
        hide(intruder, transmission.transmission_id, "withdrawn")
        found = {finding.flaw for finding in proof_of(site, transmission).findings}
        assert found & {Flaw.ENTRIES_MISSING, Flaw.LINE_CHANGED}, hide.__name__
        sweep_twice(site)


@ON_BOTH
def test_a_proof_says_that_the_end_was_cut_off_since_the_sweep(site: Site, intruder: Intruder) -> None:
    """Without a sweep in between, only an anchor shows it."""
    transmission = waiting(site)
    with site.runtime.database.read() as tx:
        head = tx.ledger.head()
    add_lines(site)
    assert verify_everything(site.runtime) is not None
    with intruder.engine.begin() as connection:
        connection.execute(text("DELETE FROM telemetry_ledger WHERE seq > :seq"), {"seq": head.seq})
    intruder.run("UPDATE ledger_head SET (seq, sha256) = (:seq, :sha256)", seq=head.seq, sha256=head.sha256)
    for _ in range(2):
        assert [finding.flaw for finding in proof_of(site, transmission).findings] == [Flaw.ENTRIES_MISSING]
        assert sweep(site.runtime) is not None


_COLUMNS = "line, kind, at, actor"
_MAX = "(SELECT max(seq) FROM telemetry_ledger)"
HEADS = {
    "deleted": "DELETE FROM ledger_head",
    "earlier": "UPDATE ledger_head SET (seq, sha256) = (seq - 1, 'ab')",
    "later": "UPDATE ledger_head SET seq = seq + 1",
    "of another line": "UPDATE ledger_head SET sha256 = 'ab'",
}
LINES = {
    "added behind the head": f"INSERT INTO telemetry_ledger (seq, {_COLUMNS}) SELECT seq + 1000, {_COLUMNS}"
    f" FROM telemetry_ledger WHERE seq = {_MAX}",
    # Without it, nobody can tell what it said.
    "of another matter, deleted": f"DELETE FROM telemetry_ledger WHERE seq = {_MAX} - 1",
}


@ON_BOTH
def test_nothing_leaves_while_the_head_is_not_the_last_line_or_a_line_is_one_too_many_or_missing(
    site: Site, intruder: Intruder
) -> None:
    transmission = waiting(site)
    add_lines(site)
    put_back = copied(site.replica.database_url)
    for name, statement in (HEADS | LINES).items():
        intruder.run(statement)
        if name in HEADS:
            deliver_due(site.runtime)
            assert site.server.payloads() == (), name
        else:
            assert (arrived(site), is_held(site, transmission)) == ((), True), name
        put_back()
        site.runtime = site.open()


@ON_BOTH
def test_what_is_prepared_after_that_is_sent(site: Site, intruder: Intruder) -> None:
    add_lines(site)
    intruder.run("DELETE FROM telemetry_ledger WHERE seq = (SELECT max(seq) - 1 FROM telemetry_ledger)")
    sweep_twice(site)
    waiting(site)
    assert arrived(site) == (pseudonym(API_KEY, CUSTOMER),)


@ON_BOTH
def test_the_first_line_cannot_be_hidden_behind_the_one_that_replaced_it(site: Site, intruder: Intruder) -> None:
    """An attempt in between would be hidden with it."""
    transmission = waiting(site)
    site.server.store.add_key("another-key-0123456789", CUSTOMER)
    first = "(SELECT min(seq) FROM telemetry_ledger WHERE kind = 'prepared')"
    set_api_key(site.runtime, "another-key-0123456789", ADMIN)
    intruder.run(f"UPDATE telemetry_ledger SET transmission_id = NULL WHERE seq = {first}")
    assert arrived(site) == ()
    assert is_held(site, transmission)


def test_in_a_healthy_ledger_a_payload_is_sent_whatever_happened_in_between(site: Site) -> None:
    transmission = waiting(site)
    add_lines(site, 10)
    assert arrived(site) == (pseudonym(API_KEY, CUSTOMER),)
    assert read(site, transmission.transmission_id).state is State.SUCCESS
