"""Whatever somebody changes in the database: the proof says so in that very answer, and no changed byte leaves."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, Row, bindparam, create_engine, inspect, text

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import AlreadyDeliveredError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import State, Transmission
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.proof import Proof, prove
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.transmission_check import Finding, Flaw
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.sealing.ledger_key import LedgerKey, unverified
from telemetry_service.storage.types import Id16
from telemetry_service.web.tab import paths
from tests.support.actors import ADMIN
from tests.support.backup import copied
from tests.support.databases import ON_BOTH
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import CUSTOMER, Trouble, reply
from tests.support.running import Running
from tests.support.settings import ENCRYPTION_KEY
from tests.support.site import Site, usage

LOGS, ATTEMPTS = "telemetry_transmission_logs", "telemetry_transmission_attempts"
OTHER_DIGEST = "ab" * 32
ANOTHER_KEY = "another-key-0123456789"


def sent(site: Site, *statuses: int) -> Transmission:
    """Return a transmission that met these statuses, and was accepted if there are none."""
    site.report(usage(5))
    site.server.trouble(Trouble(before=reply(statuses[0])) if statuses else Trouble())
    transmission = send_now(site.runtime, ADMIN, None).transmission
    for status in statuses[1:]:
        site.clock.advance(minutes=5)
        site.server.trouble(Trouble(before=reply(status)))
        transmission = retry(site.runtime, transmission.transmission_id, ADMIN).transmission
    site.server.trouble()
    site.clock.advance(minutes=5)
    return transmission


def read(site: Site, transmission_id: UUID) -> TransmissionDetail:
    """Return what is known of a transmission at present."""
    return read_now(site.runtime, read_transmission, transmission_id)


def proof_of(site: Site, transmission: Transmission) -> Proof:
    """Check a transmission now."""
    return read_now(site.runtime, prove, read(site, transmission.transmission_id))


@dataclass
class Intruder:
    """Somebody who may write to the database, and has no key."""

    engine: Engine
    transmission_id: UUID
    """The transmission that they are after."""

    def run(self, statement: str, **values: object) -> list[Row[tuple[object, ...]]]:
        """Execute a statement; ``:id`` is the transmission."""
        typed = text(statement)
        if ":id" in statement:
            typed = typed.bindparams(bindparam("id", type_=Id16()))
            values["id"] = self.transmission_id
        with self.engine.begin() as connection:
            found = connection.execute(typed, values)
            return list(found.all()) if found.returns_rows else []

    def stored(self) -> bytes:
        """Return the stored payload."""
        query = (
            "SELECT e.content FROM evidence e JOIN telemetry_transmission_logs l ON e.transmission_id ="
            " l.transmission_id AND e.sha256 = l.prepared_sha256 WHERE l.transmission_id = :id"
        )
        ((content,),) = self.run(query)
        assert isinstance(content, bytes | memoryview)
        return bytes(content)

    def swap_payload(self) -> None:
        """Write another payload over the stored one."""
        other = self.stored().replace(b'"total_events":5', b'"total_events":1')
        query = "UPDATE evidence SET content = :other WHERE transmission_id = :id AND content = :stored"
        self.run(query, other=other, stored=self.stored())

    def swap_payload_and_digest(self) -> None:
        """Store another payload, under its right digest."""
        other = self.stored().replace(b'"total_events":5', b'"total_events":1')
        self.run("INSERT INTO evidence VALUES (:id, :digest, :other)", digest=sha256_hex(other), other=other)
        self.run(f"UPDATE {LOGS} SET prepared_sha256 = :to WHERE transmission_id = :id", to=sha256_hex(other))

    def swap_payload_digest_and_records(self) -> None:
        """Do so, and let the row agree with it."""
        self.swap_payload_and_digest()
        self.run(f"UPDATE {LOGS} SET records_sent = 1 WHERE transmission_id = :id")

    def rewrite_line_with_another_key(self) -> None:
        """Sign a line that names another payload with a key of one's own, and put that key into the table."""
        self.swap_payload_digest_and_records()
        ((line,),) = self.run("SELECT line FROM telemetry_ledger WHERE transmission_id = :id AND kind = 'prepared'")
        ((digest,),) = self.run(f"SELECT prepared_sha256 FROM {LOGS} WHERE transmission_id = :id")
        key = LedgerKey.generate()
        forged = key.sign({**unverified(str(line)), "prepared_sha256": digest, "records": 1})
        self.run("UPDATE telemetry_ledger SET line = :forged WHERE line = :line", forged=forged, line=line)
        sealed = b"\x01" + bytes(20) + key.public_key
        self.run("INSERT INTO ledger_keys VALUES (:key_id, :sealed)", key_id=key.key_id, sealed=sealed)
        self.run("UPDATE ledger_head SET key_id = :key_id", key_id=key.key_id)

    def change_content_of(self, column: str) -> None:
        """Change the kept bytes that a column of the latest attempt names."""
        digest = f"SELECT {column} FROM {ATTEMPTS} WHERE transmission_id = :id ORDER BY number DESC LIMIT 1"
        self.run(
            f"UPDATE evidence SET content = :other WHERE transmission_id = :id AND sha256 = ({digest})", other=b"x"
        )

    def delete_content_of(self, column: str) -> None:
        """Delete them."""
        digest = f"SELECT {column} FROM {ATTEMPTS} WHERE transmission_id = :id ORDER BY number DESC LIMIT 1"
        self.run(f"DELETE FROM evidence WHERE transmission_id = :id AND sha256 = ({digest})")

    def set_attempt(self, assignment: str) -> None:
        """Change the first attempt."""
        self.run(f"UPDATE {ATTEMPTS} SET {assignment} WHERE transmission_id = :id AND number = 1")

    def insert_attempt(self) -> None:
        """Insert a copy of the first attempt as the third."""
        with self.engine.connect() as connection:
            columns = [column["name"] for column in inspect(connection).get_columns(ATTEMPTS)]
        names = ", ".join(f'"{name}"' for name in columns)
        values = names.replace('"number"', "3")
        first = f"FROM {ATTEMPTS} WHERE transmission_id = :id AND number = 1"
        self.run(f"INSERT INTO {ATTEMPTS} ({names}) SELECT {values} {first}")

    def set_log(self, assignment: str, **values: object) -> None:
        """Change the transmission's row."""
        self.run(f"UPDATE {LOGS} SET {assignment} WHERE transmission_id = :id", **values)

    def accept_with_the_receipt_of_another(self) -> None:
        """Let it look accepted, with a receipt that the License Server has really signed."""
        ((receipt,),) = self.run(f"SELECT receipt FROM {LOGS} WHERE receipt IS NOT NULL ORDER BY sequence LIMIT 1")
        accepted = "state = 'success', cause = NULL, accepted_at = last_attempt_at, receipt = :receipt"
        self.set_log(f"{accepted}, next_attempt_at = NULL", receipt=receipt)

    def set_line(self, kind: str, assignment: str, **values: object) -> None:
        """Change the line of a kind."""
        self.run(f"UPDATE telemetry_ledger SET {assignment} WHERE transmission_id = :id AND kind = '{kind}'", **values)

    def forge_line(self, kind: str) -> None:
        """Change what a line says, and leave its signature."""
        ((line,),) = self.run(f"SELECT line FROM telemetry_ledger WHERE transmission_id = :id AND kind = '{kind}'")
        header, _, signature = str(line).split(".")
        said = to_base64url(canonical_json({**unverified(str(line)), "records": 1})).decode()
        self.set_line(kind, "line = :forged", forged=f"{header}.{said}.{signature}")

    def delete_line(self, kind: str) -> None:
        """Delete the line of a kind."""
        self.run(f"DELETE FROM telemetry_ledger WHERE transmission_id = :id AND kind = '{kind}'")


