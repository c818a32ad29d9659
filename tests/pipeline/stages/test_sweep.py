"""The sweep, the ledger's own retention, and what waits for a person."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.actor import stranger
from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.actions.erase import erase_everything
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.note_counted import note_all_counted
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.sweep import sweep, verify_everything
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.sealing.ledger_key import LedgerKey
from telemetry_service.sealing.verify_ledger import Verifier, verify
from telemetry_service.storage.ledger import each_line
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.license_server import LicenseServer
from tests.support.site import Site, usage


def run_sql(site: Site, *statements: str) -> None:
    """Change the database as somebody without any key may."""
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def send(site: Site) -> None:
    """Let a payload be accepted."""
    site.report(usage())
    site.tick()


def verified(site: Site, runtime: Runtime | None = None) -> Verification:
    """Verify everything."""
    found = verify_everything(runtime or site.runtime)
    assert found is not None
    return found


def health_code(runtime: Runtime) -> tuple[HealthStatus, str]:
    """Return what the health says."""
    health = read_now(runtime, read_health).health
    return health.status, health.code


@ON_BOTH
def test_purged_rows_are_no_problem_and_their_evidence_counts_as_purged(site: Site) -> None:
    send(site)
    before = verified(site)
    site.clock.advance(days=31)
    assert purge(site.runtime)
    after = verified(site)
    assert (before.problems, after.problems) == ((), ())
    assert before.evidence_purged == 0
    assert after.evidence_purged >= 3


def test_a_purge_that_crashes_leaves_its_entry(site: Site) -> None:
    send(site)
    site.clock.advance(days=31)

    def crash(_failpoint: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        purge(replace(site.runtime, failpoint=crash))
    assert verified(site).problems == ()


def test_the_ledger_is_pruned_behind_a_signed_checkpoint_and_still_verifies(site: Site) -> None:
    runtime = replace(site.runtime, deployment=replace(site.runtime.deployment, ledger_retention=timedelta(days=365)))
    send(site)
    for _ in range(14):
        site.clock.advance(days=31)
        send(site)
        purge(runtime)
        assert verified(site, runtime).problems == ()
    with runtime.database.read() as tx:
        lines, checkpoint = list(each_line(tx.ledger)), tx.sweep.checkpoint()
        trusted = runtime.ledger_keys(tx).values()
    assert [line.kind for line in lines[:2]] == [Kind.LEDGER_KEY, lines[1].kind]
    assert lines[1].seq > 2
    offline = Verifier(trusted, evidence=lambda _digest: None, checkpoint=checkpoint)
    assert verify((line.line for line in lines), offline).problems == []
    forged = Verifier(trusted, evidence=lambda _digest: None)
    assert verify((line.line for line in lines), forged).problems


def test_nothing_is_pruned_by_a_clock_that_no_acceptance_confirms(site: Site) -> None:
    send(site)
    verified(site)
    site.clock.advance(days=4000)
    purge(site.runtime)
    with site.runtime.database.read() as tx:
        assert tx.sweep.checkpoint() is None


def test_names_and_addresses_are_erased_after_a_year_and_the_entries_stay(site: Site) -> None:
    with site.runtime.database.write() as tx:
        tx.ledger.note(site.clock.now(), stranger("192.0.2.7"), Kind.LOGIN_FAILED)
    site.clock.advance(days=366)
    purge(site.runtime)
    entry = next(it for it in read_now(site.runtime, list_activity) if it.kind is Kind.LOGIN_FAILED)
    assert entry.source == "(erased)"
    assert verified(site).problems == ()


@ON_BOTH
def test_a_lost_key_is_a_warning_until_the_deployment_names_the_present_one(site: Site) -> None:
    send(site)
    verified(site)
    run_sql(site, "DELETE FROM ledger_keys")
    send(site)
    found = verified(site)
    assert found.problems == ()
    assert health_code(site.runtime) == (HealthStatus.WARNING, "ledger_key_lost")
    trusting = trusting_in(site, found.key_fingerprints[-1])
    assert health_code(trusting)[1] != "ledger_key_lost"


def trusting_in(site: Site, fingerprint: str) -> Runtime:
    """Return the installation of a deployment that trusts a ledger key."""
    return replace(site.runtime, deployment=replace(site.runtime.deployment, ledger_fingerprint=fingerprint))


@ON_BOTH
def test_another_first_key_than_the_trusted_one_is_a_warning_and_a_rotated_one_is_not(site: Site) -> None:
    send(site)
    first = verified(site).key_fingerprints[0]
    with site.runtime.database.write() as tx:
        tx.ledger.rotate_key(site.clock.now(), ADMIN)
    assert sweep(site.runtime) is not None
    assert health_code(trusting_in(site, first))[1] != "ledger_key_lost"
    assert health_code(trusting_in(site, "0" * 64)) == (HealthStatus.WARNING, "ledger_key_lost")


def test_an_acceptance_without_a_valid_receipt_is_a_warning_where_a_key_is_pinned(
    site: Site, server: LicenseServer
) -> None:
    pinning = replace(site.replica, public_key=another_key())
    runtime = site.open(replica=pinning)
    site.report(usage())
    site.clock.set(site.next_run_at())
    wake(runtime)
    assert len(verified(site, runtime).unverified) == 1
    assert health_code(runtime) == (HealthStatus.WARNING, "receipt_missing")
    right = site.open(replica=replace(site.replica, public_key=server.public_key))
    assert sweep(right) is not None, "another pinned key is a reason to verify everything"
    assert health_code(right)[1] != "receipt_missing"


def another_key() -> str:
    """Return a public key that signs no receipt."""
    return to_base64url(LedgerKey.generate().public_key).decode()


def test_garbage_among_what_was_counted_stops_no_one(site: Site) -> None:
    run_sql(
        site,
        "INSERT INTO ledger_pending (kind, actor, about, who, times, since, until) VALUES"
        " ('no kind', 'x', '', '{}', 3, '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    )
    note_all_counted(site.runtime)
    assert verified(site).problems == ()


def test_what_was_erased_on_purpose_is_no_problem(site: Site) -> None:
    send(site)
    erase_everything(site.runtime, ADMIN)
    assert verified(site).problems == ()
