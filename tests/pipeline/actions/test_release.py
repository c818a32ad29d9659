"""Under TELEMETRY_RELEASE=manual, a person releases each payload; *Withdraw* is the other way out."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.errors import (
    AlreadyDeliveredError,
    AttemptUnderWayError,
    AwaitingReleaseError,
    MayHaveArrivedError,
    NotAwaitingReleaseError,
    NotFoundError,
    PayloadChangedError,
    PreviewStaleError,
    ReasonRefusedError,
    TelemetryDisabledError,
    TelemetryError,
    WithdrawnError,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import HealthStatus, TelemetryAvailability
from telemetry_service.domain.release import Release, ReleasePolicy
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmissions import HistoryFilter, State, Status, Transmission
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.release import release, withdraw
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import list_transmissions, read_transmission
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.claim import claim
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.tick import wake
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.license_server import LicenseServer, Trouble, hang, reply
from tests.support.reckoning import Amount, codes_of, reckon
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site, usage

WHY = "Reviewed by the works council"
MANUAL = ReleasePolicy(release=Release.MANUAL)


@pytest.fixture
def site(database_url: str, clock: SharedClock, server: LicenseServer) -> Iterator[Site]:
    """A site whose deployment releases nothing by itself."""
    replica = Replica(database_url, server.server.url, server.server.ca_pem_path, release=MANUAL)
    made = Site(replica, clock, server)
    yield made
    made.close()


def newest(site: Site) -> Transmission:
    page = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 1)
    return page.items[0]


def prepared(site: Site, events: int = 10) -> UUID:
    """Let a tick prepare a payload."""
    site.report(usage(events))
    site.tick()
    return newest(site).transmission_id


def state_of(site: Site, transmission_id: UUID) -> State:
    return read_now(site.runtime, read_transmission, transmission_id).transmission.state


def noted(site: Site, transmission_id: UUID) -> list[str]:
    return [entry.kind or "" for entry in entries(site.runtime.database) if entry.transmission_id == transmission_id]


def refuses(kind: type[TelemetryError], act: object, *arguments: object) -> None:
    assert callable(act)
    with pytest.raises(kind):
        act(*arguments)


def automatic(site: Site) -> None:
    """Go on as a deployment that releases payloads itself."""
    site.runtime = site.open(replica=replace(site.replica, release=ReleasePolicy()))


def test_a_run_prepares_and_nothing_leaves_until_a_person_releases_it(site: Site) -> None:
    first = prepared(site, 7)
    second = prepared(site, 5)
    site.clock.advance(days=40)
    wake(site.runtime)
    assert retry_failed(site.runtime, ADMIN) == ()
    assert deliver_due(site.runtime) == 0
    assert site.server.journal() == ()
    assert {state_of(site, first), state_of(site, second)} == {State.AWAITING_RELEASE}
    detail = release(site.runtime, first, ADMIN, WHY)
    assert (detail.transmission.state, [entry.transmission_id for entry in site.server.journal()]) == (
        State.SUCCESS,
        [first],
    )
    assert state_of(site, second) is State.AWAITING_RELEASE


def test_a_release_is_safe_to_press_twice(site: Site) -> None:
    waiting = prepared(site)
    for _ in range(2):
        assert release(site.runtime, waiting, ADMIN, WHY).transmission.state is State.SUCCESS
    assert [entry.times_received for entry in site.server.journal()] == [1]
    assert noted(site, waiting) == ["prepared", "released", "attempt", "answered"]


def test_the_ledger_keeps_who_released_what_and_why(site: Site) -> None:
    waiting = prepared(site)
    digest = newest(site).prepared_sha256
    release(site.runtime, waiting, ADMIN, WHY)
    entry = next(entry for entry in entries(site.runtime.database) if entry.kind == "released")
    assert (entry.actor, entry.details["reason"], entry.details["prepared_sha256"]) == (ADMIN.label, WHY, digest)


def test_send_now_prepares_only_and_says_so(site: Site) -> None:
    site.report(usage(3))
    assert "once it is released" in read_now(site.runtime, build_preview).verdict.preview_note
    sent = send_now(site.runtime, ADMIN, "once")
    again = send_now(site.runtime, ADMIN, "once")
    assert sent.transmission.transmission_id == again.transmission.transmission_id
    assert sent.transmission.state is State.AWAITING_RELEASE
    assert site.server.journal() == ()
    assert release(site.runtime, sent.transmission.transmission_id, ADMIN, WHY).transmission.state is State.SUCCESS


def test_a_payload_that_waits_is_not_retried(site: Site) -> None:
    refuses(AwaitingReleaseError, retry, site.runtime, prepared(site), ADMIN)


def test_while_telemetry_is_off_nothing_is_released_and_it_can_be_withdrawn(site: Site) -> None:
    waiting, other = prepared(site), prepared(site)
    site.configure(enabled=False)
    refuses(TelemetryDisabledError, release, site.runtime, waiting, ADMIN, WHY)
    assert withdraw(site.runtime, other, ADMIN, WHY).transmission.state is State.WITHDRAWN
    site.configure(enabled=True)
    assert release(site.runtime, waiting, ADMIN, WHY).transmission.state is State.SUCCESS


def test_what_was_withdrawn_never_leaves_its_codes_do_and_every_count_is_somewhere(site: Site) -> None:
    site.redeem("code-1")
    withdrawn = prepared(site, 7)
    for _ in range(2):
        assert withdraw(site.runtime, withdrawn, ADMIN, WHY).transmission.state is State.WITHDRAWN
    assert noted(site, withdrawn) == ["prepared", "withdrawn"]
    site.redeem("code-2")
    sent = prepared(site, 5)
    release(site.runtime, sent, ADMIN, WHY)
    automatic(site)
    site.tick()
    wake(site.runtime)
    found = reckon(site.replica.database_url, site.server.journal())
    assert (found.accepted, found.not_reported, found.waiting, found.total) == (
        Amount(5),
        Amount(7),
        Amount(),
        Amount(12),
    )
    assert withdrawn not in {entry.transmission_id for entry in site.server.journal()}
    assert codes_of(site.server.journal()) == ["code-1", "code-2"]


def test_what_was_withdrawn_can_be_neither_released_nor_retried(site: Site) -> None:
    withdrawn = prepared(site)
    withdraw(site.runtime, withdrawn, ADMIN, WHY)
    refuses(WithdrawnError, release, site.runtime, withdrawn, ADMIN, WHY)
    refuses(WithdrawnError, retry, site.runtime, withdrawn, ADMIN)


def test_what_was_withdrawn_is_purged_like_what_was_accepted(site: Site) -> None:
    withdrawn = prepared(site)
    withdraw(site.runtime, withdrawn, ADMIN, WHY)
    waiting = prepared(site)
    site.clock.advance(days=31)
    purge(site.runtime)
    refuses(NotFoundError, read_now, site.runtime, read_transmission, withdrawn)
    assert state_of(site, waiting) is State.AWAITING_RELEASE


def test_a_payload_that_was_refused_outright_can_be_withdrawn(site: Site) -> None:
    waiting = prepared(site)
    site.server.trouble(Trouble(before=reply(401)))
    assert release(site.runtime, waiting, ADMIN, WHY).transmission.state is State.HELD
    assert withdraw(site.runtime, waiting, ADMIN, WHY).transmission.state is State.WITHDRAWN
    site.server.trouble()
    set_api_key(site.runtime, "ck_test_another_key_of_mine", ADMIN)
    assert deliver_due(site.runtime) == 0


@pytest.mark.parametrize("trouble", [Trouble(before=hang), Trouble(after=hang), Trouble(before=reply(503))])
def test_a_payload_that_may_have_arrived_cannot_be_withdrawn(site: Site, trouble: Trouble) -> None:
    waiting = prepared(site)
    site.server.trouble(trouble)
    release(site.runtime, waiting, ADMIN, WHY)
    refuses(MayHaveArrivedError, withdraw, site.runtime, waiting, ADMIN, WHY)
    site.server.trouble()
    assert retry(site.runtime, waiting, ADMIN).transmission.state is State.SUCCESS
    refuses(AlreadyDeliveredError, withdraw, site.runtime, waiting, ADMIN, WHY)
    assert [entry.transmission_id for entry in site.server.journal()] == [waiting]


@pytest.mark.parametrize(
    "forgery", ["UPDATE {} SET cause = 'connection_refused', response_code = NULL", "DELETE FROM {}"]
)
def test_what_arrived_cannot_be_withdrawn_by_a_change_of_its_attempts(site: Site, forgery: str) -> None:
    """The signed outcomes decide, not the rows that anyone with the database can write."""
    waiting = prepared(site)
    site.server.trouble(Trouble(after=hang))
    release(site.runtime, waiting, ADMIN, WHY)
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        connection.execute(text(forgery.format("telemetry_transmission_attempts")))
    engine.dispose()
    refuses(MayHaveArrivedError, withdraw, site.runtime, waiting, ADMIN, WHY)
    set_api_key(site.runtime, "ck_test_another_key_of_mine", ADMIN)
    detail = read_now(site.runtime, read_transmission, waiting)
    assert not read_now(site.runtime, prove, detail).holds
    assert len([entry for entry in entries(site.runtime.database) if entry.kind is Kind.PREPARED]) == 1


def test_a_payload_that_is_being_sent_cannot_be_withdrawn(site: Site) -> None:
    waiting = prepared(site)
    with site.runtime.database.write() as tx:
        tx.transmissions.let_go(waiting, site.clock.now())
        tx.ledger.note(site.clock.now(), ADMIN, Kind.RELEASED, {}, waiting)
    assert claim(site.runtime, waiting, None) is not None
    refuses(AttemptUnderWayError, withdraw, site.runtime, waiting, ADMIN, WHY)
    site.clock.advance(minutes=5)
    refuses(MayHaveArrivedError, withdraw, site.runtime, waiting, ADMIN, WHY)


def test_a_decision_needs_a_reason_a_transmission_and_the_payload_that_was_shown(site: Site) -> None:
    waiting = prepared(site)
    for act in (release, withdraw):
        for reason in ("", "x" * 501, "two\nlines"):
            refuses(ReasonRefusedError, act, site.runtime, waiting, ADMIN, reason)
        refuses(NotFoundError, act, site.runtime, uuid4(), ADMIN, WHY)
    refuses(PreviewStaleError, release, site.runtime, waiting, ADMIN, WHY, "0" * 64)
    assert noted(site, waiting) == ["prepared"]


def test_what_never_waited_cannot_be_released(site: Site) -> None:
    automatic(site)
    site.server.trouble(Trouble(before=reply(503)))
    site.report(usage())
    failed = send_now(site.runtime, ADMIN, None).transmission.transmission_id
    refuses(NotAwaitingReleaseError, release, site.runtime, failed, ADMIN, WHY)


def test_what_waits_is_prepared_again_for_a_new_key_and_waits_on(site: Site) -> None:
    waiting = prepared(site)
    before = newest(site).prepared_sha256
    set_api_key(site.runtime, "ck_test_another_key_of_mine", ADMIN)
    wake(site.runtime)
    assert (newest(site).state, newest(site).prepared_sha256 != before) == (State.AWAITING_RELEASE, True)
    refuses(PreviewStaleError, release, site.runtime, waiting, ADMIN, WHY, before)


@ON_BOTH
def test_a_row_that_someone_released_by_sql_is_not_sent(site: Site) -> None:
    waiting = prepared(site)
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE telemetry_transmission_logs SET state = 'rejected'"))
    engine.dispose()
    with open_snapshot(site.runtime) as snapshot:
        assert not prove(snapshot, read_transmission(snapshot, waiting)).holds
    retry_failed(site.runtime, ADMIN)
    assert (state_of(site, waiting), site.server.journal()) == (State.AWAITING_RELEASE, ())
    assert read_now(site.runtime, read_health).health.code == "payload_changed"
    assert release(site.runtime, waiting, ADMIN, WHY).transmission.state is State.SUCCESS
    with open_snapshot(site.runtime) as snapshot:
        assert prove(snapshot, read_transmission(snapshot, waiting)).holds


def test_bytes_that_someone_swapped_are_not_released(site: Site) -> None:
    waiting = prepared(site)
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE evidence SET content = :swapped"), {"swapped": b"{}"})
    engine.dispose()
    refuses(PayloadChangedError, release, site.runtime, waiting, ADMIN, WHY)
    assert withdraw(site.runtime, waiting, ADMIN, WHY).transmission.state is State.WITHDRAWN


def test_whatever_the_deployment_decides_later_what_waits_for_a_person_does(site: Site) -> None:
    waiting = prepared(site)
    automatic(site)
    site.clock.advance(days=200)
    wake(site.runtime)
    assert state_of(site, waiting) is State.AWAITING_RELEASE


def test_the_proof_of_each_state_holds(site: Site) -> None:
    made = [prepared(site) for _ in range(3)]
    release(site.runtime, made[0], ADMIN, WHY)
    withdraw(site.runtime, made[1], ADMIN, WHY)
    with open_snapshot(site.runtime) as snapshot:
        for transmission_id in made:
            assert prove(snapshot, read_transmission(snapshot, transmission_id)).findings == ()


@ON_BOTH
def test_the_filter_knows_what_waits_and_what_was_withdrawn(site: Site) -> None:
    waiting, withdrawn = prepared(site), prepared(site)
    withdraw(site.runtime, withdrawn, ADMIN, WHY)
    for status, found in ((Status.WAITING, waiting), (Status.WITHDRAWN, withdrawn)):
        page = read_now(site.runtime, list_transmissions, HistoryFilter(status), None, 5)
        assert [each.transmission.transmission_id for each in page.transmissions] == [found]


def test_waiting_longer_than_the_interval_of_the_schedule_is_a_warning(site: Site) -> None:
    release(site.runtime, prepared(site), ADMIN, WHY)
    site.report(usage())
    send_now(site.runtime, ADMIN, None)
    young = read_now(site.runtime, read_health).health
    assert (young.status, young.code) == (HealthStatus.HEALTHY, "awaiting_release")
    assert "1 payload waiting for release" in young.cause
    site.configure(frequency=Frequency.DAILY)
    site.clock.advance(days=1, minutes=1)
    assert read_now(site.runtime, read_health).health.status is HealthStatus.WARNING


def test_what_waits_for_a_person_makes_nothing_unavailable(site: Site) -> None:
    release(site.runtime, prepared(site), ADMIN, WHY)
    send_now(site.runtime, ADMIN, None)
    payload = read_now(site.runtime, build_preview).payload
    assert payload is not None
    assert payload["telemetry_availability"] == TelemetryAvailability.AVAILABLE
