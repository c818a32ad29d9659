"""A bundle from the export to its receipts: each payload is counted once, however often and late it is carried."""

import json
import logging
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from telemetry_service.domain.bundle import Bundle
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.configuration import Delivery
from telemetry_service.domain.errors import (
    BundlesOnlyError,
    KeyUnusableError,
    NoBundlesError,
    NotConfiguredError,
    NothingToExportError,
    ReceiptKeyMissingError,
    TelemetryDisabledError,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import HealthStatus, TelemetryAvailability, Tier
from telemetry_service.domain.receipt import claims_of_receipt
from telemetry_service.domain.receipts_file import ImportReport, ImportResult, ReceiptsFile, read_receipts_file
from telemetry_service.domain.transmissions import AttemptTrigger, State, Status
from telemetry_service.log.events import Event
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import remove_api_key, set_api_key
from telemetry_service.pipeline.actions.export_bundle import export_bundle
from telemetry_service.pipeline.actions.import_receipts import import_receipts
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.facts import read_license
from telemetry_service.pipeline.queries.health import HealthReport, read_health
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.reference.intake import Taken
from telemetry_service.sealing.identity import key_id
from tests.pipeline.test_rows_put_back import write
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.log_lines import lines_of
from tests.support.site import Replica, Site, usage
from tests.support.tampering import LOGS

NEW_KEY = "ck_test_new_9Hq2LmZx7RtWc4Kd"


def waiting(site: Site, events: int = 10) -> UUID:
    """Close a period with this many events; nothing is sent."""
    site.report(usage(events))
    return send_now(site.runtime, ADMIN, None).transmission.transmission_id


def detail(site: Site, transmission_id: UUID) -> TransmissionDetail:
    return read_now(site.runtime, read_transmission, transmission_id)


def export(site: Site) -> Bundle:
    return export_bundle(site.runtime, ADMIN)


def imported(site: Site, taken: Taken) -> ImportReport:
    return import_receipts(site.runtime, read_receipts_file(taken.content), ADMIN)


def results(report: ImportReport) -> list[ImportResult]:
    return [token.result for token in report.tokens]


def health(site: Site) -> HealthReport:
    return read_now(site.runtime, read_health)


def is_proved(site: Site, transmission_id: UUID) -> bool:
    with open_snapshot(site.runtime) as snapshot:
        return prove(snapshot, read_transmission(snapshot, transmission_id)).holds


@ON_BOTH
def test_a_bundle_that_is_carried_for_a_month_is_accepted_once(site: Site, server: LicenseServer) -> None:
    site.redeem("EXT-1")
    sent = waiting(site, 7)
    bundle = export(site)
    assert detail(site, sent).transmission.state is State.EXPORTED
    site.clock.advance(days=30)
    first, second = server.take(bundle.content), server.take(bundle.content)
    assert (first.duplicates, second.duplicates) == (0, 1)
    (entry,) = server.journal()
    assert (entry.transmission_id, entry.times_received, entry.conflicts) == (sent, 2, 0)
    assert results(imported(site, second)) == [ImportResult.ACCEPTED]
    after = detail(site, sent)
    assert (after.transmission.state, after.receipt_verified) == (State.SUCCESS, True)
    assert [a.state for a in after.attempts] == [State.SUCCESS]
    assert is_proved(site, sent)
    assert results(imported(site, first)) == [ImportResult.KNOWN]
    with pytest.raises(NothingToExportError):
        export(site)


def test_a_receipt_counts_although_the_row_says_for_a_moment_that_it_was_imported(
    site: Site, server: LicenseServer
) -> None:
    sent = waiting(site)
    taken = server.take(export(site).content)
    write(site, f"UPDATE {LOGS} SET state = 'success', accepted_at = created_at")  # noqa: S608 - ours
    assert results(imported(site, taken)) == [ImportResult.ACCEPTED]
    write(site, f"UPDATE {LOGS} SET state = 'exported', accepted_at = NULL")  # noqa: S608 - ours
    assert not is_proved(site, sent)
    with pytest.raises(NothingToExportError):
        export(site)


def test_no_bundle_has_a_customer_id_once_anonymization_is_on(site: Site, server: LicenseServer) -> None:
    site.configure(anonymize_pii=False)
    waiting(site)
    write(site, f"UPDATE {LOGS} SET state = 'success'")  # noqa: S608 - ours
    site.configure(anonymize_pii=True)
    write(site, f"UPDATE {LOGS} SET state = 'pending'")  # noqa: S608 - ours
    server.take(export(site).content)
    (entry,) = server.journal()
    assert CUSTOMER.encode() not in entry.payload


def test_an_export_is_an_attempt_whose_bytes_are_kept(site: Site) -> None:
    sent = waiting(site)
    bundle = export(site)
    (member,) = json.loads(bundle.content)["transmissions"]
    (attempt,) = detail(site, sent).attempts
    assert (attempt.trigger, attempt.state, attempt.may_have_arrived) == (
        AttemptTrigger.BUNDLE,
        State.EXPORTED,
        True,
    )
    assert (member["id"], member["timestamp"], member["key_id"]) == (str(sent), attempt.timestamp, attempt.key_id)
    with open_snapshot(site.runtime) as snapshot:
        proof = prove(snapshot, read_transmission(snapshot, sent))
    assert proof.holds
    body = proof.body_of(attempt)
    assert body is not None
    assert proof.headers_of(attempt)["X-Telemetry-Signature"] == member["signature"]


def test_ledger_and_log_say_what_was_exported_and_imported_and_by_whom(
    site: Site, server: LicenseServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sent = waiting(site)
    bundle = export(site)
    imported(site, server.take(bundle.content))
    [exported_line], [imported_line] = (
        lines_of(caplog, event) for event in (Event.BUNDLE_EXPORTED, Event.RECEIPTS_IMPORTED)
    )
    assert (exported_line["actor"], exported_line["transmissions"]) == (ADMIN.label, 1)
    assert imported_line["actor"] == ADMIN.label
    noted = entries(site.runtime.database)[-4:]
    assert [entry.kind for entry in noted] == ["attempt", "exported", "answered", "imported"]
    assert noted[1].details["bundle_sha256"] == bundle.sha256
    assert {noted[1].actor, noted[3].actor} == {ADMIN.label}
    assert noted[0].transmission_id == noted[2].transmission_id == sent


def test_nothing_is_sent_by_a_run_and_every_period_is_closed_on_schedule(site: Site) -> None:
    for _ in range(3):
        site.report(usage(5))
        report = site.tick()
        assert (report.tick, report.attempts) == ("prepared", 0)
    assert wake(site.runtime).attempts == 0
    assert len(json.loads(export(site).content)["transmissions"]) == 3


def test_retry_and_the_connection_test_say_that_payloads_leave_in_bundles(site: Site) -> None:
    sent = waiting(site)
    for refused in (
        lambda: retry(site.runtime, sent, ADMIN),
        lambda: retry_failed(site.runtime, ADMIN),
        lambda: check_connection(site.runtime, ADMIN),
        lambda: check_connection(site.runtime, ADMIN, NEW_KEY),
    ):
        with pytest.raises(BundlesOnlyError, match="bundle"):
            refused()
    assert site.runtime.client is None


@ON_BOTH
def test_a_revoked_key_is_named_and_the_payload_is_accepted_once_under_the_new_one(
    site: Site, server: LicenseServer
) -> None:
    sent = waiting(site)
    under_the_old_key = export(site)
    server.store.revoke_key(key_id(API_KEY))
    refused = server.take(under_the_old_key.content)
    assert refused.codes == {str(sent): "key-revoked"}
    (token,) = imported(site, refused).tokens
    assert (token.transmission_id, token.result, token.code) == (sent, ImportResult.REFUSED, "key-revoked")
    held = detail(site, sent)
    assert (held.transmission.state, held.transmission.cause) == (State.HELD, Cause.API_KEY_NOT_ACCEPTED)
    assert held.texts.cause is not None
    assert held.texts.cause.next_step.endswith("Then export a new bundle.")
    server.store.add_key(NEW_KEY, CUSTOMER)
    set_api_key(site.runtime, NEW_KEY, ADMIN)
    taken = server.take(export(site).content)
    assert results(imported(site, refused)) == [ImportResult.KNOWN]
    assert results(imported(site, taken)) == [ImportResult.ACCEPTED]
    assert [entry.times_received for entry in server.journal()] == [1]
    assert is_proved(site, sent)


def test_a_payload_prepared_under_a_mistyped_key_is_accepted_once_its_customer_was_refused(
    site: Site, server: LicenseServer
) -> None:
    set_api_key(site.runtime, "mistyped-key-0123456789", ADMIN)
    sent = waiting(site)
    imported(site, server.take(export(site).content))
    set_api_key(site.runtime, API_KEY, ADMIN)
    refused = server.take(export(site).content)
    assert refused.codes == {str(sent): "customer-mismatch"}
    imported(site, refused)
    assert results(imported(site, server.take(export(site).content))) == [ImportResult.ACCEPTED]
    assert [(entry.times_received, entry.conflicts) for entry in server.journal()] == [(1, 0)]
    assert is_proved(site, sent)


@ON_BOTH
def test_a_refusal_that_names_no_attempt_is_believed_once(site: Site, server: LicenseServer) -> None:
    sent = waiting(site)
    export(site)
    bare = server.sign_claims({"transmission_id": str(sent), "code": "key-unknown"})
    file = ReceiptsFile(refused=(bare,))
    assert results(import_receipts(site.runtime, file, ADMIN)) == [ImportResult.REFUSED]
    export(site)
    assert results(import_receipts(site.runtime, file, ADMIN)) == [ImportResult.KNOWN]
    assert detail(site, sent).transmission.state is State.EXPORTED


def test_a_refusal_of_an_earlier_export_leaves_the_later_one_waiting(site: Site, server: LicenseServer) -> None:
    sent = waiting(site)
    server.store.revoke_key(key_id(API_KEY))
    early = server.take(export(site).content)
    site.clock.advance(days=1)
    export(site)
    assert results(imported(site, early)) == [ImportResult.REFUSED]
    after = detail(site, sent)
    assert after.transmission.state is State.EXPORTED
    assert [a.state for a in after.attempts] == [State.HELD, State.EXPORTED]


@ON_BOTH
def test_receipts_are_imported_in_parts_and_in_any_order(site: Site, server: LicenseServer) -> None:
    sent = [waiting(site, events) for events in (1, 2, 3)]
    taken = server.take(export(site).content)
    last, *others = reversed(taken.receipts)
    assert import_receipts(site.runtime, ReceiptsFile(receipts=(last,)), ADMIN).accepted == 1
    assert [detail(site, it).transmission.state for it in sent] == [State.EXPORTED, State.EXPORTED, State.SUCCESS]
    assert import_receipts(site.runtime, ReceiptsFile(receipts=(*others, last)), ADMIN).accepted == 2


@ON_BOTH
def test_of_the_news_about_the_license_the_ones_that_were_signed_last_win(site: Site, server: LicenseServer) -> None:
    sent = [waiting(site), waiting(site)]
    export(site)

    def receipt(transmission_id: UUID, tier: str, days_ago: int) -> ReceiptsFile:
        (attempt,) = detail(site, transmission_id).attempts
        claims = {"transmission_id": str(transmission_id), "payload_sha256": attempt.payload_sha256}
        moment = rfc3339(site.clock.now() - timedelta(days=days_ago))
        news = {"tier": tier, "license_status": "active"}
        return ReceiptsFile(receipts=(server.sign_claims({**claims, "received_at": moment, "license": news}),))

    site.clock.advance(days=30)
    for file in (receipt(sent[0], "enterprise", 3), receipt(sent[1], "gold", 9)):
        assert results(import_receipts(site.runtime, file, ADMIN)) == [ImportResult.ACCEPTED]
    assert read_now(site.runtime, read_license).posture.tier is Tier.ENTERPRISE
    said = [entry.details for entry in entries(site.runtime.database) if entry.kind == Kind.ANSWERED]
    assert [line.get("notes") for line in said[-2:]] == [None, ["license_value_unknown"]]


@ON_BOTH
def test_forged_foreign_and_malformed_receipts_are_refused_one_by_one(site: Site, server: LicenseServer) -> None:
    waiting(site)
    (genuine,) = server.take(export(site).content).receipts
    unknown = {"transmission_id": str(UUID(int=7)), "payload_sha256": "0" * 64, "received_at": "2026-11-28T00:00:00Z"}
    header, claims, signature = genuine.split(".")
    file = ReceiptsFile(
        receipts=(
            "not a receipt",
            f"{header}.{claims}.{signature[:-4]}AAAA",
            server.sign_claims(unknown),
            server.sign_claims({**unknown, "transmission_id": str(sent_id(genuine))}),
            server.sign_claims({**unknown, "note": "anything"}),
            genuine,
        ),
        refused=(genuine, server.sign_claims({"transmission_id": str(UUID(int=7)), "code": "key-unknown"})),
    )
    report = import_receipts(site.runtime, file, ADMIN)
    assert results(report) == [
        ImportResult.MALFORMED,
        ImportResult.FORGED,
        ImportResult.FOREIGN,
        ImportResult.NOT_SENT,
        ImportResult.MALFORMED,
        ImportResult.ACCEPTED,
        ImportResult.MALFORMED,
        ImportResult.FOREIGN,
    ]
    assert (report.accepted, report.refused, report.known, report.ignored) == (1, 0, 0, 7)
    assert all(token.sentence.startswith("Ignored") for token in report.tokens if token.result.value != "accepted")


def sent_id(receipt: str) -> UUID:
    claims = claims_of_receipt(receipt)
    assert claims is not None
    return UUID(claims["transmission_id"])


def test_an_import_that_changes_nothing_leaves_no_entry(site: Site, server: LicenseServer) -> None:
    waiting(site)
    taken = server.take(export(site).content)
    imported(site, taken)
    before = len(entries(site.runtime.database))
    imported(site, taken)
    import_receipts(site.runtime, ReceiptsFile(receipts=("nonsense",)), ADMIN)
    assert len(entries(site.runtime.database)) == before


def test_without_a_pinned_key_no_receipt_is_imported(site: Site, replica: Replica) -> None:
    unpinned = site.open(replica=replace(replica, public_key=None))
    with pytest.raises(ReceiptKeyMissingError):
        import_receipts(unpinned, ReceiptsFile(), ADMIN)


def test_nothing_is_exported_while_telemetry_is_off_or_no_key_is_saved(site: Site) -> None:
    waiting(site)
    remove_api_key(site.runtime, ADMIN)
    with pytest.raises(NotConfiguredError):
        export(site)
    site.configure(enabled=False)
    with pytest.raises(TelemetryDisabledError):
        export(site)


def test_nothing_is_exported_while_payloads_are_sent_online(
    site: Site, replica: Replica, server: LicenseServer
) -> None:
    sent = waiting(site)
    export(site)
    changed = replace(replica, base_url=server.server.url, ca_file=server.server.ca_pem_path, delivery=Delivery.ONLINE)
    online = site.open(replica=changed)
    with pytest.raises(NoBundlesError):
        export_bundle(online, ADMIN)
    assert wake(online).attempts == 0
    site.clock.set(site.next_run_at())
    assert wake(online).attempts == 2
    assert detail(site, sent).transmission.state is State.SUCCESS
    assert server.journal()[0].times_received == 1


@ON_BOTH
def test_a_payload_that_was_changed_leaves_in_no_bundle(site: Site) -> None:
    changed, right = waiting(site), waiting(site)
    with site.runtime.database.write() as tx:
        tx.transmissions.prepare_again(changed, "0" * 64)
    (member,) = json.loads(export(site).content)["transmissions"]
    assert member["id"] == str(right)
    assert detail(site, changed).transmission.cause is Cause.PAYLOAD_CHANGED


def test_what_was_never_exported_comes_first_and_a_full_bundle_says_what_is_left(site: Site) -> None:
    first = waiting(site)
    export(site)
    site.clock.advance(hours=1)
    second = waiting(site)
    both = export(site)
    assert [it.transmission.transmission_id for it in both.exported] == [second, first]
    with site.runtime.database.read() as tx:
        assert tx.transmissions.to_export(site.clock.now(), 1) == (first,)
        assert tx.transmissions.count_to_export() == 2
    assert both.left == 0


def test_health_and_availability_know_what_waits_for_a_bundle_and_what_for_a_receipt(
    site: Site, server: LicenseServer
) -> None:
    waiting(site)
    assert health(site).health.code == "waiting_export"
    taken = server.take(export(site).content)
    report = health(site)
    assert (report.health.status, report.health.code) == (HealthStatus.WARNING, "waiting_receipts")
    assert (report.waiting, report.connected) == (1, None)
    imported(site, taken)
    assert health(site).health.status is HealthStatus.HEALTHY
    assert availability_sent(site, server) is TelemetryAvailability.AVAILABLE
    export(site)
    assert availability_sent(site, server) is TelemetryAvailability.AVAILABLE


def availability_sent(site: Site, server: LicenseServer) -> TelemetryAvailability:
    """Export one more payload, and return what it says."""
    waiting(site)
    server.take(export(site).content)
    return server.payloads()[-1].telemetry_availability


def test_an_exported_payload_says_that_it_waits_for_its_receipt(site: Site) -> None:
    sent = waiting(site)
    words = detail(site, sent).texts
    assert words.note == "sent with the next bundle"
    export(site)
    shown = detail(site, sent)
    assert shown.transmission.status is Status.PENDING
    assert shown.texts.note == "exported; waiting for its receipt"
    assert not shown.texts.can_retry
    assert shown.texts.next_attempt_at is None


def test_the_summary_names_everything_that_leaves(site: Site) -> None:
    sent = waiting(site, 12)
    bundle = export(site)
    for said in (bundle.sha256, str(sent), "Records: 12", "encrypted", bundle.exported[0].body_sha256):
        assert said in bundle.summary
    assert bundle.content.isascii()


def test_an_unusable_key_exports_nothing(site: Site, replica: Replica) -> None:
    waiting(site)
    other = site.open(replica=replace(replica, encryption_keys=(b"x" * 32,)))
    with pytest.raises(KeyUnusableError):
        export_bundle(other, ADMIN)