Change = Callable[[Intruder], object]


@dataclass(frozen=True)
class Attack:
    """What somebody does to a refused transmission of two attempts, and what the proof says then."""

    change: Change
    flaws: tuple[tuple[Flaw, int | None], ...]
    """Each with the attempt that it was found at."""
    sent: bool = True
    """Whether what is stored is still what was signed, so that it may leave."""


GAP = (Flaw.ENTRIES_MISSING, None)
CHANGED, MISSING = Flaw.PAYLOAD_CHANGED, Flaw.PAYLOAD_MISSING
ATTACKS = {
    "payload": Attack(Intruder.swap_payload, ((CHANGED, None),), sent=False),
    "payload and digest": Attack(Intruder.swap_payload_and_digest, ((CHANGED, None),), sent=False),
    "payload, digest and records": Attack(
        Intruder.swap_payload_digest_and_records, ((CHANGED, None), (Flaw.ROW_CHANGED, None)), sent=False
    ),
    "payload and a line of another key": Attack(
        Intruder.rewrite_line_with_another_key,
        (GAP, (Flaw.NOT_IN_LEDGER, None), (Flaw.LINE_CHANGED, None)),
        sent=False,
    ),
    "payload deleted": Attack(
        lambda it: it.run("DELETE FROM evidence WHERE transmission_id = :id AND content = :was", was=it.stored()),
        ((MISSING, None),),
        sent=False,
    ),
    "records": Attack(lambda it: it.set_log("records_sent = 4"), ((Flaw.ROW_CHANGED, None),), sent=False),
    "digest of an attempt": Attack(
        lambda it: it.set_attempt(f"payload_sha256 = '{OTHER_DIGEST}'"),
        ((Flaw.ATTEMPT_CHANGED, 1), (Flaw.BYTES_MISSING, 1)),
    ),
    "key of an attempt": Attack(lambda it: it.set_attempt("key_id = 'x'"), ((Flaw.ATTEMPT_CHANGED, 1),)),
    "encryption of an attempt": Attack(
        lambda it: it.set_attempt("encrypted = NOT encrypted"), ((Flaw.ATTEMPT_CHANGED, 1),)
    ),
    "trigger of an attempt": Attack(lambda it: it.set_attempt("trigger = 'tick'"), ((Flaw.ATTEMPT_CHANGED, 1),)),
    "timestamp of an attempt": Attack(
        lambda it: it.set_attempt("timestamp = timestamp + 1"), ((Flaw.ATTEMPT_CHANGED, 1),)
    ),
    "time of an attempt": Attack(
        lambda it: it.set_attempt("transmitted_at = '2026-11-03T10:00:00.001Z'"), ((Flaw.ATTEMPT_CHANGED, 1),)
    ),
    "outcome of an attempt": Attack(lambda it: it.set_attempt("state = 'success'"), ((Flaw.OUTCOME_CHANGED, 1),)),
    "status of an attempt": Attack(lambda it: it.set_attempt("response_code = 200"), ((Flaw.OUTCOME_CHANGED, 1),)),
    "attempt deleted": Attack(
        lambda it: it.run(f"DELETE FROM {ATTEMPTS} WHERE transmission_id = :id AND number = 1"),
        ((Flaw.ATTEMPT_CHANGED, 1),),
    ),
    "attempt inserted": Attack(Intruder.insert_attempt, ((Flaw.ATTEMPT_CHANGED, 3),)),
    "body": Attack(lambda it: it.change_content_of("body_sha256"), ((Flaw.BYTES_CHANGED, 2),)),
    "payload as sent": Attack(lambda it: it.change_content_of("payload_sha256"), ((Flaw.BYTES_CHANGED, 2),)),
    "body deleted": Attack(lambda it: it.delete_content_of("body_sha256"), ((Flaw.BYTES_MISSING, 2),)),
    "payload as sent deleted": Attack(lambda it: it.delete_content_of("payload_sha256"), ((Flaw.BYTES_MISSING, 2),)),
    "accepted, with the receipt of another": Attack(
        Intruder.accept_with_the_receipt_of_another, ((Flaw.STATE_CHANGED, None),)
    ),
    "a receipt, and not accepted": Attack(lambda it: it.set_log("receipt = 'a.b.c'"), ((Flaw.RECEIPT_CHANGED, None),)),
    "line of the payload": Attack(
        lambda it: it.forge_line("prepared"), (GAP, (Flaw.NOT_IN_LEDGER, None), (Flaw.LINE_CHANGED, None)), sent=False
    ),
    "line of the payload deleted": Attack(
        lambda it: it.delete_line("prepared"), ((Flaw.NOT_IN_LEDGER, None),), sent=False
    ),
    "kind of the payload's line": Attack(
        lambda it: it.set_line("prepared", "kind = 'tick'"), ((Flaw.LINE_CHANGED, None),), sent=False
    ),
    "time of the payload's line": Attack(
        lambda it: it.set_line("prepared", "at = (SELECT max(at) FROM telemetry_ledger)"), ((Flaw.LINE_CHANGED, None),)
    ),
    "place of the payload's line": Attack(
        lambda it: it.set_line("prepared", "seq = seq + 1000"), (GAP, (Flaw.LINE_CHANGED, None)), sent=False
    ),
    "line of the attempts hidden": Attack(
        lambda it: it.set_line("attempt", "transmission_id = NULL"),
        ((Flaw.LINE_CHANGED, None), (Flaw.LINE_CHANGED, None)),
        sent=False,
    ),
    "lines of the attempts deleted": Attack(
        lambda it: it.delete_line("attempt"), (GAP, (Flaw.ATTEMPT_CHANGED, 1), (Flaw.ATTEMPT_CHANGED, 2)), sent=False
    ),
    "lines of the answers deleted": Attack(
        lambda it: it.delete_line("answered"), (GAP, (Flaw.OUTCOME_CHANGED, 1), (Flaw.OUTCOME_CHANGED, 2)), sent=False
    ),
    "everything about it deleted": Attack(
        lambda it: it.run("DELETE FROM telemetry_ledger WHERE transmission_id = :id"),
        (GAP, (Flaw.NOT_IN_LEDGER, None), (Flaw.ATTEMPT_CHANGED, 1), (Flaw.ATTEMPT_CHANGED, 2)),
        sent=False,
    ),
}


