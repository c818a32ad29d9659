"""A pinned key: what no valid receipt says is not believed, and under TELEMETRY_REQUIRE_RECEIPT not even accepted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import MayHaveArrivedError, ReasonRefusedError, ReceiptNotMissingError
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.accept_without_receipt import accept_without_receipt
from telemetry_service.pipeline.actions.release import withdraw
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.facts import read_license
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.reference.receipts import ReceiptSigner, load_signer
from tests.pipeline.stages.test_license_update import NEWS, accept_and_sign
from tests.pipeline.test_rows_put_back import prepared, write
from tests.support import faults
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.license_server import LicenseServer
from tests.support.reckoning import Amount, reckon
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site, usage
from tests.support.tampering import LOGS

WHY = "Support confirmed that they have it"


@pytest.fixture
def pinned(tmp_path: Path) -> ReceiptSigner:
    """The key that the deployment pins."""
    return load_signer(tmp_path / "pinned.pem")


@pytest.fixture
def forger(tmp_path: Path) -> ReceiptSigner:
    """A key that it does not."""
    return load_signer(tmp_path / "forger.pem")


@pytest.fixture
def site(database_url: str, clock: SharedClock, server: LicenseServer, pinned: ReceiptSigner) -> Iterator[Site]:
    """A site that accepts nothing without a receipt."""
    key = pinned.public_key
    replica = Replica(database_url, server.server.url, server.server.ca_pem_path, key, require_receipt=True)
    made = Site(replica, clock, server)
    made.configure(encrypt_payload=False)
    yield made
    made.close()


def send(site: Site) -> TransmissionDetail:
    site.report(usage())
    return send_now(site.runtime, ADMIN, None)


def waits_for_its_receipt(site: Site, detail: TransmissionDetail) -> bool:
    transmission, health = detail.transmission, read_now(site.runtime, read_health).health
    state = (transmission.state, transmission.cause, transmission.next_attempt_at)
    assert (health.status, health.code) == (HealthStatus.WARNING, "receipt_missing")
    return state == (State.HELD, Cause.RECEIPT_MISSING, None)


def tier(site: Site) -> str:
    return read_now(site.runtime, read_license).posture.tier.value


def test_an_acceptance_with_a_valid_receipt_is_one(site: Site, pinned: ReceiptSigner) -> None:
    site.server.server.mode = accept_and_sign(pinned)
    detail = send(site)
    assert (detail.transmission.state, detail.receipt_verified, tier(site)) == (State.SUCCESS, True, "enterprise")


@ON_BOTH
def test_an_acceptance_without_a_receipt_waits_and_what_it_says_of_the_license_is_not_believed(site: Site) -> None:
    site.server.server.mode = faults.accept_with(license=NEWS)
    assert waits_for_its_receipt(site, send(site))
    assert tier(site) == "unknown"


@ON_BOTH
def test_a_forged_receipt_waits_and_stays_in_the_ledger_as_it_came(site: Site, forger: ReceiptSigner) -> None:
    site.server.server.mode = accept_and_sign(forger)
    assert waits_for_its_receipt(site, send(site))
    assert tier(site) == "unknown"
    answered = [entry for entry in entries(site.runtime.database) if entry.kind == "answered"]
    assert (answered[-1].details["state"], answered[-1].details["cause"]) == ("held", "receipt_missing")
    assert answered[-1].details["receipt"].count(".") == 2


@ON_BOTH
def test_m1_an_altered_license_block_is_not_believed(site: Site, pinned: ReceiptSigner) -> None:
    site.server.server.mode = accept_and_sign(pinned, signed=NEWS | {"tier": "starter"}, unsigned=NEWS)
    send(site)
    assert tier(site) == "starter"


def test_no_run_asks_again_but_retry_does_and_the_receipt_ends_the_waiting(site: Site, pinned: ReceiptSigner) -> None:
    site.server.server.mode = faults.accept_with()
    waiting = send(site)
    site.server.server.mode = accept_and_sign(pinned)
    site.tick()
    with open_snapshot(site.runtime) as snapshot:
        assert waits_for_its_receipt(site, read_transmission(snapshot, waiting.transmission.transmission_id))
    detail = retry(site.runtime, waiting.transmission.transmission_id, ADMIN)
    assert (detail.transmission.state, detail.receipt_verified) == (State.SUCCESS, True)


@ON_BOTH
def test_an_administrator_accepts_one_without_a_receipt_and_says_why(site: Site) -> None:
    site.redeem("code-1")
    site.server.server.mode = faults.accept_with()
    transmission_id = send(site).transmission.transmission_id
    with pytest.raises(ReasonRefusedError):
        accept_without_receipt(site.runtime, transmission_id, ADMIN, " ")
    for _ in range(2):
        detail = accept_without_receipt(site.runtime, transmission_id, ADMIN, WHY)
        assert detail.transmission.state is State.SUCCESS
    said = [entry for entry in entries(site.runtime.database) if entry.kind == "accepted_without_receipt"]
    assert [(entry.actor, entry.details["reason"]) for entry in said] == [(ADMIN.label, WHY)]
    with open_snapshot(site.runtime) as snapshot:
        assert prove(snapshot, read_transmission(snapshot, transmission_id)).findings == ()
    assert read_now(site.runtime, read_health).health.code != "receipt_missing"


def test_only_what_waits_for_a_receipt_is_accepted_without_one(site: Site, pinned: ReceiptSigner) -> None:
    site.server.server.mode = accept_and_sign(pinned)
    accepted = send(site).transmission.transmission_id
    with pytest.raises(ReceiptNotMissingError):
        accept_without_receipt(site.runtime, accepted, ADMIN, WHY)


def test_what_only_its_row_calls_waiting_for_a_receipt_is_not_accepted_without_one(site: Site) -> None:
    never_sent = prepared(site)
    write(site, f"UPDATE {LOGS} SET state = 'held', cause = 'receipt_missing', next_attempt_at = NULL")  # noqa: S608 - ours
    with pytest.raises(ReceiptNotMissingError):
        accept_without_receipt(site.runtime, never_sent, ADMIN, WHY)


def test_what_waits_for_its_receipt_cannot_be_withdrawn_and_still_counts_as_waiting(site: Site) -> None:
    site.server.server.mode = faults.accept_with()
    transmission_id = send(site).transmission.transmission_id
    with pytest.raises(MayHaveArrivedError):
        withdraw(site.runtime, transmission_id, ADMIN, WHY)
    assert reckon(site.replica.database_url, ()).waiting == Amount(10)


@ON_BOTH
def test_where_none_is_required_it_is_accepted_not_believed_and_a_warning(
    site: Site, forger: ReceiptSigner, pinned: ReceiptSigner
) -> None:
    site.runtime = site.open(replica=replace(site.replica, require_receipt=False))
    site.server.server.mode = accept_and_sign(forger)
    detail = send(site)
    assert (detail.transmission.state, detail.receipt_verified, tier(site)) == (State.SUCCESS, False, "unknown")
    health = read_now(site.runtime, read_health).health
    assert (health.status, health.code) == (HealthStatus.WARNING, "receipt_missing")
    site.server.server.mode = accept_and_sign(pinned)
    send(site)
    assert read_now(site.runtime, read_health).health.status is HealthStatus.HEALTHY
