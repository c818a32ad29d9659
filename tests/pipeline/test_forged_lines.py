"""A line that nobody signed vouches for nothing, even with an honest one behind it; what comes after it is sent."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from uuid import UUID

from sqlalchemy import create_engine, text

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.ledger import digest_of
from telemetry_service.domain.transmissions import State, Transmission
from telemetry_service.pipeline.actions.release import withdraw
from telemetry_service.pipeline.actions.restored import follow_head
from telemetry_service.pipeline.actions.rotate_ledger_key import rotate_ledger_key
from telemetry_service.pipeline.claims import _is_ours
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.sweep import Sweeper
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.pipeline.transmission_check import Flaw
from telemetry_service.sealing.ledger_key import LedgerKey
from tests.pipeline.test_rows_put_back import WHY, codes, flaws, prepared, verified, write
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.site import Site, usage
from tests.support.tampering import HEAD, KEYS, LEDGER, LOGS

PUT_BACK = f"UPDATE {LOGS} SET state = 'pending', withdrawn_at = NULL, cause = NULL, next_attempt_at = created_at"


def forge_the_end(site: Site) -> None:
    """Put a line that nobody signed in place of the last one, as if it were about something else.

    The process that wrote that one would miss it, so it has crashed since.
    """
    with site.runtime.database.read() as tx:
        head = tx.ledger.head()
        before, last = tx.ledger.line(head.seq - 1), tx.ledger.line(head.seq)
        assert before is not None
        assert last is not None
    said = {"seq": head.seq, "prev": digest_of(before.line), "at": rfc3339(last.at), "kind": "tick", "result": "sent"}
    forged = LedgerKey.generate().sign({**said, "actor": {"type": "service"}, "source": None})
    write(
        site,
        f"UPDATE {LEDGER} SET line = :forged, kind = 'tick', transmission_id = NULL WHERE seq = {head.seq}",
        f"UPDATE {HEAD} SET sha256 = :sha256",
        forged=forged,
        sha256=digest_of(forged),
    )
    site.runtime = site.open()


def go_on(site: Site) -> None:
    """Let the jobs of a process run a few times."""
    sweeper = Sweeper(site.runtime)
    for _ in range(3):
        site.clock.advance(minutes=1)
        follow_head(site.runtime)
        sweeper.run()
        wake(site.runtime)


def read(site: Site, transmission_id: UUID) -> Transmission:
    return read_now(site.runtime, read_transmission, transmission_id).transmission


@ON_BOTH
def test_an_honest_line_behind_a_forged_one_does_not_vouch_for_it(site: Site) -> None:
    withdrawn = prepared(site)
    verified(site)
    withdraw(site.runtime, withdrawn, ADMIN, WHY)
    forge_the_end(site)  # Before any verification has seen the withdrawal.
    write(site, PUT_BACK)
    site.configure(retention_days=90)
    assert flaws(site, withdrawn) == {Flaw.ENTRIES_MISSING}, "before the next verification"
    go_on(site)
    assert site.server.journal() == ()
    assert Flaw.ENTRIES_MISSING in flaws(site, withdrawn), "and behind it"
    assert read(site, withdrawn).cause is Cause.PAYLOAD_CHANGED


@ON_BOTH
def test_what_is_prepared_behind_a_forged_line_is_sent(site: Site) -> None:
    prepared(site)
    forge_the_end(site)
    go_on(site)
    site.report(usage())
    site.tick()
    assert [it.state for it in transmissions(site)] == [State.HELD, State.SUCCESS]
    assert not flaws(site, transmissions(site)[1].transmission_id)


@ON_BOTH
def test_after_a_key_was_lost_the_next_payloads_are_sent_and_those_that_waited_can_be_withdrawn(site: Site) -> None:
    waiting = prepared(site)
    write(site, f"UPDATE {KEYS} SET sealed = :garbage", garbage=b"garbage")
    site.runtime = site.open()
    site.configure(retention_days=90)
    go_on(site)
    site.report(usage())
    site.tick()
    assert [it.state for it in transmissions(site)] == [State.HELD, State.SUCCESS]
    assert not flaws(site, transmissions(site)[1].transmission_id)
    assert read(site, waiting).cause is Cause.PAYLOAD_CHANGED
    withdraw(site.runtime, waiting, ADMIN, WHY)
    assert read(site, waiting).state is State.WITHDRAWN


def transmissions(site: Site) -> list[Transmission]:
    """Return all of them, oldest first."""
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT transmission_id FROM {LOGS} ORDER BY sequence")).scalars().all()
    engine.dispose()
    return [read(site, it if isinstance(it, UUID) else UUID(bytes=bytes(it))) for it in found]


def test_a_verdict_without_a_problem_vouches_for_what_it_has_seen(site: Site) -> None:
    """Else each attempt would verify the signature of every line since the payload was prepared."""
    waiting = prepared(site)
    for number in range(10):
        site.configure(encrypt_payload=bool(number % 2))
    verified(site)
    _is_ours.cache_clear()
    assert not flaws(site, waiting)
    assert _is_ours.cache_info().misses == 0
    site.configure(retention_days=90)
    assert not flaws(site, waiting)
    assert _is_ours.cache_info().misses == 1
    rotate_ledger_key(site.runtime, ADMIN)
    verified(site)
    assert not flaws(site, waiting), "the key before signed it"
    assert _is_ours.cache_info().misses == 1


@ON_BOTH
def test_no_text_in_the_place_of_an_entry_stops_anything(site: Site) -> None:
    site.configure(retention_days=90)
    write(site, f"UPDATE {LEDGER} SET line = :text WHERE kind = 'settings'", text="\\")
    assert read_now(site.runtime, read_health).health.code == "connection_untested", "the next verification finds it"
    site.report(usage())
    site.tick()
    assert "malformed" in codes(site)