@pytest.fixture
def engine(site: Site) -> Iterator[Engine]:
    """The intruder's connection to the database."""
    made = create_engine(site.replica.database_url)
    yield made
    made.dispose()


def flaws(proof: Proof) -> tuple[tuple[Flaw, int | None], ...]:
    """Return what was found, without the numbers of the entries."""
    return tuple((finding.flaw, finding.attempt) for finding in proof.findings)


def sweep_twice(site: Site) -> None:
    """Let the sweep see what was done to the ledger, and its own entry about that: until then, nothing leaves."""
    for _ in range(2):
        sweep(site.runtime)


def leaves(site: Site, transmission: Transmission) -> tuple[bytes, ...]:
    """Try to send a transmission again, and return what has arrived of it, as it would be stored."""
    sweep_twice(site)
    deliver_due(site.runtime)
    with suppress(AlreadyDeliveredError):
        retry(site.runtime, transmission.transmission_id, ADMIN)
    arrived = [it.payload for it in site.server.journal() if it.transmission_id == transmission.transmission_id]
    documents = [json.loads(payload) for payload in arrived]
    return tuple(canonical_json({n: v for n, v in it.items() if n != "transmitted_at"}) for it in documents)


@ON_BOTH
def test_what_somebody_changes_is_said_at_once_and_nothing_that_was_changed_is_sent(site: Site, engine: Engine) -> None:
    sent(site)
    transmission = sent(site, 422, 422)
    intruder = Intruder(engine, transmission.transmission_id)
    original = intruder.stored()
    assert proof_of(site, transmission).holds
    put_back = copied(site.replica.database_url)
    # Those of which something arrives come last: the License Server forgets nothing.
    for name in sorted(ATTACKS, key=lambda name: ATTACKS[name].sent):
        attack = ATTACKS[name]
        attack.change(intruder)
        proof = proof_of(site, transmission)
        assert (flaws(proof), proof.holds) == (attack.flaws, False), name
        arrived = leaves(site, transmission)
        if attack.sent:
            assert set(arrived) <= {original}, name
        else:
            found = read(site, transmission.transmission_id).transmission
            assert (arrived, found.state, found.cause) == ((), State.HELD, Cause.PAYLOAD_CHANGED), name
            assert proof_of(site, transmission).holds is False, name
        put_back()
        site.runtime = site.open()  # The one before remembers what it has verified in the changed database.
    assert [entry.conflicts for entry in site.server.journal()] == [0, 0]


