"""The first start with a ledger takes the history of version 0.1.0 over, once; what is written later is forged."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, create_engine, inspect, text

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.configuration import ConfigurationPatch
from telemetry_service.domain.errors import PayloadChangedError
from telemetry_service.domain.ledger import FIRST_PREV, Kind
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.transmissions import HistoryFilter, State, Transmission
from telemetry_service.pipeline.actions.configure import any_version, save_configuration, set_api_key
from telemetry_service.pipeline.actions.release import release
from telemetry_service.pipeline.actions.restored import answer_restored
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.queries.activity import Activity
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import list_transmissions, read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot, read_now
from telemetry_service.pipeline.stages.sweep import sweep, verify_everything
from telemetry_service.pipeline.transmission_check import Finding, Flaw
from telemetry_service.sealing.identity import pseudonym
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.service import Options, make_runtime
from telemetry_service.settings import load_settings
from telemetry_service.storage.database import Database
from telemetry_service.storage.migrate import migrate
from telemetry_service.storage.types import Id16
from tests.support import migrations
from tests.support.actors import ADMIN
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import entries as all_entries
from tests.support.license_server import LicenseServer, Trouble, reset
from tests.support.lived_in import LivedIn

LATER = datetime(2026, 11, 27, 12, tzinfo=UTC)
"""Some hours after version 0.1.0 wrote for the last time, and days before its next tick."""
BEFORE_THE_LEDGER = "0010"
LOGS, ATTEMPTS = "telemetry_transmission_logs", "telemetry_transmission_attempts"
WITHOUT_OTHER_BYTES = f"DELETE FROM evidence WHERE sha256 NOT IN (SELECT prepared_sha256 FROM {LOGS})"  # noqa: S608 - our own
"""A migration keeps a payload for each transmission, and nothing else."""


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(LATER)


@pytest.fixture
def server(tmp_path: Path, clock: FrozenClock, lived_in: LivedIn) -> Iterator[LicenseServer]:
    with LicenseServer(tmp_path / "license-server", clock) as running:
        running.store.add_key(lived_in.kept["api_key"], lived_in.environment["TELEMETRY_CUSTOMER_ID"])
        yield running


@contextmanager
def unstarted(lived_in: LivedIn, clock: FrozenClock, server: LicenseServer) -> Iterator[Runtime]:
    """Upgrade the database, and open it."""
    connected = {
        "TELEMETRY_LICENSE_SERVER_URL": server.server.url,
        "TELEMETRY_LICENSE_SERVER_CA_FILE": str(server.server.ca_pem_path),
    }
    migrate(lived_in.database_url)
    runtime = make_runtime(load_settings({**lived_in.environment, **connected}), Options(clock=clock))
    yield runtime
    runtime.database.close()


@pytest.fixture
def upgraded(lived_in: LivedIn, clock: FrozenClock, server: LicenseServer) -> Iterator[Runtime]:
    """The service after its first start."""
    with unstarted(lived_in, clock, server) as runtime:
        start(runtime)
        yield runtime


def entries(database: Database) -> list[Activity]:
    """Return the entries, but for those about what version 0.1.0 had sealed otherwise."""
    return [entry for entry in all_entries(database) if entry.kind is not Kind.SEALED_AGAIN]


def is_restored(snapshot: Snapshot) -> bool:
    return snapshot.tx.installation.restored_at() is not None


def execute(url: str, statement: str, **values: object) -> None:
    """Change the database behind the service's back."""
    engine = create_engine(url)
    typed = text(statement)
    if "id" in values:
        typed = typed.bindparams(bindparam("id", type_=Id16()))
    with engine.begin() as connection:
        connection.execute(typed, values)
    engine.dispose()


def history(runtime: Runtime) -> list[Transmission]:
    """Return all transmissions, oldest first."""
    return list(reversed(read_now(runtime, list_transmissions, HistoryFilter(), None, 100).items))


def one(runtime: Runtime, state: State, cause: Cause | None = None) -> Transmission:
    """Return the first transmission in a state, with this cause if one is named."""
    return next(it for it in history(runtime) if it.state is state and cause in {None, it.cause})


