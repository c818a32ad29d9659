"""Whoever cuts off what was verified has everything held until a person answers, whatever they do about the hold."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from uuid import UUID

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import LedgerNotKeptError
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.release import withdraw
from telemetry_service.pipeline.actions.restored import (
    answer_restored,
    follow_head,
    hold_restored,
    notice_restored,
)
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.deliver import deliver
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import wake
from tests.pipeline.test_rows_put_back import WHY, prepared, verified, write
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.license_server import Trouble, reply
from tests.support.site import Site
from tests.support.tampering import HEAD, INSTALLATION, LEDGER, LOGS

SWALLOWED = "NEW.kind IN ('withdrawn', 'attempt')"
BEHIND = f"NEW.seq > (SELECT max(seq) FROM {LEDGER})"
TRIGGERS = {
    f"INSERT ON {LEDGER}": SWALLOWED,
    f"UPDATE ON {HEAD}": BEHIND,
}


def swallow(site: Site) -> None:
    """Add triggers that drop entries, and leave the head at the last one that is there."""
    lite = site.replica.database_url.startswith("sqlite")
    for number, (when, which) in enumerate(TRIGGERS.items()):
        if lite:
            write(site, f"CREATE TRIGGER t{number} BEFORE {when} WHEN {which} BEGIN SELECT RAISE(IGNORE); END")
        else:
            body = f"BEGIN IF {which} THEN RETURN NULL; END IF; RETURN NEW; END"
            write(
                site,
                f"CREATE FUNCTION f{number}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
                f"CREATE TRIGGER t{number} BEFORE {when} FOR EACH ROW EXECUTE FUNCTION f{number}()",
            )


def spit_out(site: Site) -> None:
    """Remove these triggers."""
    for number, when in enumerate(TRIGGERS):
        on = "" if site.replica.database_url.startswith("sqlite") else when[len("INSERT") :]
        write(site, f"DROP TRIGGER t{number}{on}")


def withdrawn_later(site: Site) -> UUID:
    """Return a payload that was withdrawn; someone has a copy of the head and of the installation from before."""
    withdrawn = prepared(site)
    write(site, *(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}" for table in (HEAD, INSTALLATION)))
    site.clock.advance(seconds=1)
    withdraw(site.runtime, withdrawn, ADMIN, WHY)
    return withdrawn


def withdrawn_and_verified(site: Site) -> UUID:
    withdrawn = withdrawn_later(site)
    verified(site)
    return withdrawn


def cut_off(site: Site) -> None:
    """Cut the ledger off before the withdrawal, take back what holds, and let the payload wait again."""
    write(
        site,
        f"DELETE FROM {LEDGER} WHERE seq > (SELECT seq FROM kept_{HEAD})",
        f"DELETE FROM {HEAD}",
        f"INSERT INTO {HEAD} SELECT * FROM kept_{HEAD}",
        f"UPDATE {INSTALLATION} SET restored_at = NULL, stamp = (SELECT stamp FROM kept_{INSTALLATION})",
        f"UPDATE {LOGS} SET state = 'pending', withdrawn_at = NULL, cause = NULL, next_attempt_at = created_at",
    )


def asks(runtime: Runtime) -> bool:
    return read_now(runtime, lambda snapshot: snapshot.setup.restored)


def state(runtime: Runtime, transmission_id: UUID) -> tuple[State, Cause | None]:
    with open_snapshot(runtime) as snapshot:
        found = read_transmission(snapshot, transmission_id).transmission
    return found.state, found.cause


@ON_BOTH
def test_a_withdrawn_payload_is_not_sent_even_if_each_hold_is_taken_back(site: Site) -> None:
    withdrawn = withdrawn_and_verified(site)
    for noticed_first in (False, True, False):
        site.clock.advance(minutes=1)
        cut_off(site)
        if noticed_first:
            follow_head(site.runtime)
            cut_off(site)
        sweep(site.runtime)
        cut_off(site)
        wake(site.runtime)
        assert site.server.journal() == ()
        assert asks(site.runtime)
    assert answer_restored(site.runtime, OpenPeriod.UNSENT, ADMIN) == 1, "although no row says that it is held"
    for _ in range(2):
        site.clock.advance(minutes=1)
        follow_head(site.runtime)
        sweep(site.runtime)
        wake(site.runtime)
        assert not asks(site.runtime), "it asks once"
    assert state(site.runtime, withdrawn) == (State.AWAITING_RELEASE, Cause.FROM_BACKUP)
    assert site.server.journal() == ()
    site.tick()
    assert [it.transmission_id == withdrawn for it in site.server.journal()] == [False], "what comes next leaves"


@ON_BOTH
def test_another_process_holds_and_knows_the_answer_as_well(site: Site) -> None:
    withdrawn_and_verified(site)
    other = site.open()
    cut_off(site)
    site.clock.advance(minutes=1)
    sweep(site.runtime)
    started = site.open()
    for runtime in (other, started):
        assert asks(runtime)
        wake(runtime)
        assert notice_restored(runtime)
    answer_restored(started, OpenPeriod.UNSENT, ADMIN)
    for runtime in (other, site.runtime, site.open()):
        sweep(runtime)
        assert not asks(runtime)
        assert not notice_restored(runtime)
    assert site.server.journal() == ()


@ON_BOTH
def test_an_act_whose_entry_a_trigger_drops_did_not_happen(site: Site) -> None:
    waiting = prepared(site)
    swallow(site)
    for act in (lambda: withdraw(site.runtime, waiting, ADMIN, WHY), lambda: deliver(site.runtime, waiting)):
        with pytest.raises(LedgerNotKeptError):
            act()
        assert state(site.runtime, waiting) == (State.PENDING, None)
    assert site.server.journal() == ()
    spit_out(site)
    withdraw(site.runtime, waiting, ADMIN, WHY)
    assert state(site.runtime, waiting) == (State.WITHDRAWN, None)


@ON_BOTH
def test_a_process_misses_what_it_has_just_written_and_no_verification_has_seen(site: Site) -> None:
    follow_head(site.runtime)
    withdrawn = withdrawn_later(site)
    cut_off(site)
    site.configure(retention_days=90)
    follow_head(site.runtime)
    assert asks(site.runtime)
    wake(site.runtime)
    answer_restored(site.runtime, OpenPeriod.UNSENT, ADMIN)
    wake(site.runtime)
    assert state(site.runtime, withdrawn) == (State.AWAITING_RELEASE, Cause.FROM_BACKUP)
    assert site.server.journal() == ()
    follow_head(site.runtime)
    assert not asks(site.runtime), "it asks once"


def test_a_payload_waits_for_its_release_if_an_entry_about_it_is_hidden(site: Site) -> None:
    """An attempt whose outcome is hidden seems to have arrived perhaps; such a payload is sent again under its ID."""
    waiting = prepared(site)
    site.server.trouble(Trouble(before=reply(422)))
    wake(site.runtime)
    site.server.trouble()
    assert state(site.runtime, waiting) == (State.REJECTED, Cause.PAYLOAD_REFUSED)
    hold_restored(site.runtime, ADMIN, "command", site.clock.now())
    write(site, f"UPDATE {LEDGER} SET transmission_id = NULL WHERE kind = 'answered'")
    assert answer_restored(site.runtime, OpenPeriod.UNSENT, ADMIN) == 1
    assert state(site.runtime, waiting) == (State.AWAITING_RELEASE, Cause.FROM_BACKUP)
