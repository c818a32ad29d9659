"""A restored backup sends nothing until it is known what was sent since; then nothing counts twice."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.configuration import Delivery
from telemetry_service.domain.errors import NothingToExportError, NotRestoredError, RestoredError
from telemetry_service.domain.ledger import digest_of
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.transmissions import HistoryFilter, State
from telemetry_service.log.events import Event
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.export_bundle import export_bundle
from telemetry_service.pipeline.actions.release import release, withdraw
from telemetry_service.pipeline.actions.restored import answer_restored, follow_head, notice_restored
from telemetry_service.pipeline.actions.retry import retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.head_file import read_head, write_head
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import list_transmissions, read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.sealing.identity import pseudonym
from tests.support.actors import ADMIN
from tests.support.backup import copied
from tests.support.databases import RunDatabases
from tests.support.ledger import entries
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer, Trouble, reply
from tests.support.log_lines import lines_of
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site, usage
from tests.support.site_fixtures import clock, server

__all__ = ["clock", "server"]

Restore = Callable[[], Runtime]
WHY = "Reviewed by the works council"


@pytest.fixture
def site(database_url: str, clock: SharedClock, server: LicenseServer, tmp_path: Path) -> Iterator[Site]:
    """A site that keeps the head of its ledger in a file, once on each kind of database."""
    address, ca_file = server.server.url, server.server.ca_pem_path
    made = Site(Replica(database_url, address, ca_file, head_file=tmp_path / "ledger-head"), clock, server)
    yield made
    made.close()


def backed_up(site: Site) -> Restore:
    """Take a backup of every row, and return what restores it and starts the service on it."""
    put_back = copied(site.replica.database_url)

    def restore() -> Runtime:
        put_back()
        return site.open()

    return restore


def accepted_events(server: LicenseServer) -> int:
    return sum(payload.total_events for payload in server.payloads())


def send(site: Site, runtime: Runtime | None = None) -> State:
    return send_now(runtime or site.runtime, ADMIN, None).transmission.state


def restored_after_a_send(site: Site) -> Runtime:
    """Return the service on a backup whose open period was sent after the backup was taken."""
    site.report(usage(7))
    site.redeem("EXT-1")
    restore = backed_up(site)
    assert send(site) is State.SUCCESS
    write_head(site.runtime)
    return restore()


def test_nothing_is_sent_before_the_question_is_answered(
    site: Site, server: LicenseServer, caplog: pytest.LogCaptureFixture
) -> None:
    old = restored_after_a_send(site)
    assert len(lines_of(caplog, Event.DATABASE_RESTORED)) == 1
    site.clock.set(site.next_run_at())
    assert wake(old).attempts == 0
    for refused in (lambda: send_now(old, ADMIN, None), lambda: retry_failed(old, ADMIN)):
        with pytest.raises(RestoredError):
            refused()
    health = read_now(old, read_health).health
    assert (health.status, health.code) == (HealthStatus.WARNING, "restored")
    assert len(server.journal()) == 1


@pytest.mark.parametrize("file_too", [False, True])
def test_a_copy_that_is_put_under_a_running_process_is_noticed_at_its_next_waking(
    site: Site, *, file_too: bool
) -> None:
    """Even if the file beside the database was put back, too: the process remembers what it has seen."""
    site.report(usage(7))
    follow_head(site.runtime)
    put_back, file = copied(site.replica.database_url), site.replica.head_file
    assert file is not None
    kept = file.read_bytes()
    assert send(site) is State.SUCCESS
    follow_head(site.runtime)
    put_back()
    if file_too:
        file.write_bytes(kept)
    follow_head(site.runtime)
    assert read_now(site.runtime, read_health).health.code == "restored"
    with pytest.raises(RestoredError):
        send_now(site.runtime, ADMIN, None)
    answer_restored(site.runtime, OpenPeriod.SENT, ADMIN)
    follow_head(site.runtime)
    assert read_now(site.runtime, read_health).health.code != "restored", "it asks once"


def test_counts_and_codes_that_were_sent_are_not_sent_again(site: Site, server: LicenseServer) -> None:
    old = restored_after_a_send(site)
    answer_restored(old, OpenPeriod.SENT, ADMIN)
    assert send(site, old) is State.SUCCESS
    assert accepted_events(server) == 7
    codes = [code for payload in server.payloads() for code in payload.redeemed_extension_codes]
    assert codes == ["EXT-1"]
    assert read_now(old, read_health).health.status is HealthStatus.HEALTHY


def test_counts_that_were_not_sent_are_sent_with_the_next_payload(site: Site, server: LicenseServer) -> None:
    site.report(usage(7))
    site.redeem("EXT-1")
    restore = backed_up(site)
    site.configure(retention_days=90)  # An entry, and nothing was sent.
    write_head(site.runtime)
    old = restore()
    answer_restored(old, OpenPeriod.UNSENT, ADMIN)
    assert send(site, old) is State.SUCCESS
    assert accepted_events(server) == 7
    assert server.payloads()[0].redeemed_extension_codes == ("EXT-1",)


def test_what_waited_in_the_backup_is_replayed_under_its_id_and_counted_once(site: Site, server: LicenseServer) -> None:
    server.trouble(Trouble(before=reply(503)))
    site.report(usage(7))
    assert send(site) is State.RETRYING
    restore = backed_up(site)
    server.trouble()
    site.clock.advance(days=1)
    assert wake(site.runtime).attempts == 1
    write_head(site.runtime)
    old = restore()
    answer_restored(old, OpenPeriod.SENT, ADMIN)
    assert wake(old).attempts == 1
    (entry,) = server.journal()
    assert (entry.times_received, entry.conflicts) == (2, 0)
    (row,) = read_now(old, list_transmissions, HistoryFilter(), None, 10).items
    assert row.state is State.SUCCESS


def waiting_with_code(site: Site) -> tuple[UUID, Restore]:
    """Return a payload with a code that waits in a backup, of which nothing can have arrived, and what restores it."""
    site.report(usage(7))
    site.redeem("EXT-1")
    site.tick_only()
    with site.runtime.database.read() as tx:
        (waiting,) = tx.transmissions.waiting(frozenset({State.PENDING}))
    return waiting, backed_up(site)


def codes_sent(server: LicenseServer) -> list[str]:
    return [code for payload in server.payloads() for code in payload.redeemed_extension_codes]


@pytest.mark.parametrize("answer", OpenPeriod)
def test_what_was_withdrawn_after_the_backup_does_not_leave_and_its_code_arrives_once(
    site: Site, server: LicenseServer, answer: OpenPeriod
) -> None:
    waiting, restore = waiting_with_code(site)
    withdraw(site.runtime, waiting, ADMIN, WHY)
    if answer is OpenPeriod.SENT:
        site.report(usage(2))
        assert send(site) is State.SUCCESS
    write_head(site.runtime)
    old = restore()
    assert answer_restored(old, answer, ADMIN) == 1
    site.clock.advance(days=9)
    assert (wake(old).attempts, retry_failed(old, ADMIN)) == (0, ())
    bundles = site.open(replica=replace(site.replica, delivery=Delivery.BUNDLE, public_key=server.public_key))
    with pytest.raises(NothingToExportError):
        export_bundle(bundles, ADMIN)
    held = read_now(old, read_transmission, waiting).transmission
    assert (held.state, held.cause, held.next_attempt_at) == (State.AWAITING_RELEASE, Cause.FROM_BACKUP, None)
    assert read_now(old, prove, read_now(old, read_transmission, waiting)).holds
    assert withdraw(old, waiting, ADMIN, WHY).transmission.state is State.WITHDRAWN
    site.report(usage(3))
    assert send(site, old) is State.SUCCESS
    assert codes_sent(server) == ["EXT-1"]
    assert waiting not in {entry.transmission_id for entry in server.journal()}


def test_what_was_sent_after_the_backup_is_released_unchanged_and_counted_once(
    site: Site, server: LicenseServer
) -> None:
    waiting, restore = waiting_with_code(site)
    assert wake(site.runtime).attempts == 1
    write_head(site.runtime)
    old = restore()
    server.store.add_key("another-key-0123456789", CUSTOMER)
    with pytest.raises(RestoredError):
        release(old, waiting, ADMIN, WHY)
    set_api_key(old, "another-key-0123456789", ADMIN)
    answer_restored(old, OpenPeriod.UNSENT, ADMIN)
    set_api_key(old, API_KEY, ADMIN)
    assert release(old, waiting, ADMIN, WHY).transmission.state is State.SUCCESS
    (entry,) = server.journal()
    assert (entry.times_received, entry.conflicts, codes_sent(server)) == (2, 0, ["EXT-1"])
    assert read_now(old, prove, read_now(old, read_transmission, waiting)).holds


def test_what_was_prepared_again_and_sent_after_the_backup_is_withdrawn_and_counted_once(
    site: Site, server: LicenseServer
) -> None:
    waiting, restore = waiting_with_code(site)
    server.store.add_key("another-key-0123456789", CUSTOMER)
    set_api_key(site.runtime, "another-key-0123456789", ADMIN)
    assert wake(site.runtime).attempts == 1
    write_head(site.runtime)
    old = restore()
    answer_restored(old, OpenPeriod.UNSENT, ADMIN)
    refused = release(old, waiting, ADMIN, WHY).transmission
    assert (refused.state, refused.cause) == (State.REJECTED, Cause.ID_CONFLICT)
    assert withdraw(old, waiting, ADMIN, WHY).transmission.state is State.WITHDRAWN
    site.report(usage(3))
    assert send(site, old) is State.SUCCESS
    assert (accepted_events(server), codes_sent(server)) == (10, ["EXT-1"])
    assert read_now(old, prove, read_now(old, read_transmission, waiting)).holds
    assert read_now(old, read_health).health.status is HealthStatus.HEALTHY


def test_a_customer_id_without_a_pseudonym_gets_one_even_in_a_restored_copy(site: Site) -> None:
    site.configure(anonymize_pii=False)
    waiting, restore = waiting_with_code(site)
    withdraw(site.runtime, waiting, ADMIN, WHY)
    write_head(site.runtime)
    site.runtime = restore()
    answer_restored(site.runtime, OpenPeriod.UNSENT, ADMIN)
    site.configure(anonymize_pii=True)
    release(site.runtime, waiting, ADMIN, WHY)
    assert [payload.customer_id for payload in site.server.payloads()] == [pseudonym(API_KEY, CUSTOMER)]


def test_what_waits_after_a_restore_is_released_by_no_notice(site: Site, server: LicenseServer) -> None:
    """Not even if someone writes into its row that its notice is over."""
    waiting, restore = waiting_with_code(site)
    withdraw(site.runtime, waiting, ADMIN, WHY)
    write_head(site.runtime)
    old = restore()
    answer_restored(old, OpenPeriod.UNSENT, ADMIN)
    with old.database.write() as tx:
        tx.transmissions.wait_until(waiting, site.clock.now())
    assert wake(old).attempts == 0
    assert server.journal() == ()
    assert read_now(old, read_transmission, waiting).transmission.state is State.AWAITING_RELEASE


def test_a_run_that_came_due_is_made_up_for_once_it_is_answered(site: Site, server: LicenseServer) -> None:
    old = restored_after_a_send(site)
    site.clock.set(site.next_run_at())
    assert wake(old).tick == "restored"
    answer_restored(old, OpenPeriod.SENT, ADMIN)
    site.clock.advance(minutes=1)
    assert len(server.journal()) == 1
    site.report(usage(2))
    site.tick()
    assert accepted_events(server) == 9


def test_the_ledger_says_that_it_was_restored_and_who_answered(site: Site) -> None:
    old = restored_after_a_send(site)
    answer_restored(old, OpenPeriod.SENT, ADMIN)
    held, answered = [entry for entry in entries(old.database) if entry.kind == "restored"]
    assert (held.actor, held.details) == ("deployment", {"reason": "head_file"})
    assert (answered.actor, answered.details["open_period"]) == (ADMIN.label, "sent")
    assert len(answered.details["missing"]) == 1, "it names the entry that the copy lacks"
    with pytest.raises(NotRestoredError):
        answer_restored(old, OpenPeriod.SENT, ADMIN)


def test_the_question_outlives_a_restart(site: Site) -> None:
    restored_after_a_send(site)
    again = site.open()
    assert read_now(again, read_health).health.code == "restored"
    assert len([entry for entry in entries(again.database) if entry.kind == "restored"]) == 1


def test_a_backup_that_is_no_older_than_the_file_asks_nothing(site: Site) -> None:
    write_head(site.runtime)
    restore = backed_up(site)
    assert read_now(restore(), read_health).health.code != "restored"


def test_without_a_file_an_anchor_shows_that_the_backup_is_old(site: Site, tmp_path: Path) -> None:
    site.report(usage(7))
    restore = backed_up(site)
    send(site)
    write_head(site.runtime)
    head = read_head(site.runtime)
    assert head is not None
    (tmp_path / "ledger-head").unlink()
    old = restore()
    assert read_now(old, read_health).health.code != "restored"
    assert not notice_restored(old, f"{1}:{first_entry(old)}")
    assert notice_restored(old, f"{head.seq}:{head.sha256}")
    assert notice_restored(old, head.sha256)
    with pytest.raises(RestoredError):
        send_now(old, ADMIN, None)


def first_entry(runtime: Runtime) -> str:
    with runtime.database.read() as tx:
        return digest_of(tx.ledger.lines(0, 1)[0].line)


def test_a_new_database_is_no_copy_of_the_one_that_the_file_knows(
    site: Site, run_databases: RunDatabases, tmp_path: Path
) -> None:
    send(site)
    write_head(site.runtime)
    folder = tmp_path / "new"
    folder.mkdir()
    new = site.open(replica=replace(site.replica, database_url=run_databases.sqlite(folder)))
    assert read_now(new, read_health).health.code != "restored"


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"1 2\n", b"-1 " + b"0" * 64 + b"\n", b"7" * 10_000])
def test_a_file_that_cannot_be_read_checks_nothing(site: Site, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ledger-head").write_bytes(content)
    assert read_head(site.runtime) is None
    assert read_now(site.open(), read_health).health.code != "restored"