def taken_over(runtime: Runtime, of: str) -> list[Activity]:
    """Return the entries about what was taken over."""
    return [it for it in entries(runtime.database) if it.kind is Kind.MIGRATED and it.details["of"] == of]


def stored(runtime: Runtime, transmission: Transmission) -> dict[str, Any]:
    """Return the stored payload."""
    content = read_now(runtime, read_transmission, transmission.transmission_id).payload
    assert content is not None
    document: dict[str, Any] = json.loads(content)
    return document


def test_the_history_becomes_the_first_entries_marked_as_taken_over(upgraded: Runtime, lived_in: LivedIn) -> None:
    found = entries(upgraded.database)
    assert [entry.kind for entry in found[-2:]] == [Kind.BEGUN, Kind.DEPLOYMENT]
    assert {entry.kind for entry in found[:-2]} == {Kind.MIGRATED}
    about = taken_over(upgraded, "transmission")
    assert [str(it.transmission_id) for it in about] == [str(it.transmission_id) for it in history(upgraded)]
    assert [it.details["state"] for it in about] == [it["state"] for it in reversed(lived_in.kept["transmissions"])]
    assert [it.details["attempts"] for it in about] == [[1]] * len(about)


def test_each_entry_names_the_stored_payload_and_what_it_was_made_of(upgraded: Runtime) -> None:
    for entry, transmission in zip(taken_over(upgraded, "transmission"), history(upgraded), strict=True):
        content = read_now(upgraded, read_transmission, transmission.transmission_id).payload
        assert content is not None
        digest = hashlib.sha256(content).hexdigest()
        assert entry.details["prepared_sha256"] == transmission.prepared_sha256 == digest
        assert entry.details["records"] == transmission.records_sent == json.loads(content)["total_events"]
        assert entry.details["receipt"] == transmission.receipt


def test_the_activity_list_is_taken_over_with_its_times_and_actors(upgraded: Runtime, lived_in: LivedIn) -> None:
    found = taken_over(upgraded, "activity")
    assert [it.details["action"] for it in found[:3]] == ["password_set", "token_created", "api_key_set"]
    assert [it.details["by"] for it in found[:2]] == ["deployment", "cli"]
    assert found[1].details["details"]["scopes"] == "report read admin"
    assert found[0].details["noted_at"] < found[-1].details["noted_at"] < "2026-11-27T12"
    assert {it.actor for it in found} == {"service"}
    with migrations.connected(lived_in.database_url) as connection:
        assert connection.execute(text("SELECT count(*) FROM activity")).scalar_one() == 0


def test_the_bytes_of_its_attempts_are_kept_as_their_digests_say(upgraded: Runtime) -> None:
    checked = 0
    for transmission in history(upgraded):
        detail = read_now(upgraded, read_transmission, transmission.transmission_id)
        proof = read_now(upgraded, prove, detail)
        for attempt in detail.attempts:
            payload, body = proof.payload_of(attempt), proof.body_of(attempt)
            assert payload is not None
            assert body is not None
            assert hashlib.sha256(payload).hexdigest() == attempt.payload_sha256
            assert hashlib.sha256(body).hexdigest() == attempt.body_sha256 != attempt.payload_sha256
            checked += 1
    assert checked == 7


def test_without_the_api_key_that_sealed_them_the_payloads_are_kept_and_the_bodies_are_not(
    lived_in: LivedIn, clock: FrozenClock, server: LicenseServer
) -> None:
    with unstarted(lived_in, clock, server) as runtime:
        execute(lived_in.database_url, "UPDATE telemetry_configuration SET api_key_sealed = NULL, api_key_id = NULL")
        start(runtime)
        detail = read_now(runtime, read_transmission, one(runtime, State.SUCCESS).transmission_id)
        proof = read_now(runtime, prove, detail)
        assert proof.holds
        assert proof.payload_of(detail.attempts[0]) is not None
        assert proof.body_of(detail.attempts[0]) is None


def test_what_was_taken_over_says_so_and_has_no_flaw(upgraded: Runtime) -> None:
    for transmission in history(upgraded):
        proof = read_now(upgraded, prove, read_now(upgraded, read_transmission, transmission.transmission_id))
        assert (proof.findings, proof.taken_over) == ((), True)