OF_AN_ACCEPTED_ONE: dict[str, tuple[Change, Flaw]] = {
    "receipt": (lambda it: it.set_log("receipt = receipt || 'x'"), Flaw.RECEIPT_CHANGED),
    "receipt removed": (lambda it: it.set_log("receipt = NULL"), Flaw.RECEIPT_CHANGED),
    "no longer accepted": (lambda it: it.set_log("state = 'rejected', accepted_at = NULL"), Flaw.STATE_CHANGED),
    "line of the answer deleted": (lambda it: it.delete_line("answered"), Flaw.STATE_CHANGED),
    "line of the answer": (lambda it: it.forge_line("answered"), Flaw.LINE_CHANGED),
}


@ON_BOTH
def test_what_somebody_changes_of_an_accepted_one_is_said_at_once(site: Site, engine: Engine) -> None:
    transmission = sent(site)
    intruder = Intruder(engine, transmission.transmission_id)
    original, put_back = intruder.stored(), copied(site.replica.database_url)
    for name, (change, flaw) in OF_AN_ACCEPTED_ONE.items():
        change(intruder)
        assert flaw in {finding.flaw for finding in proof_of(site, transmission).findings}, name
        assert set(leaves(site, transmission)) == {original}, name
        put_back()
        site.runtime = site.open()  # As above.
    assert [entry.conflicts for entry in site.server.journal()] == [0]


