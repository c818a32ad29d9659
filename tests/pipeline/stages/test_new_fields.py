"""What a new version would send for the first time is announced, and waits; a version with the same fields does not."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import make_url

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import SettingsChangedError
from telemetry_service.domain.health import Health
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.payload_schemas.published import PublishedSchemas, current_schema, published
from telemetry_service.domain.payload_schemas.schema import PayloadSchema
from telemetry_service.domain.release import Release, ReleasePolicy
from telemetry_service.domain.transmissions import HistoryFilter, State, Transmission
from telemetry_service.pipeline.actions.release import release
from telemetry_service.pipeline.actions.retry import retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import list_transmissions, read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import run_due_tick, wake
from tests.pipeline.test_row_tampering import write
from tests.support.actors import ADMIN
from tests.support.altered_schema import altered, change, remove, reword
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site, usage
from tests.support.tampering import ANNOUNCED

NEW = "active_reporting_bouncer_count"
WHY = "Reviewed by the works council"
PRESENT = current_schema()
FEWER = altered(remove(NEW))
"""The schema of a version without that field."""
NARROWER = altered(change("total_events", maximum=1_000_000))
FEWER_AND_NARROWER = altered(remove(NEW), change("total_events", maximum=1_000_000))
REWORDED = altered(reword)
EVERY = {schema.sha256: schema for schema in (*published(), FEWER, NARROWER, FEWER_AND_NARROWER, REWORDED)}
MUST_BE_APPROVED = ReleasePolicy(approve_fields=True)


def version(current: PayloadSchema, *, knows: tuple[PayloadSchema, ...] | None = None) -> PublishedSchemas:
    """Return what a version ships that prepares by ``current``; it knows every schema unless told otherwise."""
    known = EVERY if knows is None else {schema.sha256: schema for schema in (current, *knows)}
    return PublishedSchemas(known, current, published().released)


@pytest.fixture
def server(tmp_path: Path, clock: SharedClock) -> Iterator[LicenseServer]:
    """A License Server that accepts every schema."""
    with LicenseServer(tmp_path / "license-server", clock, version(PRESENT)) as running:
        yield running


@pytest.fixture
def site(database_url: str, clock: SharedClock, server: LicenseServer) -> Iterator[Site]:
    """A site whose first version is the one without the field."""
    replica = Replica(database_url, server.server.url, server.server.ca_pem_path, schemas=version(FEWER))
    made = Site(replica, clock, server)
    yield made
    made.close()


def upgrade(site: Site, current: PayloadSchema = PRESENT, policy: ReleasePolicy | None = None) -> None:
    """Restart as a version that prepares by another schema."""
    site.replica = replace(site.replica, schemas=version(current), release=policy or ReleasePolicy())
    site.runtime = site.open(replica=site.replica)


def send(site: Site) -> Transmission:
    site.report(usage())
    return send_now(site.runtime, ADMIN, None).transmission


def row(site: Site, transmission_id: UUID) -> Transmission:
    return read_now(site.runtime, read_transmission, transmission_id).transmission


def state_of(site: Site, transmission_id: UUID) -> State:
    return row(site, transmission_id).state


def health(site: Site) -> Health:
    return read_now(site.runtime, read_health).health


def received(site: Site) -> set[UUID]:
    return {entry.transmission_id for entry in site.server.journal()}


def test_the_schema_of_the_first_start_counts_as_announced(site: Site) -> None:
    assert send(site).state is State.SUCCESS
    assert health(site).code == "ok"


_SETTLE = "settled_at = announced_at WHERE schema_sha256 = NEW.schema_sha256"
_SETTLED = "BEGIN NEW.settled_at := NEW.announced_at; RETURN NEW; END"
TRIGGERS = {
    "sqlite": (f"CREATE TRIGGER t AFTER INSERT ON {ANNOUNCED} BEGIN UPDATE {ANNOUNCED} SET {_SETTLE}; END",),  # noqa: S608 - our own
    "postgresql": (
        f"CREATE FUNCTION settle() RETURNS trigger LANGUAGE plpgsql AS '{_SETTLED}'",
        f"CREATE TRIGGER t BEFORE INSERT ON {ANNOUNCED} FOR EACH ROW EXECUTE FUNCTION settle()",
    ),
}


@ON_BOTH
def test_what_a_trigger_settles_is_not_sent(site: Site) -> None:
    send(site)
    write(site, *TRIGGERS[make_url(site.replica.database_url).get_backend_name()])
    upgrade(site)
    assert health(site).code == "settings_changed"
    with pytest.raises(SettingsChangedError):
        send(site)
    assert len(received(site)) == 1


KEEPS = {
    "sqlite": (f"CREATE TRIGGER keeps BEFORE DELETE ON {ANNOUNCED} BEGIN SELECT RAISE(IGNORE); END",),
    "postgresql": (
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        f"CREATE TRIGGER keeps BEFORE DELETE ON {ANNOUNCED} FOR EACH ROW EXECUTE FUNCTION keep()",
    ),
}


@ON_BOTH
def test_a_save_does_not_approve_what_someone_has_settled_although_a_trigger_keeps_it(site: Site) -> None:
    upgrade(site)
    write(site, *KEEPS[make_url(site.replica.database_url).get_backend_name()])
    write(site, f"UPDATE {ANNOUNCED} SET settled_at = announced_at WHERE settled_at IS NULL")  # noqa: S608 - our own
    site.configure(retention_days=90)
    sweep(site.runtime)
    with pytest.raises(SettingsChangedError):
        send(site)
    assert received(site) == set()


@ON_BOTH
def test_a_new_field_waits_for_72_hours_and_is_then_sent_by_itself(site: Site) -> None:
    send(site)
    upgrade(site)
    assert (health(site).status, health(site).code) == (HealthStatus.WARNING, "new_field")
    assert NEW in health(site).cause
    announced = site.clock.now()
    waiting = send(site)
    assert (waiting.state, waiting.next_attempt_at) == (State.AWAITING_RELEASE, announced + timedelta(hours=72))
    site.clock.advance(hours=71)
    retry_failed(site.runtime, ADMIN)
    wake(site.runtime)
    assert waiting.transmission_id not in received(site)
    site.clock.advance(hours=1)
    wake(site.runtime)
    assert state_of(site, waiting.transmission_id) is State.SUCCESS
    last = [entry for entry in entries(site.runtime.database) if entry.kind == "released"][-1]
    assert (last.actor, last.details["because"]) == ("schedule", "notice_over")
    assert send(site).state is State.SUCCESS
    assert health(site).code == "ok"


@ON_BOTH
def test_bytes_that_were_changed_before_the_end_of_the_notice_leave_once_they_are_back_and_released(site: Site) -> None:
    upgrade(site)
    waiting = send(site).transmission_id
    with site.runtime.database.read() as tx:
        content = tx.evidence.get(waiting, row(site, waiting).prepared_sha256)
    site.spoil_payload(waiting)
    site.clock.advance(hours=73)
    for _ in range(2):
        assert wake(site.runtime).attempts == 0
    held = row(site, waiting)
    assert (held.state, held.cause, held.next_attempt_at) == (State.AWAITING_RELEASE, Cause.PAYLOAD_CHANGED, None)
    assert health(site).code == "payload_changed"
    noted = [entry for entry in entries(site.runtime.database) if entry.kind == "verify_failed"]
    assert len(noted) == 1
    site.spoil_payload(waiting, content)
    assert release(site.runtime, waiting, ADMIN, WHY).transmission.state is State.SUCCESS
    with open_snapshot(site.runtime) as snapshot:
        assert prove(snapshot, read_transmission(snapshot, waiting)).holds


def test_a_notice_ends_by_what_was_announced_and_not_by_what_someone_writes_into_the_row(site: Site) -> None:
    upgrade(site)
    announced, waiting = site.clock.now(), send(site).transmission_id
    with site.runtime.database.write() as tx:
        tx.transmissions.wait_until(waiting, announced)
    assert wake(site.runtime).attempts == 0
    assert row(site, waiting).next_attempt_at == announced + timedelta(hours=72)
    site.clock.advance(hours=72)
    wake(site.runtime)
    assert state_of(site, waiting) is State.SUCCESS


def test_while_telemetry_is_off_a_notice_that_is_over_releases_nothing(site: Site) -> None:
    upgrade(site)
    waiting = send(site)
    site.configure(enabled=False)
    site.clock.advance(hours=73)
    wake(site.runtime)
    assert state_of(site, waiting.transmission_id) is State.AWAITING_RELEASE
    site.configure(enabled=True)
    wake(site.runtime)
    assert state_of(site, waiting.transmission_id) is State.SUCCESS


@ON_BOTH
def test_a_released_payload_approves_its_field_for_those_that_wait_and_those_to_come(site: Site) -> None:
    upgrade(site, policy=MUST_BE_APPROVED)
    first, second = send(site), send(site)
    site.clock.advance(days=20)
    run_due_tick(site.runtime)
    assert received(site) == set()
    assert release(site.runtime, second.transmission_id, ADMIN, WHY).transmission.state is State.SUCCESS
    wake(site.runtime)
    assert state_of(site, first.transmission_id) is State.SUCCESS
    assert send(site).state is State.SUCCESS
    said = {
        entry.transmission_id: entry.details for entry in entries(site.runtime.database) if entry.kind == "approved"
    }
    assert list(said) == [second.transmission_id]
    assert said[second.transmission_id]["schema_sha256"] == PRESENT.sha256
    because = [entry.details.get("because") for entry in entries(site.runtime.database) if entry.kind == "released"]
    assert set(because) == {"field_approved"}


def test_a_deployment_that_wants_approval_from_now_on_gets_it_for_what_already_waits(site: Site) -> None:
    upgrade(site)
    waiting = send(site)
    upgrade(site, policy=MUST_BE_APPROVED)
    site.clock.advance(hours=100)
    wake(site.runtime)
    assert state_of(site, waiting.transmission_id) is State.AWAITING_RELEASE


@ON_BOTH
def test_under_manual_each_payload_is_released_and_the_first_approves_the_field(site: Site) -> None:
    upgrade(site, policy=ReleasePolicy(release=Release.MANUAL))
    first, second = send(site), send(site)
    site.clock.advance(hours=100)
    wake(site.runtime)
    for waiting in (first, second):
        release(site.runtime, waiting.transmission_id, ADMIN, WHY)
    kinds = [entry.kind for entry in entries(site.runtime.database) if entry.kind in {"approved", "released"}]
    assert kinds == ["approved", "released"]


def test_a_change_of_the_prose_alone_leaves_at_once(site: Site) -> None:
    upgrade(site, PRESENT, ReleasePolicy(notice=timedelta(hours=1)))
    site.clock.advance(hours=1)
    send(site)
    upgrade(site, REWORDED)
    assert send(site).state is State.SUCCESS


@pytest.mark.parametrize("current", [FEWER, NARROWER], ids=["removed", "narrowed"])
@ON_BOTH
def test_a_field_that_was_removed_or_narrowed_leaves_at_once_and_what_waited_is_delivered(
    database_url: str, clock: SharedClock, server: LicenseServer, current: PayloadSchema
) -> None:
    replica = Replica(database_url, server.server.url, server.server.ca_pem_path, schemas=version(PRESENT))
    site = Site(replica, clock, server)
    accepted = send(site)
    server.trouble(Trouble(before=reply(503)))
    waiting = send(site)
    server.trouble()
    upgrade(site, current)
    assert send(site).state is State.SUCCESS
    clock.advance(hours=7)
    wake(site.runtime)
    assert received(site) >= {accepted.transmission_id, waiting.transmission_id}
    with open_snapshot(site.runtime) as snapshot:
        for item in list_transmissions(snapshot, HistoryFilter(), None, 10).items:
            assert prove(snapshot, read_transmission(snapshot, item.transmission_id)).findings == ()
    site.close()


@ON_BOTH
def test_yesterdays_waiting_payload_is_delivered_and_its_proof_holds_while_the_new_one_waits(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(503)))
    yesterdays = send(site)
    site.server.trouble()
    upgrade(site)
    todays = send(site)
    site.clock.advance(hours=7)
    wake(site.runtime)
    assert received(site) == {yesterdays.transmission_id}
    with open_snapshot(site.runtime) as snapshot:
        for each in (yesterdays, todays):
            assert prove(snapshot, read_transmission(snapshot, each.transmission_id)).findings == ()
        changes = read_transmission(snapshot, todays.transmission_id).changes
    assert [(change.field, change.kind) for change in changes] == [(NEW, "added")]


@ON_BOTH
def test_a_widened_field_waits_and_going_back_does_not(site: Site) -> None:
    upgrade(site, NARROWER, ReleasePolicy(notice=timedelta(hours=1)))
    site.clock.advance(hours=1)
    send(site)
    upgrade(site, PRESENT)
    assert send(site).state is State.AWAITING_RELEASE
    upgrade(site, NARROWER)
    assert send(site).state is State.SUCCESS


@pytest.mark.parametrize("hides", [f"DELETE FROM {ANNOUNCED}", f"UPDATE {ANNOUNCED} SET settled_at = NULL"])  # noqa: S608 - our own
def test_a_field_that_comes_back_waits_although_the_schema_without_it_is_hidden_at_the_start(
    site: Site, hides: str
) -> None:
    upgrade(site, PRESENT, ReleasePolicy(notice=timedelta(hours=1)))
    site.clock.advance(hours=1)
    send(site)
    upgrade(site, FEWER_AND_NARROWER)
    assert send(site).state is State.SUCCESS
    the_one = f"WHERE schema_sha256 = '{FEWER_AND_NARROWER.sha256}'"
    write(site, f"CREATE TABLE kept AS SELECT * FROM {ANNOUNCED} {the_one}", f"{hides} {the_one}")  # noqa: S608 - our own
    upgrade(site, NARROWER)
    write(site, f"DELETE FROM {ANNOUNCED} {the_one}", f"INSERT INTO {ANNOUNCED} SELECT * FROM kept")  # noqa: S608 - our own
    assert send(site).state is State.AWAITING_RELEASE


def test_an_upgrade_of_a_version_that_still_waits_is_compared_with_what_was_settled(site: Site) -> None:
    upgrade(site, PRESENT)
    upgrade(site, REWORDED)
    assert send(site).state is State.AWAITING_RELEASE


@ON_BOTH
def test_of_two_versions_each_prepares_by_its_own_schema_and_only_the_new_one_waits(site: Site) -> None:
    older = site.open(replica=replace(site.replica, schemas=version(FEWER, knows=())))
    upgrade(site)
    newer = site.runtime
    site.report(usage())
    of_older = send_now(older, ADMIN, None).transmission
    of_newer = send(site)
    assert (of_older.state, of_newer.state) == (State.SUCCESS, State.AWAITING_RELEASE)
    site.clock.advance(hours=73)
    wake(older)  # It does not know the schema, so it leaves the payload to the newer version.
    assert received(site) == {of_older.transmission_id}
    wake(newer)
    assert received(site) == {of_older.transmission_id, of_newer.transmission_id}
    assert len(site.server.journal()) == 2
