"""What is erased is gone from the database and from its file, and the ledger's lines stay."""

from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry_service.domain.errors import AttemptUnderWayError, ErasureNotKeptError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import FAILED_STATES, AttemptTrigger
from telemetry_service.pipeline.actions.erase import Erased, erase_everything, erase_persons, reset_instance_id
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.activity import Activity
from telemetry_service.pipeline.stages.claim import claim
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.ledger import StoredLine, each_line
from tests.pipeline.test_rows_put_back import write
from tests.support.actors import ADMIN, CLI
from tests.support.databases import ON_BOTH
from tests.support.dump import dump
from tests.support.ledger import entries
from tests.support.license_server import Trouble, reply
from tests.support.site import Site, record_call, usage

CODE, BOUNCER = "EXT-CANARY-7", "bouncer-canary"
ERASED_TABLES = {
    "evidence",
    "extension_codes",
    "telemetry_transmission_attempts",
    "telemetry_transmission_logs",
    "telemetry_ticks",
    "usage_bouncers",
    "usage_counters",
    "usage_report_ids",
}


@pytest.fixture
def lived_in(site: Site) -> Site:
    """A site with one transmission that was accepted, one that was refused, and counts since."""
    site.redeem(CODE)
    record_call(site.runtime, usage(bouncer=BOUNCER))
    send_now(site.runtime, ADMIN, None)
    site.server.trouble(Trouble(before=reply(422)))
    record_call(site.runtime, usage(bouncer=BOUNCER))
    send_now(site.runtime, ADMIN, None)
    site.server.trouble()
    record_call(site.runtime, usage(bouncer=BOUNCER))
    return site


def lines(site: Site) -> list[StoredLine]:
    with site.runtime.database.read() as tx:
        return list(each_line(tx.ledger))


def last(site: Site) -> Activity:
    return entries(site.runtime.database)[-1]


@ON_BOTH
def test_an_erasure_that_a_trigger_prevents_is_not_said_to_be_done(lived_in: Site) -> None:
    for table in ("ledger_salted_values", "extension_codes", "evidence", "telemetry_transmission_logs"):
        allow = keep_from_being_deleted(lived_in, table)
        with pytest.raises(ErasureNotKeptError):
            erase_everything(lived_in.runtime, ADMIN)
        allow()
    erase_everything(lived_in.runtime, ADMIN)
    assert last(lived_in).kind is Kind.ERASED


def keep_from_being_deleted(site: Site, table: str) -> Callable[[], None]:
    """Let a trigger keep all rows of a table, until the returned function is called."""
    if site.replica.database_url.startswith("sqlite"):
        write(site, f"CREATE TRIGGER keeps BEFORE DELETE ON {table} BEGIN SELECT RAISE(IGNORE); END")
        return lambda: write(site, "DROP TRIGGER keeps")
    write(
        site,
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        f"CREATE TRIGGER keeps BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    return lambda: write(site, f"DROP TRIGGER keeps ON {table}", "DROP FUNCTION keep()")


@ON_BOTH
def test_everything_is_erased_in_one_entry_and_no_line_of_the_ledger_is(lived_in: Site) -> None:
    before = lines(lived_in)
    erased = erase_everything(lived_in.runtime, CLI)
    assert erased == Erased(transmissions=2, waiting=1, extension_codes=1, salted_values=erased.salted_values)
    assert erased.salted_values > 0
    rows = dump(lived_in.replica.database_url)
    assert {name for name in ERASED_TABLES if rows[name]} == set()
    assert sum(rows["reporting_periods"].values()) == 1
    assert lines(lived_in)[: len(before)] == before
    assert [line.kind for line in lines(lived_in)[len(before) :]] == [Kind.ERASED]
    assert last(lived_in).actor == "cli (operator)"
    assert {entry.actor for entry in entries(lived_in.runtime.database)} >= {"(erased)"}


def content(site: Site) -> bytes:
    site.close()  # So that all of it is in the one file.
    return Path(site.replica.database_url.removeprefix("sqlite:///")).read_bytes()


@ON_BOTH
def test_nothing_of_it_is_left_in_the_file(lived_in: Site) -> None:
    if not lived_in.replica.database_url.startswith("sqlite"):
        return
    canaries = (CODE.encode(), BOUNCER.encode())
    assert all(canary in content(lived_in) for canary in canaries)
    erase_everything(lived_in.runtime, CLI)
    assert not any(canary in content(lived_in) for canary in canaries)


@ON_BOTH
def test_what_waited_is_never_sent_and_what_comes_next_is_counted_anew(lived_in: Site) -> None:
    accepted = len(lived_in.server.journal())
    erase_everything(lived_in.runtime, CLI)
    lived_in.clock.advance(days=1)
    assert deliver_due(lived_in.runtime) == 0
    record_call(lived_in.runtime, usage(events=3))
    sent = send_now(lived_in.runtime, ADMIN, None).transmission
    journal = lived_in.server.journal()
    assert len(journal) == accepted + 1
    assert sent.records_sent == 3
    assert CODE.encode() not in journal[-1].payload


@ON_BOTH
def test_nothing_is_erased_while_something_is_being_sent(lived_in: Site) -> None:
    with lived_in.runtime.database.read() as tx:
        (waiting,) = tx.transmissions.waiting(FAILED_STATES)
    assert claim(lived_in.runtime, waiting, AttemptTrigger.RETRY)
    before = dump(lived_in.replica.database_url)
    with pytest.raises(AttemptUnderWayError):
        erase_everything(lived_in.runtime, CLI)
    assert dump(lived_in.replica.database_url) == before
    lived_in.clock.advance(hours=1)
    assert erase_everything(lived_in.runtime, CLI).waiting == 1


@ON_BOTH
def test_persons_are_erased_alone(lived_in: Site) -> None:
    sent = dump(lived_in.replica.database_url)["telemetry_transmission_logs"]
    assert erase_persons(lived_in.runtime, CLI) > 0
    named = [entry.actor for entry in entries(lived_in.runtime.database)]
    assert "admin" not in named
    assert named[-1] == "cli (operator)"
    assert CODE not in repr(entries(lived_in.runtime.database))
    assert dump(lived_in.replica.database_url)["telemetry_transmission_logs"] == sent


@ON_BOTH
def test_a_new_instance_id_is_in_the_next_payload_and_nowhere_in_the_ledger(lived_in: Site) -> None:
    old = lived_in.server.payloads()[-1].instance_id
    new = reset_instance_id(lived_in.runtime, CLI)
    assert (last(lived_in).kind, last(lived_in).details) == (Kind.INSTANCE_ID_RESET, {})
    send_now(lived_in.runtime, ADMIN, None)
    assert str(lived_in.server.payloads()[-1].instance_id) == str(new) != str(old)
    wake(lived_in.runtime)
