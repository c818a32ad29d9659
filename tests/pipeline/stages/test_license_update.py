"""What an acceptance says besides: the receipt, and the license as the License Server knows it."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.facts import LicensePosture, LicenseSource
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.transmissions import State
from telemetry_service.log.events import Event
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.facts import read_license
from telemetry_service.pipeline.queries.history import TransmissionDetail
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.reference.receipts import Receipt, ReceiptSigner, load_signer
from tests.support import faults
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.fault_server import Mode, Visit
from tests.support.ledger import entries
from tests.support.license_server import Trouble, reset
from tests.support.log_lines import lines_in, lines_of
from tests.support.site import Replica, Site, usage

NEWS = {"tier": "enterprise", "license_status": "grace", "expires_at": "2027-01-01T01:00:00+01:00"}
EXPIRES = datetime(2027, 1, 1, tzinfo=UTC)
REPORTED = LicensePosture(
    tier=Tier.STARTER,
    license_status=LicenseStatus.ACTIVE,
    expires_at=datetime(2026, 12, 1, tzinfo=UTC),
    token_issued_at=datetime(2026, 10, 1, tzinfo=UTC),
    token_expires_at=datetime(2027, 10, 1, tzinfo=UTC),
    token_refreshed_at=datetime(2026, 11, 1, tzinfo=UTC),
)


def posture(site: Site) -> LicensePosture:
    return read_now(site.runtime, read_license).posture


def send(site: Site) -> TransmissionDetail:
    return send_now(site.runtime, ADMIN, None)


def pin(site: Site, public_key: str) -> None:
    """Restart with a License Server's key pinned; payloads go out in clear, so that a test can sign for them."""
    replica = site.replica
    site.runtime = site.open(replica=Replica(replica.database_url, replica.base_url, replica.ca_file, public_key))
    site.configure(encrypt_payload=False)


def accept_and_sign(
    signer: ReceiptSigner,
    signed: Mapping[str, object] | None = NEWS,
    unsigned: Mapping[str, object] | None = NEWS,
    moment: str = "2026-11-03T10:00:00.000Z",
) -> Mode:
    """Accept, sign the license with the payload that has arrived, and add an unsigned one outside the receipt."""

    def mode(visit: Visit) -> None:
        visit.secure()
        request = visit.read_request()
        transmission_id = UUID(request.headers["x-telemetry-id"])
        digest = hashlib.sha256(request.body).hexdigest()
        receipt = signer.sign(Receipt(transmission_id, digest, moment, signed))
        visit.send(faults.response(200, faults.acceptance(request, receipt=receipt, license=unsigned)))

    return mode


def test_the_license_of_an_acceptance_is_taken_over_and_the_rest_of_the_posture_stays(site: Site) -> None:
    report_license(site.runtime, REPORTED, OPS)
    site.server.server.mode = faults.accept_with(license=NEWS)
    assert send(site).transmission.state is State.SUCCESS
    updated = {"tier": Tier.ENTERPRISE, "license_status": LicenseStatus.GRACE, "expires_at": EXPIRES}
    assert posture(site) == REPORTED.model_copy(update=updated)


def test_the_license_of_an_acceptance_is_taken_over_although_none_was_reported(site: Site) -> None:
    site.server.server.mode = faults.accept_with(license=NEWS)
    send(site)
    assert posture(site) == LicensePosture(tier=Tier.ENTERPRISE, license_status=LicenseStatus.GRACE, expires_at=EXPIRES)


def test_an_acceptance_without_a_license_leaves_the_posture_as_it_was(site: Site) -> None:
    report_license(site.runtime, REPORTED, OPS)
    send(site)
    assert posture(site) == REPORTED


def test_with_a_pinned_key_the_news_of_a_signed_acceptance_are_believed(site: Site, tmp_path: Path) -> None:
    signer = load_signer(tmp_path / "pinned.pem")
    pin(site, signer.public_key)
    site.server.server.mode = accept_and_sign(signer)
    assert send(site).receipt_verified is True
    assert posture(site).tier is Tier.ENTERPRISE


@ON_BOTH
def test_with_a_pinned_key_only_the_news_that_the_receipt_itself_says_are_believed(site: Site, tmp_path: Path) -> None:
    signer = load_signer(tmp_path / "pinned.pem")
    pin(site, signer.public_key)
    report_license(site.runtime, REPORTED, OPS)
    site.server.server.mode = accept_and_sign(signer, signed=None)
    assert send(site).receipt_verified is True
    assert posture(site) == REPORTED
    site.server.server.mode = accept_and_sign(signer, signed=NEWS | {"tier": "starter"}, unsigned=NEWS)
    assert send(site).receipt_verified is True
    assert (posture(site).tier, posture(site).license_status) == (Tier.STARTER, LicenseStatus.GRACE)
    site.server.server.mode = accept_and_sign(signer, signed=NEWS, unsigned=None)
    assert send(site).receipt_verified is True
    assert posture(site).tier is Tier.ENTERPRISE


