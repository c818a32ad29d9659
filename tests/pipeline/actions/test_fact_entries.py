"""What an entry about reported facts says: what changed and who reported it. A line gives nothing of it away."""

from telemetry_service.domain.facts import Environment, LicensePosture
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.pipeline.actions.report_facts import remove_bouncer, report_license
from telemetry_service.pipeline.queries.activity import Activity
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.storage.ledger import each_line
from tests.support.actors import OPS
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.license_server import CUSTOMER
from tests.support.site import Site

CODE, BOUNCER = "EXT-2026-11", "bouncer-at-marias-desk"


def facts(site: Site) -> list[Activity]:
    return [entry for entry in entries(site.runtime.database) if entry.kind is Kind.FACTS]


@ON_BOTH
def test_a_code_is_an_entry_of_its_token_and_repeating_it_is_none(site: Site) -> None:
    assert [site.redeem(CODE), site.redeem(CODE)] == [True, False]
    (entry,) = facts(site)
    assert (entry.actor, entry.source) == ("token:ops", OPS.address)
    assert entry.details == {"of": "extension_code", "code_id": CODE, "redeemed_at": "2026-11-03T10:00:00.000Z"}


@ON_BOTH
def test_a_license_is_an_entry_of_what_changed(site: Site) -> None:
    posture = LicensePosture(customer_id=CUSTOMER, tier=Tier.TRIAL)
    report_license(site.runtime, posture, OPS)
    report_license(site.runtime, posture, OPS)
    report_license(site.runtime, LicensePosture(license_status=LicenseStatus.ACTIVE), OPS)
    assert [entry.details for entry in facts(site)] == [
        {"of": "license", "changes": {"customer_id": CUSTOMER, "tier": "unknown -> trial"}},
        {"of": "license", "changes": {"license_status": "unknown -> active"}},
    ]


def test_a_bouncer_that_is_removed_is_counted_with_the_changes_of_its_token(site: Site) -> None:
    site.register(BOUNCER, Environment.SANDBOX)
    assert [remove_bouncer(site.runtime, BOUNCER, OPS) for _ in range(2)] == [True, False]
    with site.runtime.database.write() as tx:
        tx.ledger.note_pending(site.clock.now())
    assert [entry.details.get("times") for entry in facts(site)] == [None, 1]


@ON_BOTH
def test_no_line_holds_a_customer_a_code_a_bouncer_or_an_address(site: Site) -> None:
    site.redeem(CODE)
    site.register(BOUNCER, Environment.SANDBOX)
    report_license(site.runtime, LicensePosture(customer_id=CUSTOMER), OPS)
    with site.runtime.database.read() as tx:
        said = [repr(unverified(line.line)) for line in each_line(tx.ledger)]
    assert any("salted" in text for text in said)
    for value in (CODE, BOUNCER, CUSTOMER, str(OPS.address)):
        assert not any(value in text for text in said), value
