"""The ledger: each line is signed and names the one before it, whoever writes, and whatever becomes of the key."""

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.actor import SERVICE, Actor, ActorKind
from telemetry_service.domain.base64url import from_base64url
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.errors import KeyUnusableError, StorageBusyError
from telemetry_service.domain.ledger import FIRST_PREV, Kind, Salted, Value, digest_of
from telemetry_service.log.events import Event
from telemetry_service.pipeline.ledger_signer import LedgerSigner
from telemetry_service.sealing.keyring import KeyRing, Place
from telemetry_service.sealing.ledger_key import read_line
from telemetry_service.storage.database import Database
from telemetry_service.storage.ledger import CLOCK_TOLERANCE, Head, StoredLine, each_line
from telemetry_service.storage.ledger_pending import APART, AT_ONCE, COUNTED_FOR
from telemetry_service.storage.types import MOST
from tests.support.actors import ADMIN, OPS, STRANGER
from tests.support.ledger import KEY, entries, signed_database
from tests.support.log_lines import lines_of
from tests.support.site import Site, usage

NOW = datetime(2026, 11, 3, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ANOTHER_KEY = b"n" * 32
PERSON = Actor(ActorKind.PERSON, "u-4711", "Ada Lovelace", "192.0.2.7")
READERS = KeyRing((KEY, ANOTHER_KEY))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = signed_database(database_url)
    yield opened
    opened.close()


@contextmanager
def with_keys(database_url: str, *keys: bytes) -> Iterator[Database]:
    """Open the database as a deployment with these encryption keys does."""
    opened = Database(database_url, LedgerSigner(KeyRing(keys)))
    yield opened
    opened.close()


def note(database: Database, at: datetime = NOW, actor: Actor = ADMIN, **details: Value) -> None:
    """Write one entry in a transaction of its own."""
    with database.write() as tx:
        tx.ledger.begins()
        tx.ledger.note(at, actor, Kind.CONNECTION_TESTED, details)


def lines(database: Database) -> list[StoredLine]:
    """Return all lines, oldest first."""
    with database.read() as tx:
        return list(each_line(tx.ledger))


def said(database: Database, keys: KeyRing = READERS) -> list[dict[str, Any] | None]:
    """Return what each line says, oldest first; None for one that no key of the installation has signed."""
    with database.read() as tx:
        public = LedgerSigner(keys).public_keys(tx.ledger.keys())
        return [read_line(line.line, public) for line in each_line(tx.ledger)]


def kinds(database: Database) -> list[str]:
    """Return the kinds of all lines, oldest first."""
    return [line.kind for line in lines(database)]


def signed_by(line: StoredLine) -> str:
    """Return the ID of the key that a line claims."""
    key_id: str = json.loads(from_base64url(line.line.split(".")[0]))["kid"]
    return key_id


def check_chain(database: Database) -> None:
    """Check that nothing is missing, that each line is signed and names the one before, and that the head is right."""
    prev = FIRST_PREV
    found = lines(database)
    for number, (line, claims) in enumerate(zip(found, said(database), strict=True), 1):
        assert claims is not None, f"line {number} is not signed"
        assert (line.seq, claims["seq"], claims["prev"]) == (number, number, prev)
        assert (line.kind, rfc3339(line.at)) == (claims["kind"], claims["at"])
        prev = digest_of(line.line)
    with database.read() as tx:
        assert tx.ledger.head() == Head(len(found), prev)


def change(database_url: str, statement: str, **values: object) -> None:
    """Change the database behind the service's back."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


def test_the_first_line_introduces_the_key_that_signs_it(database: Database) -> None:
    note(database, actor=OPS, result="ok")
    first, second = said(database)
    assert first is not None
    assert second is not None
    assert (first["seq"], first["prev"], first["kind"], first["reason"]) == (1, FIRST_PREV, "ledger_key", "first")
    assert first["actor"] == {"type": "service"}
    assert {signed_by(line) for line in lines(database)} == {first["fingerprint"][:16]}
    assert (second["seq"], second["kind"], second["result"]) == (2, "connection_tested", "ok")
    assert second["actor"] == {"type": "token", "id": "opstokenid22", "name": "ops"}
    check_chain(database)


def test_an_empty_ledger_has_a_head_that_names_nothing(database: Database) -> None:
    with database.read() as tx:
        assert tx.ledger.head() == Head(0, FIRST_PREV)
        assert (tx.ledger.count(), tx.ledger.keys().signs) == (0, None)


def test_several_entries_of_one_transaction_follow_each_other_in_their_order(database: Database) -> None:
    with database.write() as tx:
        for number in range(5):
            tx.ledger.note(NOW, ADMIN, Kind.EXPORTED, {"number": number})
    assert [claims["number"] for claims in said(database)[1:] if claims] == [0, 1, 2, 3, 4]
    check_chain(database)


def test_a_transaction_that_fails_leaves_no_line_no_value_and_no_gap(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    note(database)
    caplog.set_level(logging.INFO)
    caplog.clear()
    with suppress(ZeroDivisionError), database.write() as tx:
        tx.ledger.note(NOW, PERSON, Kind.EXPORTED)
        raise ZeroDivisionError
    with suppress(ZeroDivisionError), database.write() as tx:
        tx.ledger.note(NOW, PERSON, Kind.EXPORTED)
        tx.ledger.flush()
        raise ZeroDivisionError
    assert kinds(database) == ["ledger_key", "connection_tested"]
    assert lines_of(caplog, Event.LEDGER_WRITTEN) == []
    note(database)
    check_chain(database)


def test_a_transaction_that_notes_nothing_writes_no_line(database: Database) -> None:
    with database.write() as tx:
        tx.installation.create(NOW)
    assert lines(database) == []


def test_after_the_commit_the_log_has_the_place_and_the_digest_of_each_line(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    note(database)
    written = [(line["seq"], line["head"]) for line in lines_of(caplog, Event.LEDGER_WRITTEN)]
    assert written == [(line.seq, digest_of(line.line)) for line in lines(database)]


def test_of_a_person_there_are_salted_digests_only_and_what_they_stand_for_can_be_erased(
    database: Database, database_url: str
) -> None:
    note(database, actor=PERSON, code=Salted("EXT-30D-7Q2M"))
    with database.read() as tx:
        (line,) = tx.ledger.latest(1)
    (claims,) = said(database)[1:]
    assert claims is not None
    stored = json.dumps(claims) + line.actor
    assert not [secret for secret in ("u-4711", "Ada", "192.0.2.7", "EXT-30D") if secret in stored]
    entry = entries(database)[-1]
    assert (entry.actor, entry.source, entry.details["code"]) == ("Ada Lovelace", "192.0.2.7", "EXT-30D-7Q2M")
    change(database_url, "DELETE FROM ledger_salted_values")
    entry = entries(database)[-1]
    assert (entry.actor, entry.source, entry.details["code"]) == ("(erased)",) * 3
    check_chain(database)


def test_one_value_has_another_digest_in_each_line(database: Database) -> None:
    note(database, actor=PERSON)
    note(database, actor=PERSON)
    digests = [claims["actor"]["id"]["salted"] for claims in said(database)[1:] if claims]
    assert len(set(digests)) == 2


def test_entries_that_are_written_at_once_never_fork_the_chain(database_url: str) -> None:
    """Each database has an engine and a signer of its own, as in processes of their own."""
    barrier = Barrier(4)

    def write(database: Database) -> None:
        barrier.wait(30)
        for _ in range(8):
            note(database)

    with ExitStack() as opened, ThreadPoolExecutor(4) as pool:
        replicas = [opened.enter_context(with_keys(database_url, KEY)) for _ in range(4)]
        list(pool.map(write, replicas))
        assert kinds(replicas[0]) == ["ledger_key", *["connection_tested"] * 32], "one of them has made the key"
        check_chain(replicas[0])


def test_threads_that_write_at_once_never_fork_the_chain(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: note(database), range(32)))
    assert len(lines(database)) == 33
    check_chain(database)


def test_the_head_is_locked_at_the_very_end_of_a_transaction(postgresql_url: str) -> None:
    with with_keys(postgresql_url, KEY) as database, ThreadPoolExecutor(1) as pool:
        with database.write() as tx:
            tx.ledger.note(NOW, OPS, Kind.EXPORTED)
            pool.submit(note, database).result(30)
        assert kinds(database) == ["ledger_key", "connection_tested", "exported"]
        check_chain(database)


@contextmanager
def stalled(database_url: str) -> Iterator[None]:
    """Be a process that was stopped between the lock of the head and its commit."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("SELECT * FROM ledger_head FOR UPDATE"))
        yield
    engine.dispose()


def begin_installation(database: Database) -> None:
    """Write rows, and an entry about them."""
    with database.write() as tx:
        tx.installation.create(NOW)
        tx.ledger.note(NOW, ADMIN, Kind.EXPORTED)


def test_whoever_meets_a_stalled_holder_of_the_head_gives_up_soon_and_has_done_nothing(postgresql_url: str) -> None:
    with with_keys(postgresql_url, KEY) as database:
        note(database)
        with stalled(postgresql_url):
            began = time.monotonic()
            with pytest.raises(StorageBusyError):
                begin_installation(database)
            assert time.monotonic() - began < 8
        with database.read() as tx:
            assert not tx.installation.exists()
        note(database)
        check_chain(database)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_stalled_holder_of_the_head_does_not_stop_usage_from_being_recorded(site: Site) -> None:
    with stalled(site.replica.database_url):
        assert site.report(usage(5)).accepted == 1
    send = site.report(usage(7))
    assert send.accepted == 1


def test_after_the_head_was_deleted_the_chain_goes_on_behind_the_last_line_under_a_new_key(
    database: Database, database_url: str
) -> None:
    note(database)
    change(database_url, "DELETE FROM ledger_head")
    with database.read() as tx:
        assert tx.ledger.head() == Head(0, FIRST_PREV)
    note(database)
    assert kinds(database) == ["ledger_key", "connection_tested", "ledger_key", "connection_tested"]
    announced = said(database)[2]
    assert announced is not None
    assert announced["reason"] == "lost"
    check_chain(database)


def test_after_lines_were_deleted_with_the_head_the_new_lines_tell_where(database: Database, database_url: str) -> None:
    note(database)
    note(database)
    change(database_url, "DELETE FROM ledger_head")
    change(database_url, "DELETE FROM telemetry_ledger WHERE seq = 2")
    note(database)
    assert [line.seq for line in lines(database)] == [1, 3, 4, 5]


OVERTAKE = (
    "INSERT INTO telemetry_ledger (seq, line, kind, at, actor)"
    " SELECT max(seq) + :by, 'no.line.x', 'tick', max(at), 'service' FROM telemetry_ledger"
)
MOVE = "UPDATE ledger_head SET seq = seq + :by"


def test_a_head_that_someone_moves_or_overtakes_stops_nothing(database: Database, database_url: str) -> None:
    note(database)
    for statement, by in ((MOVE, -2), (MOVE, -1), (OVERTAKE, 1), (OVERTAKE, 2**62), (MOVE, 2**62)):
        change(database_url, statement, by=by)
        note(database)
        with database.read() as tx:
            assert tx.ledger.latest(1, before=MOST)[0].kind == "connection_tested", (statement, by)


APPEND = (
    "INSERT INTO telemetry_ledger (seq, line, kind, at, actor)"
    " SELECT :by, 'no.line.x', 'tick', max(at), 'service' FROM telemetry_ledger"
)


def test_no_number_that_someone_writes_leaves_no_number_for_the_next_line(
    database: Database, database_url: str
) -> None:
    note(database)
    for place in (2**53, 2**53 - 1, 2**53 - 2, 2**52, 2**52 - 1, 2**51):
        for statement in (APPEND, "UPDATE ledger_head SET seq = :by"):
            change(database_url, statement, by=place)
            for _ in range(2):
                note(database)
    change(database_url, "UPDATE ledger_head SET seq = :by", by=-5)
    note(database)
    with database.read() as tx:
        assert 0 < tx.ledger.head().seq < 2**52 + 10


def test_a_key_that_cannot_be_opened_is_replaced_and_a_line_says_that_it_was_lost(database_url: str) -> None:
    with with_keys(database_url, KEY) as before:
        note(before)
    with with_keys(database_url, ANOTHER_KEY) as after:
        note(after)
        assert said(after, KeyRing((ANOTHER_KEY,)))[:2] == [None, None], "nobody can verify the lines of the lost key"
        lost = said(after)[2]
        assert lost is not None
        assert (lost["kind"], lost["reason"], lost["actor"]) == ("ledger_key", "lost", {"type": "service"})
        assert signed_by(lines(after)[2]) == signed_by(lines(after)[3]) == lost["fingerprint"][:16]
        check_chain(after)


def test_once_the_encryption_key_is_back_the_lines_of_the_lost_key_can_be_verified(database_url: str) -> None:
    with with_keys(database_url, KEY) as before:
        note(before)
    with with_keys(database_url, ANOTHER_KEY) as after:
        note(after)
    with with_keys(database_url, ANOTHER_KEY, KEY) as again:
        note(again)
        assert None not in said(again, KeyRing((ANOTHER_KEY, KEY)))
        assert kinds(again).count("ledger_key") == 2


def test_a_key_that_was_deleted_is_replaced_and_nothing_vouches_for_its_lines(
    database: Database, database_url: str
) -> None:
    note(database)
    change(database_url, "DELETE FROM ledger_keys")
    note(database)
    assert said(database)[:2] == [None, None]
    lost = said(database)[2]
    assert lost is not None
    assert lost["reason"] == "lost"


def test_a_key_that_somebody_else_has_put_there_signs_nothing(database: Database, database_url: str) -> None:
    note(database)
    foreign = LedgerSigner(KeyRing((b"x" * 32,))).make(UUID(int=1))
    change(database_url, "UPDATE ledger_keys SET sealed = :sealed", sealed=foreign.sealed)
    note(database)
    lost = said(database)[2]
    assert lost is not None
    assert lost["reason"] == "lost"


def test_a_rotation_is_announced_by_the_old_key_and_confirmed_by_the_new_one(database: Database) -> None:
    note(database)
    with database.write() as tx:
        tx.ledger.note(NOW, ADMIN, Kind.EXPORTED)
        tx.ledger.rotate_key(NOW, OPS)
    note(database)
    assert kinds(database)[1:] == ["connection_tested", "exported", "ledger_key", "ledger_key", "connection_tested"]
    announced, confirmed = said(database)[3:5]
    assert announced is not None
    assert confirmed is not None
    assert (announced["reason"], confirmed["reason"]) == ("rotated", "confirmed")
    assert announced["fingerprint"] == confirmed["fingerprint"]
    assert announced["public_key"] == confirmed["public_key"]
    assert announced["actor"] == {"type": "token", "id": "opstokenid22", "name": "ops"}
    old, new = signed_by(lines(database)[0]), announced["fingerprint"][:16]
    assert [signed_by(line) for line in lines(database)] == [old, old, old, old, new, new]
    check_chain(database)


def test_of_a_key_that_was_rotated_only_the_public_one_is_left(database: Database) -> None:
    note(database)
    with database.read() as tx:
        before = tx.ledger.keys()
    old = before.signs
    assert old is not None
    private = READERS.open(before.sealed[old], Place(f"ledger-key/{old}", before.installation))
    with database.write() as tx:
        tx.ledger.rotate_key(NOW, ADMIN)
    with database.read() as tx:
        after = tx.ledger.keys()
    assert after.signs not in {None, old}
    with pytest.raises(KeyUnusableError):
        READERS.open(after.sealed[old], Place(f"ledger-key/{old}", after.installation))
    assert READERS.open(after.sealed[old], Place(f"ledger-public-key/{old}", after.installation)) != private


def test_a_ledger_without_a_key_that_no_start_begins_has_lost_it(database: Database) -> None:
    with database.write() as tx:
        tx.ledger.rotate_key(NOW, ADMIN)
    assert [claims["reason"] for claims in said(database) if claims] == ["lost", "rotated", "confirmed"]
    check_chain(database)


def test_a_replica_that_has_the_old_key_in_memory_signs_with_the_new_one_after_a_rotation(database_url: str) -> None:
    with with_keys(database_url, KEY) as here, with_keys(database_url, KEY) as there:
        note(here)
        note(there)
        with here.write() as tx:
            tx.ledger.rotate_key(NOW, ADMIN)
        note(there)
        assert signed_by(lines(there)[-1]) == signed_by(lines(there)[-2])
        check_chain(there)


def test_a_clock_that_was_set_back_is_noted_before_the_first_entry_after_that(database: Database) -> None:
    note(database, NOW)
    note(database, NOW - CLOCK_TOLERANCE - SECOND)
    note(database, NOW - CLOCK_TOLERANCE - SECOND)
    assert kinds(database)[1:] == ["connection_tested", "clock_moved", "connection_tested", "connection_tested"]
    moved = said(database)[2]
    assert moved is not None
    assert (moved["before"], moved["at"]) == (rfc3339(NOW), rfc3339(NOW - CLOCK_TOLERANCE - SECOND))
    check_chain(database)


def test_a_clock_that_was_set_back_is_noted_whatever_the_head_says(database: Database, database_url: str) -> None:
    note(database, NOW)
    change(database_url, "UPDATE ledger_head SET at = '2020-01-01 00:00:00.000000'")
    note(database, NOW - CLOCK_TOLERANCE - SECOND)
    assert kinds(database)[1:] == ["connection_tested", "clock_moved", "connection_tested"]


@pytest.mark.parametrize("at", [NOW - CLOCK_TOLERANCE, NOW - SECOND, NOW, NOW + timedelta(days=4_000)])
def test_a_clock_that_goes_ahead_or_differs_a_little_is_not_noted(database: Database, at: datetime) -> None:
    note(database, NOW)
    note(database, at)
    assert "clock_moved" not in kinds(database)


def often(database: Database, at: datetime = NOW, actor: Actor = STRANGER, kind: Kind = Kind.LOGIN_FAILED) -> None:
    """Do something that happens often."""
    with database.write() as tx:
        tx.ledger.note_often(at, actor, kind, {"failed_logins": 1})


def flush(database: Database, at: datetime, begun_before: datetime | None = None) -> None:
    """Write what was counted, as a waking does."""
    with database.write() as tx:
        tx.ledger.note_pending(at, begun_before)


def test_the_first_of_many_is_a_line_and_the_others_are_counted_in_one(database: Database) -> None:
    for number in range(6):
        often(database, NOW + number * SECOND)
    assert kinds(database) == ["ledger_key", "login_failed"]
    flush(database, NOW + timedelta(hours=1))
    first, counted = said(database)[1:]
    assert first is not None
    assert counted is not None
    assert (first["failed_logins"], "times" in first) == (1, False)
    assert (counted["kind"], counted["times"], counted["actor"]) == ("login_failed", 5, {"type": "stranger"})
    assert (counted["since"], counted["until"]) == (rfc3339(NOW), rfc3339(NOW + 5 * SECOND))
    check_chain(database)


def test_what_was_flushed_is_not_flushed_again_and_the_next_one_is_a_first(database: Database) -> None:
    often(database)
    often(database)
    for _ in range(2):
        flush(database, NOW)
    assert kinds(database)[1:] == ["login_failed", "login_failed"]
    often(database)
    assert len(lines(database)) == 4


def test_a_first_that_stays_alone_is_one_line(database: Database) -> None:
    often(database)
    flush(database, NOW)
    assert kinds(database) == ["ledger_key", "login_failed"]


def test_each_actor_and_each_kind_is_counted_for_itself(database: Database) -> None:
    for _ in range(3):
        often(database)
        often(database, actor=OPS)
        often(database, actor=OPS, kind=Kind.EXPORTED)
    assert len(lines(database)) == 4
    flush(database, NOW)
    counted = [(c["kind"], c["actor"]["type"], c["times"]) for c in said(database)[4:] if c]
    assert counted == [("exported", "token", 2), ("login_failed", "stranger", 2), ("login_failed", "token", 2)]


def test_users_of_commands_and_tokens_of_one_name_are_counted_apart(database: Database) -> None:
    one, other = Actor(ActorKind.COMMAND, "root"), Actor(ActorKind.COMMAND, "nobody")
    for actor in (one, other, OPS, replace(OPS, id="anothertoken")):
        often(database, actor=actor, kind=Kind.EXPORTED)
    assert kinds(database)[1:] == ["exported"] * 4, "each is a first"
    flush(database, NOW)
    assert len(lines(database)) == 5


def test_only_what_began_before_a_time_can_be_flushed(database: Database) -> None:
    for _ in range(2):
        often(database, NOW)
        often(database, NOW + SECOND, actor=OPS)
    flush(database, NOW + SECOND, begun_before=NOW + SECOND)
    assert kinds(database)[3:] == ["login_failed"]
    assert [claims["actor"]["type"] for claims in said(database)[3:] if claims] == ["stranger"]


def read_bytes(database: Database, number: int, part: str = "body") -> None:
    """Let a token read a part of the attempt of a transmission."""
    with database.write() as tx:
        tx.ledger.note_often(NOW, OPS, Kind.EXPORTED, {"of": "attempt", "number": 1, "part": part}, UUID(int=number))


def test_each_transmission_that_is_read_is_named_and_no_reader_fills_the_ledger(database: Database) -> None:
    for number in range(1, APART + 51):
        read_bytes(database, number)
    read_bytes(database, 1)
    read_bytes(database, 1, "payload")
    for database_write in range(3):
        flush(database, NOW + database_write * SECOND)
    named, counted = said(database)[1 : AT_ONCE + 1], said(database)[AT_ONCE + 1 :]
    assert [claims and claims["transmission_id"] for claims in named] == [
        str(UUID(int=number)) for number in range(1, AT_ONCE + 1)
    ]
    (entry,) = counted
    assert entry is not None
    assert (entry["of"], entry["times"], len(entry["each"])) == ("attempt", APART + 52 - AT_ONCE, APART - AT_ONCE + 1)
    again = {"of": "attempt", "number": 1, "part": "body", "times": 1}
    assert {**again, "transmission_id": str(UUID(int=1))} in entry["each"]
    assert {**again, "transmission_id": str(UUID(int=APART))} in entry["each"]


def test_what_is_read_again_of_one_transmission_is_counted_under_its_id(database: Database) -> None:
    for _ in range(4):
        read_bytes(database, 7)
    flush(database, NOW)
    first, again = said(database)[1:]
    assert first is not None
    assert again is not None
    assert (first["transmission_id"], first["part"]) == (again["transmission_id"], again["part"])
    assert (again["times"], "each" in again) == (3, False)


def test_what_someone_writes_among_the_counted_stops_no_one_and_is_not_signed(
    database: Database, database_url: str
) -> None:
    for forged in ('{"text": "' + "x" * 99 + '"}', "[1]", '"x"', '{"text": null}'):
        read_bytes(database, 7)
        change(database_url, "UPDATE ledger_pending SET times = 2, said = :forged", forged=forged)
        flush(database, NOW)
    assert "xxx" not in repr(said(database))
    check_chain(database)


def test_no_row_that_someone_adds_hides_the_first(database: Database, database_url: str) -> None:
    added = "INSERT INTO ledger_pending (kind, actor, about, who, said, times, since, until)"
    often(database)
    change(database_url, "CREATE TABLE kept AS SELECT * FROM ledger_pending")
    change(database_url, "UPDATE kept SET kind = 'exported'")
    change(database_url, f"{added} SELECT kind, actor, about, who, said, 0, since, until FROM kept")  # noqa: S608 - ours
    often(database, kind=Kind.EXPORTED)
    assert kinds(database)[1:] == ["login_failed", "exported"], "its mark is for something else"
    change(database_url, "DELETE FROM ledger_pending")
    change(database_url, "UPDATE kept SET kind = 'login_failed'")
    change(database_url, f"{added} SELECT kind, actor, about, who, said, 0, since, until FROM kept")  # noqa: S608 - ours
    often(database, NOW + COUNTED_FOR + SECOND)
    assert kinds(database)[3:] == ["login_failed"], "its mark was for an hour"


def test_no_trigger_hides_the_first(database: Database, database_url: str) -> None:
    named = "kind, actor, about, who, said, times, since, until"
    new = ", ".join(f"NEW.{name}" for name in named.split(", "))
    if database_url.startswith("sqlite"):  # It adds the row that is being added, so that this one is counted on top.
        do = f"INSERT INTO ledger_pending ({named}) VALUES ({new})"  # noqa: S608 - ours
        change(database_url, f"CREATE TRIGGER hides BEFORE INSERT ON ledger_pending BEGIN {do}; END")
    else:
        do = "CREATE FUNCTION hides() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.times = 1; RETURN NEW; END $$"
        change(database_url, do)
        change(
            database_url,
            "CREATE TRIGGER hides BEFORE INSERT ON ledger_pending FOR EACH ROW EXECUTE FUNCTION hides()",
        )
    often(database)
    assert kinds(database)[1:] == ["login_failed"]


def test_no_number_of_rows_that_someone_adds_hides_what_is_read_first(database: Database, database_url: str) -> None:
    read_bytes(database, 0)
    added = "INSERT INTO ledger_pending (kind, actor, about, who, said, times, since, until)"
    for number in range(AT_ONCE):
        copied = f"SELECT kind, actor, 'attempt/forged{number}', who, said, 0, since, until FROM ledger_pending"  # noqa: S608 - ours
        change(database_url, f"{added} {copied} WHERE about NOT LIKE '%forged%'")
    read_bytes(database, 1)
    assert kinds(database)[1:] == ["exported"] * 2


def test_what_is_rolled_back_is_not_counted(database: Database) -> None:
    often(database)
    with suppress(ZeroDivisionError), database.write() as tx:
        tx.ledger.note_often(NOW, STRANGER, Kind.LOGIN_FAILED)
        raise ZeroDivisionError
    flush(database, NOW)
    assert len(lines(database)) == 2


def test_what_happens_at_once_is_counted_once_each(database_url: str) -> None:
    with ExitStack() as opened, ThreadPoolExecutor(4) as pool:
        replicas = [opened.enter_context(with_keys(database_url, KEY)) for _ in range(4)]
        list(pool.map(often, replicas * 4))
        assert kinds(replicas[0]) == ["ledger_key", "login_failed"]
        flush(replicas[0], NOW)
        counted = said(replicas[0])[-1]
        assert counted is not None
        assert counted["times"] == 15


def test_lines_are_found_by_kind_actor_and_place(database: Database) -> None:
    note(database, actor=OPS)
    often(database)
    note(database, actor=PERSON)
    with database.read() as tx:
        assert [line.seq for line in tx.ledger.latest(2)] == [4, 3]
        assert [line.seq for line in tx.ledger.latest(9, before=3)] == [2, 1]
        assert [line.seq for line in tx.ledger.latest(9, kind="login_failed")] == [3]
        assert [line.seq for line in tx.ledger.latest(9, actor="token opstokenid22")] == [2]
        assert [line.seq for line in tx.ledger.latest(9, actor=SERVICE.kind.value)] == [1]
        assert [line.seq for line in tx.ledger.latest(9, actor="person")] == [4]
        assert [line.seq for line in each_line(tx.ledger, step=3)] == [1, 2, 3, 4]
        assert [line.seq for line in tx.ledger.lines(after=2)] == [3, 4]
