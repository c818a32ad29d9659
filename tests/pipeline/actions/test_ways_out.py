"""No waiting transmission is in a state that no action ends, whatever its row says."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import bindparam, create_engine, text

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.configuration import Delivery
from telemetry_service.domain.errors import AlreadyDeliveredError, MayHaveArrivedError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import FINAL_STATES, NEVER_SENT_AS_IT_IS, AttemptTrigger, State
from telemetry_service.pipeline.actions.release import release, withdraw
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.queries.release import can_withdraw
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.claim import claim
from telemetry_service.pipeline.stages.sweep import verify_everything
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.types import Id16
from tests.support.actors import ADMIN
from tests.support.ledger import entries
from tests.support.license_server import LicenseServer, Trouble, reply, reset
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site, usage

WHY = "Reviewed by the works council"
WAITING = sorted(set(State) - FINAL_STATES)
EVERY = [(state, cause) for state in WAITING for cause in (None, *Cause)]
STUCK = [(state, cause) for state in WAITING for cause in (None, *NEVER_SENT_AS_IT_IS)]
PUT = text("UPDATE telemetry_transmission_logs SET state = :state, cause = :cause WHERE transmission_id = :id")


@pytest.fixture
def site(sqlite_url: str, clock: SharedClock, server: LicenseServer) -> Iterator[Site]:
    """A site on SQLite, whose file a test puts back as it was."""
    made = Site(Replica(sqlite_url, server.server.url, server.server.ca_pem_path), clock, server)
    yield made
    made.close()


def prepared(site: Site) -> UUID:
    """Return a payload that waits for its first attempt, with a code."""
    site.redeem("EXT-1")
    site.report(usage(5))
    site.tick_only()
    with site.runtime.database.read() as tx:
        (waiting,) = tx.transmissions.waiting(frozenset({State.PENDING}))
    return waiting


def lost(site: Site) -> UUID:
    """Return one that may have arrived."""
    waiting = prepared(site)
    site.server.trouble(Trouble(before=reset))
    retry(site.runtime, waiting, ADMIN)
    site.server.trouble()
    return waiting


def changed(site: Site) -> UUID:
    """Return one that may have arrived, and whose bytes someone has changed."""
    waiting = lost(site)
    site.spoil_payload(waiting)
    return waiting


def after_a_gap(site: Site) -> UUID:
    """Return one since whose preparation an entry of the ledger was deleted."""
    waiting = prepared(site)
    site.configure(anonymize_pii=False)
    site.configure(anonymize_pii=True)
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM telemetry_ledger WHERE seq = (SELECT max(seq) - 1 FROM telemetry_ledger)"))
    engine.dispose()
    return waiting


def each_put(
    site: Site, waiting: UUID, put: list[tuple[State, Cause | None]]
) -> Iterator[tuple[str, State, Cause | None]]:
    """Put the row into one state after the other, each time in the database as it was at first."""
    path = site.replica.database_url.removeprefix("sqlite:///")
    kept, engine = sqlite3.connect(":memory:"), create_engine(site.replica.database_url)
    with sqlite3.connect(path) as present:
        present.backup(kept)
    for state, cause in put:
        with sqlite3.connect(path) as present:
            kept.backup(present)
        with engine.begin() as connection:
            values = {"state": state.value, "cause": cause and cause.value, "id": waiting}
            connection.execute(PUT.bindparams(bindparam("id", type_=Id16())), values)
        yield f"{state}, {cause}", state, cause
    kept.close()
    engine.dispose()


def offers_withdrawal(site: Site, transmission_id: UUID) -> bool:
    with open_snapshot(site.runtime) as snapshot:
        detail = read_transmission(snapshot, transmission_id)
        return can_withdraw(snapshot, detail.transmission, detail.attempts)


@pytest.mark.long
def test_what_may_have_arrived_can_be_sent_again_in_every_state_and_whatever_the_cause(site: Site) -> None:
    waiting, offline = lost(site), site.open(replica=replace(site.replica, delivery=Delivery.BUNDLE))
    for where, state, _cause in each_put(site, waiting, EVERY):
        with pytest.raises(MayHaveArrivedError):
            withdraw(site.runtime, waiting, ADMIN, WHY)
        if state is State.AWAITING_RELEASE:
            release(offline, waiting, ADMIN, WHY)
        assert claim(site.runtime, waiting, AttemptTrigger.RETRY) is not None, where


def test_what_may_have_arrived_is_accepted_once_by_retry_or_release_in_every_state(site: Site) -> None:
    waiting = lost(site)
    for where, state, _cause in each_put(site, waiting, [(state, None) for state in WAITING]):
        act = retry if state is not State.AWAITING_RELEASE else partial(release, reason=WHY)
        assert act(site.runtime, waiting, ADMIN).transmission.state is State.SUCCESS, where
    assert [entry.conflicts for entry in site.server.journal()] == [0]


def test_what_the_license_server_has_another_payload_for_can_be_withdrawn_and_its_code_counts_as_sent(
    site: Site,
) -> None:
    waiting = lost(site)
    site.server.trouble(Trouble(before=reply(409)))
    retry(site.runtime, waiting, ADMIN)
    assert offers_withdrawal(site, waiting)
    withdrawn = withdraw(site.runtime, waiting, ADMIN, WHY)
    assert (withdrawn.transmission.state, withdrawn.texts.finer) == (
        State.WITHDRAWN,
        "not sent again; the License Server may have it",
    )
    with site.runtime.database.read() as tx:
        assert not tx.extension_codes.waiting()
    verified = verify_everything(site.runtime)
    assert verified is not None
    assert verified.problems == ()


def test_what_was_accepted_is_shown_so_again_in_every_state_and_nothing_is_sent(site: Site) -> None:
    waiting = prepared(site)
    retry(site.runtime, waiting, ADMIN)
    offline = site.open(replica=replace(site.replica, delivery=Delivery.BUNDLE))
    wake(site.runtime)
    changed_ones: list[tuple[State, Cause | None]] = [
        (state, cause) for state, cause in STUCK if cause is Cause.PAYLOAD_CHANGED
    ]
    for runtime, put in ((site.runtime, STUCK), (offline, changed_ones)):
        for where, state, cause in each_put(site, waiting, put):
            assert not offers_withdrawal(site, waiting), where
            with pytest.raises(AlreadyDeliveredError):
                withdraw(site.runtime, waiting, ADMIN, WHY)
            act = retry if state is not State.AWAITING_RELEASE else partial(release, reason=WHY)
            assert act(runtime, waiting, ADMIN).transmission.state is State.SUCCESS, where
            last = entries(site.runtime.database)[-1]
            assert (last.kind, last.actor) == (Kind.RETRIED, ADMIN.label), where
            if cause is None:
                verified = verify_everything(site.runtime)
                assert verified is not None
                assert verified.problems == (), where
            assert read_now(site.runtime, read_health).health.code != "payload_changed", where
    assert [entry.times_received for entry in site.server.journal()] == [1]


@pytest.mark.parametrize(("make", "given_back"), [(prepared, True), (changed, False), (after_a_gap, False)])
def test_everything_else_can_be_withdrawn_in_every_state_and_its_code_arrives_at_most_once(
    site: Site, make: Callable[[Site], UUID], *, given_back: bool
) -> None:
    waiting = make(site)
    for where, _state, cause in each_put(site, waiting, STUCK):
        assert offers_withdrawal(site, waiting) or (cause is None and not given_back), where
        assert withdraw(site.runtime, waiting, ADMIN, WHY).transmission.state is State.WITHDRAWN, where
        with site.runtime.database.read() as tx:
            assert bool(tx.extension_codes.waiting()) is given_back, where
        if make is prepared:
            verified = verify_everything(site.runtime)
            assert verified is not None
            assert verified.problems == (), where


def test_what_someone_has_put_back_after_its_withdrawal_is_withdrawn_again_without_an_entry(site: Site) -> None:
    waiting = prepared(site)
    withdraw(site.runtime, waiting, ADMIN, WHY)
    for where, _state, _cause in each_put(site, waiting, [(state, None) for state in WAITING]):
        with site.runtime.database.read() as tx:
            head = tx.ledger.head()
        assert withdraw(site.runtime, waiting, ADMIN, WHY).transmission.state is State.WITHDRAWN, where
        with site.runtime.database.read() as tx:
            assert tx.ledger.head() == head, where