def test_what_waited_is_delivered_once_as_it_is_stored_and_proved_from_then_on(
    upgraded: Runtime, lived_in: LivedIn, server: LicenseServer
) -> None:
    retry_failed(upgraded, ADMIN)
    journal = server.journal()
    assert {str(entry.transmission_id) for entry in journal} == lived_in.waiting_ids
    assert {(entry.times_received, entry.conflicts) for entry in journal} == {(1, 0)}
    for entry in journal:
        detail = read_now(upgraded, read_transmission, entry.transmission_id)
        sent = json.loads(entry.payload)
        assert {**stored(upgraded, detail.transmission), "transmitted_at": sent["transmitted_at"]} == sent
        proof = read_now(upgraded, prove, detail)
        assert proof.holds
        assert list(proof.signed_attempts) == [2], "the first attempt was made before there was a ledger"


def test_a_second_start_takes_over_nothing(upgraded: Runtime) -> None:
    before = entries(upgraded.database)
    start(upgraded)
    assert entries(upgraded.database) == before


def test_replicas_that_start_at_once_take_it_over_once(
    lived_in: LivedIn, clock: FrozenClock, server: LicenseServer
) -> None:
    with (
        unstarted(lived_in, clock, server) as here,
        unstarted(lived_in, clock, server) as there,
        ThreadPoolExecutor(2) as pool,
    ):
        list(pool.map(start, [here, there]))
        assert len(taken_over(here, "transmission")) == len(history(here)) == 7
        assert len(taken_over(here, "activity")) == 12
        assert [entry.kind for entry in entries(here.database)[-2:]] == [Kind.BEGUN, Kind.DEPLOYMENT]


class StoppingClock(FrozenClock):
    """A clock that fails after some looks at it, as a process that is killed there."""

    looks = 0

    def now(self) -> datetime:
        self.looks -= 1
        return super().now() if self.looks else self.stop()

    def stop(self) -> datetime:
        raise ZeroDivisionError


@pytest.mark.parametrize("looks", [2, 3, 4, 5])
def test_a_start_that_was_killed_is_gone_on_with_by_the_next(
    lived_in: LivedIn, clock: FrozenClock, server: LicenseServer, looks: int
) -> None:
    stopping = StoppingClock(LATER)
    stopping.looks = looks
    with unstarted(lived_in, clock, server) as runtime:
        with pytest.raises(ZeroDivisionError):
            start(replace(runtime, clock=stopping))
        start(runtime)
        assert len(taken_over(runtime, "transmission")) == 7
        assert len(taken_over(runtime, "activity")) == 12
        assert [entry.kind for entry in entries(runtime.database)].count(Kind.BEGUN) == 1


def insert_forged(lived_in: LivedIn, transmission: Transmission) -> UUID:
    """Insert a copy of a waiting transmission under another ID, payload and all, for a period that has none."""
    forged = uuid4()
    engine = create_engine(lived_in.database_url)
    with engine.begin() as connection:
        for table, key in ((LOGS, "transmission_id"), ("evidence", "transmission_id")):
            columns = [column["name"] for column in inspect(connection).get_columns(table)]
            names = [name for name in columns if name != "sequence"]
            chosen = {key: ":forged", "request_key": "NULL", "period_id": "(SELECT max(id) FROM reporting_periods)"}
            values = ", ".join(chosen.get(name, f'"{name}"') for name in names)
            quoted = ", ".join(f'"{name}"' for name in names)
            statement = text(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table} WHERE {key} = :id")  # noqa: S608 - our own
            typed = statement.bindparams(bindparam("id", type_=Id16()), bindparam("forged", type_=Id16()))
            connection.execute(typed, {"id": transmission.transmission_id, "forged": forged})
    engine.dispose()
    return forged


FORGET_THE_BEGINNING = {
    "as it is": "SELECT 1",
    "its beginning deleted": "DELETE FROM telemetry_ledger WHERE kind = 'begun'",
    "its beginning hidden": "UPDATE telemetry_ledger SET kind = 'tick' WHERE kind = 'begun'",
    "all but the first line deleted": "DELETE FROM telemetry_ledger WHERE seq > 1",
    "all deleted but for the head": "DELETE FROM telemetry_ledger",
}


