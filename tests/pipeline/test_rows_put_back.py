"""Whoever writes over what a transmission has become is found, and neither sends it again nor what was erased."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.errors import AlreadyDeliveredError, ReceiptNotMissingError
from telemetry_service.domain.ledger import Kind, digest_of
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.transmissions import State
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.actions.accept_without_receipt import accept_without_receipt
from telemetry_service.pipeline.actions.erase import erase_everything
from telemetry_service.pipeline.actions.release import withdraw
from telemetry_service.pipeline.actions.restored import answer_restored, follow_head, notice_restored
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.sweep import Sweeper, sweep, verify_everything
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.pipeline.transmission_check import Flaw
from telemetry_service.sealing.ledger_key import LedgerKey
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.license_server import Trouble, reply
from tests.support.site import Site, usage
from tests.support.tampering import EVIDENCE, HEAD, LEDGER, LOGS, VERDICT, changed, run

WHY = "Reviewed by the works council"
PERIODS = "reporting_periods"
LATER = "next_attempt_at = '2027-01-01 00:00:00.000000'"
OTHER_STATES = (
    "state = 'retrying', cause = 'connection_refused', response_code = NULL",
    "state = 'held', cause = 'forbidden', response_code = 403",
    "state = 'pending', cause = NULL, response_code = NULL",
    "state = 'exported', cause = NULL, response_code = NULL",
    "response_code = 503",
    "cause = 'connection_refused'",
)


def write(site: Site, *statements: str, **values: object) -> None:
    """Change the database as somebody without any key may."""
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        run(*statements, **values)(connection)
    engine.dispose()


def prepared(site: Site) -> UUID:
    """Return a payload that waits for its first attempt."""
    site.report(usage())
    site.tick_only()
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT transmission_id FROM {LOGS}")).scalar_one()
    engine.dispose()
    return found if isinstance(found, UUID) else UUID(bytes=bytes(found))


def flaws(site: Site, transmission_id: UUID) -> set[Flaw]:
    """Return what its details say."""
    with open_snapshot(site.runtime) as snapshot:
        return {it.flaw for it in prove(snapshot, read_transmission(snapshot, transmission_id)).findings}


def verified(site: Site) -> Verification:
    found = verify_everything(site.runtime)
    assert found is not None
    return found


def codes(site: Site) -> set[str]:
    """Return what a verification of everything finds."""
    return {problem.code for problem in verified(site).problems}


def erased_and_put_back(site: Site) -> UUID:
    """Return a payload that was erased, and whose rows somebody has put back."""
    waiting = prepared(site)
    tables = (PERIODS, LOGS, EVIDENCE)
    write(site, *(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}" for table in tables))
    erase_everything(site.runtime, ADMIN)
    write(
        site,
        f"INSERT INTO {PERIODS} SELECT * FROM kept_{PERIODS} WHERE id NOT IN (SELECT id FROM {PERIODS})",
        *(f"INSERT INTO {table} SELECT * FROM kept_{table}" for table in (LOGS, EVIDENCE)),
    )
    return waiting


def end_with(site: Site, of: str, *, after: int) -> None:
    """Let the ledger end with an entry about an erasure that nobody signed, behind the one at ``after``."""
    with site.runtime.database.read() as tx:
        before = tx.ledger.line(after)
        assert before is not None
    said = {"seq": after + 1, "prev": digest_of(before.line), "at": rfc3339(before.at), "kind": "erased", "of": of}
    forged = LedgerKey.generate().sign({**said, "actor": {"type": "service"}, "source": None})
    write(
        site,
        f"DELETE FROM {LEDGER} WHERE seq > {after}",
        f"INSERT INTO {LEDGER} (seq, line, kind, at, actor) SELECT seq + 1, :forged, 'erased', at, actor FROM {LEDGER}"
        f" WHERE seq = {after}",
        f"UPDATE {HEAD} SET seq = {after + 1}, sha256 = :sha256",
        forged=forged,
        sha256=digest_of(forged),
    )


@ON_BOTH
def test_an_erasure_counts_only_if_its_entry_was_signed(site: Site) -> None:
    waiting = erased_and_put_back(site)
    with site.runtime.database.read() as tx:
        last = tx.ledger.of_kind(Kind.ERASED)
        assert last is not None
    with changed(site.replica.database_url, run()):
        end_with(site, "persons", after=last.seq - 1)
        assert flaws(site, waiting) == {Flaw.ENTRIES_MISSING}, "in its place is one that nobody signed"
        wake(site.runtime)
        assert site.server.journal() == ()
    with changed(site.replica.database_url, run(f"DELETE FROM {LEDGER} WHERE seq >= {last.seq}")):
        end_with(site, "all", after=last.seq - 1)
        assert flaws(site, waiting) == {Flaw.ENTRIES_MISSING}, "nobody has erased it"
        wake(site.runtime)
        assert site.server.journal() == ()


@ON_BOTH
def test_what_was_erased_is_not_sent_if_someone_puts_it_back(site: Site) -> None:
    waiting = erased_and_put_back(site)
    assert flaws(site, waiting) == {Flaw.ERASED}
    assert codes(site) == {"erased"}
    wake(site.runtime)
    assert site.server.journal() == ()
    withdraw(site.runtime, waiting, ADMIN, WHY)
    assert codes(site) == set(), "what no one can send any longer can be withdrawn"


@ON_BOTH
def test_an_accepted_payload_is_not_sent_again_whatever_its_row_says(site: Site) -> None:
    accepted = prepared(site)
    wake(site.runtime)
    assert flaws(site, accepted) == set()
    for state in ("pending", "held"):
        again = f"UPDATE {LOGS} SET state = '{state}', accepted_at = NULL, receipt = NULL, next_attempt_at = created_at"
        with changed(site.replica.database_url, run(again)):
            assert Flaw.STATE_CHANGED in flaws(site, accepted)
            wake(site.runtime)
            assert len(site.server.journal()) == 1
            assert codes(site) == {"state_changed"}, "and no entry says that it was sent again"
            with pytest.raises(AlreadyDeliveredError):
                withdraw(site.runtime, accepted, ADMIN, WHY)
    without = f"UPDATE {LOGS} SET state = 'held', cause = 'receipt_missing', accepted_at = NULL"
    with changed(site.replica.database_url, run(without)), pytest.raises(ReceiptNotMissingError):
        accept_without_receipt(site.runtime, accepted, ADMIN, WHY)
    assert codes(site) == set()


def test_another_outcome_than_the_signed_one_is_not_verified(site: Site) -> None:
    refused = prepared(site)
    waits = f"UPDATE {LOGS} SET state = 'retrying', cause = 'connection_refused'"
    with changed(site.replica.database_url, run(waits)):
        assert flaws(site, refused) == {Flaw.STATE_CHANGED}, "it was never tried"
    site.server.trouble(Trouble(before=reply(422)))
    wake(site.runtime)
    assert flaws(site, refused) == set()
    for change in OTHER_STATES:
        with changed(site.replica.database_url, run(f"UPDATE {LOGS} SET {change}")):
            assert flaws(site, refused) == {Flaw.STATE_CHANGED}, change
            assert codes(site) == {"state_changed"}, change
    assert codes(site) == set()


@ON_BOTH
def test_a_withdrawn_payload_is_not_sent_after_a_restart_if_its_entry_was_cut_off(site: Site) -> None:
    withdrawn = prepared(site)
    write(site, f"CREATE TABLE kept_head AS SELECT * FROM {HEAD}")
    site.clock.advance(seconds=1)
    withdraw(site.runtime, withdrawn, ADMIN, WHY)
    verified(site)
    write(
        site,
        f"DELETE FROM {LEDGER} WHERE kind = 'withdrawn'",
        f"DELETE FROM {HEAD}",
        f"INSERT INTO {HEAD} SELECT * FROM kept_head",
        f"UPDATE {LOGS} SET state = 'pending', withdrawn_at = NULL, next_attempt_at = created_at",
    )
    if site.runtime.head_file is not None:
        site.runtime.head_file.unlink(missing_ok=True)
    started = site.open()
    for _ in range(2):
        site.clock.advance(minutes=1)
        follow_head(started)
        assert read_now(started, read_health).health.code in {"restored", "ledger_broken"}
        wake(started)
        sweep(started)
    answer_restored(started, OpenPeriod.UNSENT, ADMIN)
    follow_head(started)
    wake(started)
    assert site.server.journal() == ()
    with open_snapshot(started) as snapshot:
        assert read_transmission(snapshot, withdrawn).transmission.state is State.AWAITING_RELEASE


def test_what_was_answered_is_not_asked_again_before_the_next_verification(site: Site) -> None:
    verified(site)
    site.clock.advance(seconds=1)
    write(site, f"UPDATE {LEDGER} SET line = 'x.y.z' WHERE seq = (SELECT max(seq) FROM {LEDGER})")
    started = site.open()
    follow_head(started)
    answer_restored(started, OpenPeriod.UNSENT, ADMIN)
    assert not notice_restored(started)


@ON_BOTH
def test_a_name_that_someone_has_changed_is_not_shown(site: Site) -> None:
    site.configure(encrypt_payload=False)
    assert ADMIN.label in {it.actor for it in read_now(site.runtime, list_activity)}
    write(site, "UPDATE ledger_salted_values SET salted = :salted", salted=bytes(32) + b"Mallory")
    shown = {it.actor for it in read_now(site.runtime, list_activity)}
    assert "(changed)" in shown
    assert not {"Mallory", ADMIN.label} & shown


def test_nobody_who_writes_that_another_replica_verifies_keeps_all_from_it(site: Site) -> None:
    site.report(usage())
    site.tick()
    verified(site)
    for hours, gone in ((24, True), (1, True), (24, False), (1, False)):
        site.clock.advance(days=1)
        if gone:
            write(site, f"DELETE FROM {VERDICT}")
        _someone_verifies(site, hours)
        assert sweep(site.runtime) is not None or (hours, gone) == (1, False), "a lease of the usual length is believed"
    site.clock.advance(hours=1)
    _someone_verifies(site, 1)
    assert sweep(site.runtime) is not None, "but not after the time that it was given"


def _someone_verifies(site: Site, hours: int) -> None:
    now = site.clock.now()
    with site.runtime.database.write() as tx:
        assert tx.schedule.begin_verification(now, now + timedelta(hours=hours))


def test_a_verdict_that_is_too_old_is_a_warning(site: Site) -> None:
    site.report(usage())
    site.tick()
    verified(site)
    site.clock.advance(hours=25)
    assert read_now(site.runtime, read_health).health.code != "ledger_unverified"
    site.clock.advance(hours=2)
    said = read_now(site.runtime, read_health).health
    assert (said.status, said.code) == (HealthStatus.WARNING, "ledger_unverified")
    sweep(site.runtime)
    assert read_now(site.runtime, read_health).health.code != "ledger_unverified"


class _NoClock:
    """Reading it is an error that does not pass."""

    def now(self) -> datetime:
        raise ArithmeticError


def test_a_verification_that_fails_is_a_warning_at_once(site: Site) -> None:
    site.report(usage())
    site.tick()
    verified(site)
    with pytest.raises(ArithmeticError):
        Sweeper(replace(site.runtime, clock=_NoClock())).run()
    assert read_now(site.runtime, read_health).health.code == "ledger_unverified"
    Sweeper(site.runtime).run()
    assert read_now(site.runtime, read_health).health.code != "ledger_unverified"


@ON_BOTH
def test_whatever_number_a_row_has_the_sweep_finds_what_was_changed_in_it(site: Site) -> None:
    prepared(site)
    wake(site.runtime)
    for sequence, found in ((0, {"row_changed"}), (-(2**63), {"row_unreadable"}), (2**63 - 1, {"row_unreadable"})):
        with changed(site.replica.database_url, run(f"UPDATE {LOGS} SET sequence = {sequence}, records_sent = 7")):
            assert codes(site) == found, sequence
    assert codes(site) == set()


@ON_BOTH
def test_a_line_or_a_head_with_a_number_that_is_too_large_stops_neither_acts_nor_verifications(site: Site) -> None:
    verified(site)
    copied = f"INSERT INTO {LEDGER} (seq, line, kind, at, actor) SELECT {{}}, line, kind, at, actor FROM {LEDGER}"
    copied += " WHERE seq = 1"
    for number in (2**53, 2**53 - 1, 2**52):
        for statement in (copied.format(number), f"UPDATE {HEAD} SET seq = {number}"):
            write(site, statement)
            assert codes(site) & {"malformed", "order", "head_changed"}, statement
            site.configure(retention_days=90)
            assert sweep(site.runtime) is not None
            site.configure(retention_days=30)
            write(site, f"DELETE FROM {LEDGER} WHERE seq >= {2**52}")
    with site.runtime.database.read() as tx:
        assert tx.ledger.head().seq < 2**52