@ON_BOTH
def test_a_receipt_of_another_transmission_is_not_verified_where_a_key_is_pinned(site: Site, engine: Engine) -> None:
    site.runtime = site.open(replica=replace(site.replica, public_key=site.server.public_key))
    sent(site)
    transmission = sent(site, 422)
    Intruder(engine, transmission.transmission_id).accept_with_the_receipt_of_another()
    assert read(site, transmission.transmission_id).receipt_verified is False


@ON_BOTH
def test_an_earlier_payload_does_not_come_back_although_it_was_signed(site: Site, engine: Engine) -> None:
    """It names the customer by a pseudonym that was replaced; a copy of its line must not count as the latest."""
    transmission = sent(site, 401)
    earlier = transmission.prepared_sha256
    with site.runtime.database.read() as tx:
        content = tx.evidence.get(transmission.transmission_id, earlier)
    site.server.store.add_key(ANOTHER_KEY, CUSTOMER)
    set_api_key(site.runtime, ANOTHER_KEY, ADMIN)
    intruder = Intruder(engine, transmission.transmission_id)
    intruder.set_log("prepared_sha256 = :earlier", earlier=earlier)
    # Its bytes were deleted when it was replaced, so they come from a copy.
    intruder.run(
        "INSERT INTO evidence (transmission_id, sha256, content) VALUES (:id, :sha, :content)",
        sha=earlier,
        content=content,
    )
    assert flaws(proof_of(site, transmission)) == ((CHANGED, None),)
    copied = "(seq, line, kind, at, actor, transmission_id) SELECT seq + 1000, line, kind, at, actor, transmission_id"
    first = "WHERE transmission_id = :id AND kind = 'prepared' ORDER BY seq LIMIT 1"
    intruder.run(f"INSERT INTO telemetry_ledger {copied} FROM telemetry_ledger {first}")
    assert Flaw.LINE_CHANGED in {finding.flaw for finding in proof_of(site, transmission).findings}
    assert leaves(site, transmission) == ()


@ON_BOTH
def test_the_line_of_another_transmission_counts_for_nothing(site: Site, engine: Engine) -> None:
    transmission, other = sent(site, 422), sent(site, 422)
    intruder = Intruder(engine, transmission.transmission_id)
    intruder.delete_line("prepared")
    Intruder(engine, other.transmission_id).set_line("prepared", "transmission_id = :to", to=_raw(intruder))
    assert Flaw.LINE_CHANGED in {finding.flaw for finding in proof_of(site, transmission).findings}
    assert leaves(site, transmission) == ()


def _raw(intruder: Intruder) -> object:
    ((value,),) = intruder.run(f"SELECT transmission_id FROM {LOGS} WHERE transmission_id = :id")
    return value


@ON_BOTH
def test_once_the_bytes_are_restored_it_is_delivered(site: Site, engine: Engine) -> None:
    transmission = sent(site, 422)
    intruder = Intruder(engine, transmission.transmission_id)
    original = intruder.stored()
    intruder.swap_payload()
    assert leaves(site, transmission) == ()
    intruder.run(
        "UPDATE evidence SET content = :was WHERE transmission_id = :id AND sha256 = :digest",
        was=original,
        digest=transmission.prepared_sha256,
    )
    assert leaves(site, transmission) == (original,)
    assert proof_of(site, transmission).holds