def sweep_twice(runtime: Runtime) -> None:
    """Let the sweep see what was done to the ledger, and its own entry about that: until then, nothing leaves."""
    for _ in range(2):
        sweep(runtime)


@pytest.mark.parametrize("ledger", FORGET_THE_BEGINNING)
def test_a_row_that_somebody_inserts_later_is_never_taken_over_and_never_sent(
    upgraded: Runtime, lived_in: LivedIn, server: LicenseServer, ledger: str
) -> None:
    forged = insert_forged(lived_in, one(upgraded, State.HELD))
    execute(lived_in.database_url, FORGET_THE_BEGINNING[ledger])
    start(upgraded)
    assert forged not in {entry.transmission_id for entry in entries(upgraded.database)}
    if read_now(upgraded, is_restored):  # The file beside the database still has the head of what was deleted.
        answer_restored(upgraded, OpenPeriod.UNSENT, ADMIN)
        sweep_twice(upgraded)
        with pytest.raises(PayloadChangedError):
            release(upgraded, forged, ADMIN, "It waits since the restore.")
    else:
        sweep_twice(upgraded)
        refused = retry(upgraded, forged, ADMIN).transmission
        assert (refused.state, refused.cause) == (State.HELD, Cause.PAYLOAD_CHANGED)
    assert forged not in {entry.transmission_id for entry in server.journal()}


def test_a_row_that_somebody_inserts_later_is_shown_as_not_in_the_ledger(upgraded: Runtime, lived_in: LivedIn) -> None:
    forged = insert_forged(lived_in, one(upgraded, State.HELD))
    proof = read_now(upgraded, prove, read_now(upgraded, read_transmission, forged))
    assert Finding(Flaw.NOT_IN_LEDGER) in proof.findings
    assert not proof.taken_over


def test_a_payload_that_cannot_be_read_is_taken_over_shown_and_rejected_and_keeps_nothing_else(
    lived_in: LivedIn, clock: FrozenClock, server: LicenseServer
) -> None:
    waiting = next(sent for sent in lived_in.kept["transmissions"] if sent["state"] == "held")
    spoiled = UUID(waiting["transmission_id"])
    garbage = f"UPDATE {LOGS} SET payload = :payload WHERE transmission_id = :id"  # noqa: S608 - our own
    execute(lived_in.database_url, garbage, payload=b"no payload", id=spoiled)
    with unstarted(lived_in, clock, server) as runtime:
        start(runtime)
        server.store.add_key("another-key-0123456789", lived_in.environment["TELEMETRY_CUSTOMER_ID"])
        set_api_key(runtime, "another-key-0123456789", ADMIN)
        details = {it.transmission.transmission_id: it.transmission for it in retry_failed(runtime, ADMIN)}
        refused = details.pop(spoiled)
        assert (refused.state, refused.cause) == (State.REJECTED, Cause.PAYLOAD_INVALID)
        assert {it.state for it in details.values()} == {State.SUCCESS}
        assert read_now(runtime, read_transmission, spoiled).payload == b"no payload"


def test_what_may_have_arrived_is_stored_as_its_last_attempt_named_the_customer(
    lived_in: LivedIn, clock: FrozenClock, server: LicenseServer
) -> None:
    """Version 0.1.0 chose the name at each attempt; from now on the stored bytes never change."""
    named = pseudonym("a-key-of-last-year-01", lived_in.environment["TELEMETRY_CUSTOMER_ID"])
    server.store.add_key("a-key-of-last-year-01", lived_in.environment["TELEMETRY_CUSTOMER_ID"])
    execute(lived_in.database_url, f"UPDATE {ATTEMPTS} SET customer_id = :named", named=named)  # noqa: S608 - our own
    with unstarted(lived_in, clock, server) as runtime:
        start(runtime)
        lost, refused = one(runtime, State.RETRYING), one(runtime, State.HELD)
        assert stored(runtime, lost)["customer_id"] == named
        assert stored(runtime, refused)["customer_id"] != named
        retry(runtime, lost.transmission_id, ADMIN)
        assert [json.loads(entry.payload)["customer_id"] for entry in server.journal()] == [named]