def test_news_that_were_signed_before_what_is_known_are_ignored(site: Site, tmp_path: Path) -> None:
    """A repeated receipt has the license of its first time; whatever came since, also from elsewhere, is newer."""
    signer = load_signer(tmp_path / "pinned.pem")
    pin(site, signer.public_key)

    def accept(tier: str, days: int) -> Tier:
        moment = rfc3339(site.clock.now() + timedelta(days=days))
        site.server.server.mode = accept_and_sign(signer, NEWS | {"tier": tier}, None, moment)
        assert send(site).receipt_verified is True
        return posture(site).tier

    assert accept("enterprise", days=-9) is Tier.ENTERPRISE
    assert accept("starter", days=-10) is Tier.ENTERPRISE
    assert accept("starter", days=-8) is Tier.STARTER
    assert accept("starter", days=-3) is Tier.STARTER
    assert accept("enterprise", days=-5) is Tier.STARTER, "the same news again are newer ones"
    report_license(site.runtime, REPORTED, OPS)
    assert accept("enterprise", days=-1) is Tier.STARTER, "it was reported since"
    assert accept("enterprise", days=0) is Tier.ENTERPRISE
    assert accept("starter", days=+99) is Tier.STARTER
    assert accept("enterprise", days=0) is Tier.ENTERPRISE, "a clock that is ahead decides nothing"


def test_what_an_acceptance_carries_that_cannot_be_taken_is_noted_in_the_log_by_its_token(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.server.server.mode = faults.accept_with(license={"tier": "gold", "license_status": "active"}, receipt="")
    assert send(site).transmission.state is State.SUCCESS
    said = [entry.details for entry in entries(site.runtime.database) if entry.kind == Kind.ANSWERED]
    assert said[-1]["notes"] == ["receipt_dropped", "license_value_unknown"]
    assert posture(site).tier is Tier.UNKNOWN
    notes = [line["note"] for line in lines_of(caplog, Event.RESPONSE_PARTLY_IGNORED)]
    assert {"receipt_dropped", "license_value_unknown"} <= set(notes)
    assert "gold" not in caplog.text + str(lines_in(caplog))
    signer = load_signer(tmp_path / "pinned.pem")
    pin(site, signer.public_key)
    site.server.server.mode = accept_and_sign(signer, signed=None)
    send(site)
    assert lines_of(caplog, Event.RESPONSE_PARTLY_IGNORED)[-1]["note"] == "license_unsigned"


def test_with_a_pinned_key_the_news_of_an_acceptance_that_another_key_signed_are_not_believed(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pin(site, load_signer(tmp_path / "pinned.pem").public_key)
    report_license(site.runtime, REPORTED, OPS)
    site.server.server.mode = accept_and_sign(load_signer(tmp_path / "another.pem"))
    accepted = send(site)
    assert (accepted.transmission.state, accepted.receipt_verified) == (State.SUCCESS, False)
    [line] = lines_of(caplog, Event.RECEIPT_NOT_VERIFIED)
    assert line["transmission_id"] == str(accepted.transmission.transmission_id)
    assert posture(site) == REPORTED


def test_with_a_pinned_key_the_news_of_an_acceptance_without_a_receipt_are_not_believed(
    site: Site, tmp_path: Path
) -> None:
    pin(site, load_signer(tmp_path / "pinned.pem").public_key)
    report_license(site.runtime, REPORTED, OPS)
    site.server.server.mode = faults.accept_with(license=NEWS)
    accepted = send(site)
    assert (accepted.transmission.state, accepted.transmission.receipt) == (State.SUCCESS, None)
    assert accepted.receipt_verified is False
    assert posture(site) == REPORTED


@pytest.mark.parametrize("encrypt", [True, False])
def test_the_receipt_for_an_earlier_attempt_of_a_transmission_is_one_for_it(site: Site, encrypt: bool) -> None:  # noqa: FBT001
    """Its response was lost. The License Server signs what it has, which contains the time of the earlier attempt."""
    pin(site, site.server.public_key)
    site.configure(encrypt_payload=encrypt)
    site.report(usage(5))
    site.server.trouble(Trouble(after=reset))
    lost = send(site).transmission
    site.clock.advance(minutes=5)
    site.server.trouble()
    accepted = retry(site.runtime, lost.transmission_id, ADMIN)
    assert accepted.transmission.receipt is not None
    assert accepted.receipt_verified is True


def test_the_license_says_who_reported_it_last_and_when(site: Site) -> None:
    before = read_now(site.runtime, read_license)
    assert (before.source, before.updated_at) == (None, None)
    report_license(site.runtime, REPORTED, OPS)
    reported = read_now(site.runtime, read_license)
    assert (reported.source, reported.updated_at) == (LicenseSource.REPORTED, site.clock.now())
    site.clock.advance(hours=1)
    report_license(site.runtime, REPORTED, OPS)
    assert read_now(site.runtime, read_license) == reported, "repeating a report changes nothing"
    site.server.server.mode = faults.accept_with(license=NEWS)
    send(site)
    unsigned = read_now(site.runtime, read_license)
    assert (unsigned.source, unsigned.updated_at) == (LicenseSource.LICENSE_SERVER, site.clock.now())
    site.clock.advance(hours=1)
    send(site)
    assert read_now(site.runtime, read_license) == unsigned


@ON_BOTH
def test_a_report_changes_only_what_it_names(site: Site) -> None:
    report_license(site.runtime, REPORTED, OPS)
    renewed = LicensePosture(tier=Tier.ENTERPRISE, license_status=LicenseStatus.ACTIVE, expires_at=EXPIRES)
    report_license(site.runtime, renewed, OPS)
    changed = {"tier": Tier.ENTERPRISE, "expires_at": EXPIRES}
    assert posture(site) == REPORTED.model_copy(update=changed)
    removed = LicensePosture(tier=Tier.ENTERPRISE, license_status=LicenseStatus.ACTIVE, expires_at=None)
    report_license(site.runtime, removed, OPS)
    assert posture(site) == REPORTED.model_copy(update={"tier": Tier.ENTERPRISE, "expires_at": None})
