"""Whoever cuts off what was verified has everything held until a person answers, whatever they do about the hold."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from uuid import UUID

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.release import withdraw
from telemetry_service.pipeline.actions.restored import answer_restored, follow_head, notice_restored
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import wake
from tests.pipeline.test_rows_put_back import WHY, prepared, verified, write
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.site import Site
from tests.support.tampering import HEAD, INSTALLATION, LEDGER, LOGS


def withdrawn_and_verified(site: Site) -> UUID:
    """Return a payload that was withdrawn; someone has a copy of the head and of the installation from before."""
    withdrawn = prepared(site)
    write(site, *(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}" for table in (HEAD, INSTALLATION)))
    site.clock.advance(seconds=1)
    withdraw(site.runtime, withdrawn, ADMIN, WHY)
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