def store_in_clear(lived_in: LivedIn, runtime: Runtime, customer: str) -> None:
    """Store all payloads as without anonymization."""
    with runtime.database.write() as tx:
        for transmission in history(runtime):
            content = json.loads(tx.evidence.get(transmission.transmission_id, transmission.prepared_sha256) or b"")
            clear = json.dumps({**content, "customer_id": customer}, separators=(",", ":")).encode()
            tx.transmissions.prepare_again(
                transmission.transmission_id, tx.evidence.keep(transmission.transmission_id, clear)
            )
    execute(lived_in.database_url, WITHOUT_OTHER_BYTES)
    execute(lived_in.database_url, f"UPDATE {ATTEMPTS} SET customer_id = :clear", clear=customer)  # noqa: S608 - our own


def test_what_was_refused_before_leaves_under_its_pseudonym_whatever_someone_makes_of_its_attempts(
    lived_in: LivedIn, clock: FrozenClock, server: LicenseServer
) -> None:
    customer = lived_in.environment["TELEMETRY_CUSTOMER_ID"]
    with unstarted(lived_in, clock, server) as runtime:
        store_in_clear(lived_in, runtime, customer)
        execute(lived_in.database_url, "UPDATE telemetry_configuration SET anonymize_pii = false")
        start(runtime)
        refused = one(runtime, State.HELD)
        assert stored(runtime, refused)["customer_id"] == customer
        execute(lived_in.database_url, f"UPDATE {ATTEMPTS} SET cause = 'server_error', response_code = 500")  # noqa: S608 - our own
        save_configuration(runtime, ConfigurationPatch(anonymize_pii=True), any_version, ADMIN)
        assert stored(runtime, refused)["customer_id"] == pseudonym(lived_in.kept["api_key"], customer)


def test_what_waited_in_clear_leaves_under_its_pseudonym_where_anonymization_is_on(
    lived_in: LivedIn, clock: FrozenClock, server: LicenseServer
) -> None:
    customer = lived_in.environment["TELEMETRY_CUSTOMER_ID"]
    with unstarted(lived_in, clock, server) as runtime:
        store_in_clear(lived_in, runtime, customer)
        start(runtime)
        lost, refused = one(runtime, State.RETRYING), one(runtime, State.HELD)
        assert stored(runtime, lost)["customer_id"] == customer
        assert stored(runtime, refused)["customer_id"] == pseudonym(lived_in.kept["api_key"], customer)
        again = [entry for entry in entries(runtime.database) if entry.kind is Kind.PREPARED]
        assert {entry.details["reason"] for entry in again} == {"taken_over"}


def test_what_this_version_tried_keeps_its_bytes_through_a_downgrade_and_an_upgrade(
    lived_in: LivedIn, clock: FrozenClock, server: LicenseServer
) -> None:
    with unstarted(lived_in, clock, server) as runtime:
        start(runtime)
        lost = one(runtime, State.HELD)
        server.trouble(Trouble(after=reset))
        retry(runtime, lost.transmission_id, ADMIN)
    migrations.downgrade(lived_in.database_url, BEFORE_THE_LEDGER)
    server.trouble()
    with unstarted(lived_in, clock, server) as runtime:
        start(runtime)
        if read_now(runtime, is_restored):  # A downgrade ends the ledger whose head is in the file beside the database.
            answer_restored(runtime, OpenPeriod.UNSENT, ADMIN)
        # The version before cannot open what was sealed for this installation, and the next one is another.
        set_api_key(runtime, lived_in.kept["api_key"], ADMIN)
        again = retry(runtime, lost.transmission_id, ADMIN)
        assert again.transmission.state is State.SUCCESS
        assert again.transmission.prepared_sha256 == lost.prepared_sha256
        (entry,) = server.journal()
        assert (entry.times_received, entry.conflicts) == (2, 0)


