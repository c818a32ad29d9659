"""Everything is sealed again under the newest key, whatever interrupts it; then the old key is needed for nothing."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import create_engine, select, update

from telemetry_service.domain.errors import ReplicaLacksKeyError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.sealed_kind import SealedKind
from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.pipeline.actions.configure import reveal_api_key, set_api_key
from telemetry_service.pipeline.actions.rotate_keys import rotate_keys
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.api_key import PURPOSE
from telemetry_service.pipeline.customer import customer_of, purpose_of
from telemetry_service.pipeline.heartbeat import Heartbeat
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.sealed_values import ALIVE, count_sealed
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.pipeline.stages.sweep import examine_everything, verify_everything
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.sealed_values import COLUMNS
from telemetry_service.storage.tables import Base, TelemetryConfiguration, TelemetryTransmissionLog
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.license_server import API_KEY, CUSTOMER, Trouble, reply
from tests.support.settings import ENCRYPTION_KEY
from tests.support.site import Site, usage
from tests.support.unbound import seal_unbound

NEW = bytes(range(1, 33))
SECOND_API_KEY = "ck_test_new_0Zq81"
EVERY_KIND = dict.fromkeys(SealedKind, 1) | {SealedKind.CUSTOMER: 2}
"""What a site of these tests has sealed."""


class CrashError(Exception):
    """The process ends here."""


@pytest.fixture
def lived(site: Site) -> Site:
    """A site with something sealed of every kind: two payloads wait, and two API keys overlap."""
    set_api_key(site.runtime, SECOND_API_KEY, ADMIN, overlap=True)
    site.server.trouble(Trouble(before=reply(401)))
    for _ in range(2):
        site.report(usage(1_000))
        assert send_now(site.runtime, ADMIN, None).transmission.state is State.HELD
    site.server.trouble()
    verify_everything(site.runtime)
    return site


def under(site: Site, *keys: bytes, failpoint: Callable[[Failpoint], None] = lambda _failpoint: None) -> Runtime:
    """Open a replica with these keys, newest first."""
    return site.open(failpoint, replace(site.replica, encryption_keys=keys))


def everything_works(site: Site, *keys: bytes) -> None:
    """Whatever was sealed can be used with these keys, and all is as it was signed."""
    runtime = under(site, *keys)
    assert reveal_api_key(runtime, ADMIN) == SECOND_API_KEY
    assert read_now(runtime, read_configuration).old_api_key is not None
    with runtime.database.read() as tx:
        for transmission_id in tx.transmissions.waiting(frozenset({State.HELD})):
            assert customer_of(runtime, tx, transmission_id, "anon_") == CUSTOMER
        assert dict(count_sealed(runtime, tx).newest) == EVERY_KIND | {SealedKind.LEDGER_KEY: 2}
    found = examine_everything(runtime)
    assert found is not None
    assert not found.problems
    site.server.store.add_key(SECOND_API_KEY, CUSTOMER)
    assert deliver_due(runtime) == 0, "the connection is the same, so nothing is tried for it"
    with runtime.database.write() as tx:
        tx.transmissions.make_due(frozenset({State.HELD}), site.clock.now(), AttemptTrigger.TICK)
    assert deliver_due(runtime) == 2
    assert len(site.server.journal()) == 2


def sealed_columns() -> set[tuple[str, str]]:
    """Return every column whose name says that it is sealed."""
    return {
        (table.name, column.name)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if "sealed" in column.name and column.name != "sealed_for"
    }


def test_every_sealed_column_is_sealed_again() -> None:
    assert {(column.table.__table__.name, column.sealed) for column in COLUMNS.values()} == sealed_columns()
    assert set(COLUMNS) == set(SealedKind)


@ON_BOTH
def test_then_the_old_key_is_needed_for_nothing(lived: Site) -> None:
    both = under(lived, NEW, ENCRYPTION_KEY)
    with both.database.read() as tx:
        assert dict(count_sealed(both, tx).older) == EVERY_KIND
    rotated = rotate_keys(both, ADMIN)
    assert rotated.ledger_key_renewed, "whoever knows the old key may know what was sealed under it"
    assert not rotated.counts.older
    assert not rotated.counts.unreadable
    again = rotate_keys(both, ADMIN)
    assert (again.ledger_key_renewed, again.sealed_again.total()) == (False, 0)
    noted = [it.details for it in entries(both.database) if it.kind is Kind.SEALED_AGAIN]
    assert {"of": "customer IDs", "values": 2, "reason": "rotated"} in noted
    assert {str(it["of"]) for it in noted} >= {"API key", "old API key", "customer IDs"}
    everything_works(lived, NEW)


@ON_BOTH
def test_after_a_crash_at_any_point_the_next_run_does_the_rest(lived: Site) -> None:
    for survived in range(40):
        with suppress(CrashError):
            rotate_keys(under(lived, NEW, ENCRYPTION_KEY, failpoint=_crash_after(survived)), ADMIN)
            break
        found = examine_everything(under(lived, ENCRYPTION_KEY, NEW))
        assert found is not None
        assert not found.problems, "a replica that still has the old key first goes on"
    else:
        pytest.fail("it never came to its end")
    assert survived > 1
    everything_works(lived, NEW)


def _crash_after(survived: int) -> Callable[[Failpoint], None]:
    left = iter(range(survived))

    def crash(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.KEYS_ROTATED and next(left, None) is None:
            raise CrashError

    return crash


def test_what_a_replica_replaces_meanwhile_is_kept(lived: Site) -> None:
    both = under(lived, NEW, ENCRYPTION_KEY)
    with both.database.read() as tx:
        (before,) = tx.sealed_values.some(SealedKind.API_KEY, None, 1)
    set_api_key(under(lived, ENCRYPTION_KEY, NEW), API_KEY, ADMIN)
    with both.database.write() as tx:
        assert not tx.sealed_values.replace(SealedKind.API_KEY, before, b"stale")
    rotate_keys(both, ADMIN)
    assert reveal_api_key(under(lived, NEW), ADMIN) == API_KEY


def test_nothing_is_sealed_that_a_running_replica_could_not_open(lived: Site) -> None:
    Heartbeat(lived.runtime).begin()
    both = under(lived, NEW, ENCRYPTION_KEY)
    with pytest.raises(ReplicaLacksKeyError):
        rotate_keys(both, ADMIN)
    with both.database.read() as tx:
        assert not count_sealed(both, tx).newest
    lived.clock.advance(seconds=ALIVE.total_seconds() + 1)
    Heartbeat(both).begin()
    assert rotate_keys(both, ADMIN).ledger_key_renewed


def test_what_cannot_be_opened_is_counted_and_stays(lived: Site) -> None:
    lost = bytes(range(2, 34))
    with lived.runtime.database.read() as tx:
        before = {
            kind: tx.sealed_values.some(kind, None, 9) for kind in SealedKind if kind is not SealedKind.LEDGER_KEY
        }
    other = under(lived, lost)
    counts = rotate_keys(other, ADMIN).counts
    assert {kind for kind, number in counts.unreadable.items() if number} == set(SealedKind)
    with lived.runtime.database.read() as tx:
        for kind, values in before.items():
            assert tx.sealed_values.some(kind, None, 9) == values
    assert reveal_api_key(lived.runtime, ADMIN) == SECOND_API_KEY


@ON_BOTH
def test_a_value_that_was_copied_from_another_row_or_database_does_not_open(lived: Site) -> None:
    with lived.runtime.database.read() as tx:
        first, second = tx.sealed_values.some(SealedKind.CUSTOMER, None, 2)
    with lived.runtime.database.write() as tx:
        tx.sealed_values.replace(SealedKind.CUSTOMER, first, second.sealed)
    with lived.runtime.database.read() as tx:
        assert count_sealed(lived.runtime, tx).unreadable == {SealedKind.CUSTOMER: 1}
    _become_another_installation(lived)
    with lived.runtime.database.read() as tx:
        assert dict(count_sealed(lived.runtime, tx).unreadable) == EVERY_KIND


def _become_another_installation(site: Site) -> None:
    """To the values, this database is then one that they were copied into."""
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        connection.execute(update(Base.metadata.tables["installation"]).values(sealed_for=UUID(int=7)))
    engine.dispose()


@ON_BOTH
def test_what_the_first_release_sealed_is_bound_at_the_start_under_its_own_key(lived: Site) -> None:
    engine = create_engine(lived.replica.database_url)
    log, stored = TelemetryTransmissionLog, TelemetryConfiguration
    with engine.begin() as connection:
        for transmission_id in connection.execute(select(log.transmission_id)).scalars().all():
            sealed = seal_unbound(ENCRYPTION_KEY, CUSTOMER.encode(), purpose_of(transmission_id))
            connection.execute(update(log).where(log.transmission_id == transmission_id).values(customer_sealed=sealed))
        sealed = seal_unbound(ENCRYPTION_KEY, SECOND_API_KEY.encode(), PURPOSE)
        connection.execute(update(stored).values(api_key_sealed=sealed))
    engine.dispose()
    with lived.runtime.database.read() as tx:
        before = count_sealed(lived.runtime, tx)
    assert dict(before.unbound) == {SealedKind.API_KEY: 1, SealedKind.CUSTOMER: 2}
    both = under(lived, NEW, ENCRYPTION_KEY)
    with lived.runtime.database.read() as tx:
        after = count_sealed(lived.runtime, tx)
    assert (after.unbound.total(), dict(after.newest)) == (0, EVERY_KIND), "still under the key of other replicas"
    noted = len(list(entries(both.database)))
    start(both)
    assert len(list(entries(both.database))) == noted, "once"


def test_the_keys_have_public_names_that_reveal_nothing() -> None:
    (name,) = KeyRing((NEW,)).ids
    assert name not in NEW
    assert len(name) == 8