def test_a_payload_that_was_changed_is_noted_once_however_often_it_is_tried(site: Site, engine: Engine) -> None:
    transmission = sent(site, 422)
    Intruder(engine, transmission.transmission_id).swap_payload()
    for _ in range(3):
        leaves(site, transmission)
    with site.runtime.database.read() as tx:
        noted = tx.ledger.of_transmission(transmission.transmission_id)
    assert [line.kind for line in noted].count(Kind.VERIFY_FAILED) == 1


def test_an_attempt_that_a_crash_ended_is_no_flaw(site: Site) -> None:
    def crash(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            raise ZeroDivisionError

    site.report(usage(5))
    with suppress(ZeroDivisionError):
        send_now(site.open(crash), ADMIN, None)
    with site.runtime.database.read() as tx:
        (transmission_id,) = tx.transmissions.waiting(frozenset({State.PENDING}))
    transmission = read(site, transmission_id).transmission
    assert proof_of(site, transmission).holds, "while it is under way"
    site.clock.advance(minutes=10)
    retry(site.runtime, transmission_id, ADMIN)
    detail = read(site, transmission_id)
    assert [attempt.state for attempt in detail.attempts] == [State.RETRYING, State.SUCCESS]
    assert proof_of(site, transmission).holds


def test_what_a_wrong_clock_has_dated_and_the_purge_dates_again_is_no_flaw(site: Site) -> None:
    right = site.clock.now()
    site.clock.set(right + timedelta(days=2_000))
    transmission = sent(site)
    site.clock.set(right + timedelta(days=1))
    sent(site)
    purge(site.runtime)
    site.clock.advance(days=1)
    assert read(site, transmission.transmission_id).transmission.accepted_at != transmission.accepted_at
    assert proof_of(site, transmission).holds


@ON_BOTH
def test_a_proof_names_the_attempt_or_the_entry_in_its_sentences(site: Site, engine: Engine) -> None:
    transmission = sent(site, 422)
    intruder = Intruder(engine, transmission.transmission_id)
    intruder.set_attempt("key_id = 'x'")
    intruder.set_line("answered", "kind = 'tick'")
    sentences = [finding.sentence for finding in proof_of(site, transmission).findings]
    ((seq,),) = intruder.run("SELECT max(seq) FROM telemetry_ledger WHERE transmission_id = :id AND kind = 'tick'")
    assert sentences == [
        Finding(Flaw.LINE_CHANGED, seq=int(str(seq))).sentence,
        Finding(Flaw.ATTEMPT_CHANGED, attempt=1).sentence,
    ]
    assert sentences[0].startswith(f"Entry {seq}: ")
    assert sentences[1].startswith("Attempt 1: ")


@ON_BOTH
def test_no_page_fails_because_of_what_a_row_has(site: Site, engine: Engine) -> None:
    sent(site)
    transmission = sent(site, 422, 422)
    intruder = Intruder(engine, transmission.transmission_id)
    environment = {
        "ENCRYPTION_KEY": to_base64url(ENCRYPTION_KEY).decode(),
        "TELEMETRY_CUSTOMER_ID": CUSTOMER,
        "TELEMETRY_LICENSE_SERVER_URL": site.server.server.url,
        "TELEMETRY_LICENSE_SERVER_CA_FILE": str(site.server.server.ca_pem_path),
    }
    with Running(site.replica.database_url, environment, FrozenClock(site.clock.now())) as service:
        service.client.cookies.update(service.log_in()[0])
        put_back = copied(site.replica.database_url)
        for name, attack in ATTACKS.items():
            attack.change(intruder)
            for path in (f"history/{transmission.transmission_id}", "history?limit=100", "health", "preview"):
                assert service.call(Scope.READ, "GET", f"telemetry/{path}").status_code == 200, (name, path)
            for page in (paths.transmission(transmission.transmission_id), paths.TAB):
                assert service.client.get(page).status_code == 200, (name, page)
            put_back()