EMPTY_LEDGER = (
    "DELETE FROM telemetry_ledger",
    "DELETE FROM ledger_keys",
    f"UPDATE ledger_head SET seq = 0, sha256 = '{FIRST_PREV}', at = NULL, key_id = NULL",  # noqa: S608 - our own
)
WITHOUT_A_TRACE = (
    *EMPTY_LEDGER,
    *(f"DELETE FROM {table}" for table in ("announced_schemas", "ledger_verification", "ledger_salted_values")),  # noqa: S608 - our own
    *(f"UPDATE {table} SET stamp = NULL" for table in ("telemetry_configuration", "installation", "license_posture")),  # noqa: S608 - our own
    WITHOUT_OTHER_BYTES,
    f"UPDATE {LOGS} SET customer_sealed = NULL, withdrawn_at = NULL",  # noqa: S608 - our own
    f"UPDATE {ATTEMPTS} SET customer_id = 'anon_x'",  # noqa: S608 - our own
)
"""All that shows that there was a ledger, for one who knows this service well."""
TRACES = {
    "a stamp": "UPDATE telemetry_configuration SET stamp = :bytes",
    "an announced schema": f"INSERT INTO announced_schemas (schema_sha256, announced_at) SELECT 'x', '{LATER}'",
    "a verdict": "INSERT INTO ledger_verification (id, sealed) VALUES (1, :bytes)",
    "a salted value": (
        "INSERT INTO ledger_salted_values (sha256, salted, at) VALUES ('x', :bytes, '2026-01-02 03:04:05')"
    ),
    "a withdrawal": f"UPDATE {LOGS} SET withdrawn_at = created_at",  # noqa: S608 - our own
    "the bytes of an attempt": (
        f"INSERT INTO evidence (transmission_id, sha256, content) SELECT transmission_id, 'x', :bytes FROM {LOGS}"  # noqa: S608 - our own
    ),
}
LEFT_BY_A_DOWNGRADE = {
    "a sealed customer": f"UPDATE {LOGS} SET customer_sealed = :bytes",  # noqa: S608 - our own
    "an attempt without a name": f"UPDATE {ATTEMPTS} SET customer_id = ''",  # noqa: S608 - our own
}


def started_again(upgraded: Runtime, lived_in: LivedIn, *statements: str) -> tuple[str, int]:
    """Start after a change of the database; return why the key signs, and how many transmissions were taken over."""
    for statement in statements:
        execute(lived_in.database_url, statement, **({"bytes": b"x"} if ":bytes" in statement else {}))
    if upgraded.head_file is not None:
        upgraded.head_file.unlink(missing_ok=True)
    upgraded.written_head.head = None
    start(upgraded)
    with upgraded.database.read() as tx:
        first = unverified(tx.ledger.lines(0, 1)[0].line)
    return str(first["reason"]), len(taken_over(upgraded, "transmission"))


def test_the_real_upgrade_is_a_first_start_and_an_emptied_ledger_is_not(upgraded: Runtime, lived_in: LivedIn) -> None:
    with upgraded.database.read() as tx:
        assert unverified(tx.ledger.lines(0, 1)[0].line)["reason"] == "first"
    assert started_again(upgraded, lived_in, *EMPTY_LEDGER) == ("lost", 0)
    verify_everything(upgraded)
    assert read_now(upgraded, read_health).health.code == "ledger_broken", "no entry names what was sent"
    for name, trace in TRACES.items():
        assert started_again(upgraded, lived_in, *WITHOUT_A_TRACE, trace) == ("lost", 0), name
    for name, trace in LEFT_BY_A_DOWNGRADE.items():
        assert started_again(upgraded, lived_in, *WITHOUT_A_TRACE, trace) == ("lost", 7), name
    verify_everything(upgraded)
    assert read_now(upgraded, read_health).verdict.situation.ledger.key_lost
    assert started_again(upgraded, lived_in, *WITHOUT_A_TRACE) == ("first", 7), "the imitation that the docs admit"
    pinned = replace(upgraded, deployment=replace(upgraded.deployment, ledger_fingerprint="0" * 64))
    verify_everything(pinned)
    assert read_now(pinned, read_health).verdict.situation.ledger.key_lost


def test_a_ledger_that_is_emptied_while_the_service_runs_has_lost_its_key(upgraded: Runtime, lived_in: LivedIn) -> None:
    for statement in EMPTY_LEDGER:
        execute(lived_in.database_url, statement)
    set_api_key(upgraded, "another-key-0123456789", ADMIN)
    verify_everything(upgraded)
    assert read_now(upgraded, read_health).verdict.situation.ledger.key_lost
