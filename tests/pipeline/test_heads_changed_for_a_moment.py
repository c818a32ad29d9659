"""Whoever lets the ledger end wrongly for a moment, so that no one can follow it, hides no older row and no act."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from collections.abc import Iterator
from contextlib import contextmanager

from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.report_facts import report_license
from tests.pipeline.test_acts_that_a_row_hides import OTHER_KEY, keep, put_back
from tests.pipeline.test_rows_in_between import health, kinds, let_a_trigger, received, wake_for_a_while
from tests.pipeline.test_rows_put_back import prepared, verified, write
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.license_server import API_KEY
from tests.support.site import Site, usage
from tests.support.tampering import CONFIGURATION, HEAD, LEDGER, LICENSE

WRONG = f"UPDATE {HEAD} SET sha256 = '{'0' * 64}'"
LAST = f"SELECT seq, kind FROM {LEDGER} WHERE kind IN ('settings', 'key_set') ORDER BY seq DESC LIMIT 1"


def right_end(site: Site) -> str:
    with site.runtime.database.read() as tx:
        return f"UPDATE {HEAD} SET sha256 = '{tx.ledger.head().sha256}'"


@contextmanager
def older_for_a_moment(site: Site, table: str) -> Iterator[None]:
    """Put an older row back, hide entries and let the ledger end wrongly: until the row is written, or the act is done.

    The row from before it is kept.
    """
    right = right_end(site)
    keep(site, table)
    put_back(site, table, "older")
    write(site, f"CREATE TABLE hidden AS {LAST}", WRONG)
    write(site, f"UPDATE {LEDGER} SET kind = 'tick' WHERE seq IN (SELECT seq FROM hidden)")
    let_a_trigger(site, right, "UPDATE", table, "NEW.stamp IS NOT NULL")
    yield
    kind = f"(SELECT kind FROM hidden WHERE hidden.seq = {LEDGER}.seq)"
    write(site, f"UPDATE {LEDGER} SET kind = {kind} WHERE seq IN (SELECT seq FROM hidden)")
    write(site, f"{right} WHERE sha256 = '{'0' * 64}'")


def next_period_is_sent(site: Site) -> None:
    site.report(usage())
    site.tick_only()
    wake_for_a_while(site)


@ON_BOTH
def test_a_key_is_set_although_an_older_row_has_it(site: Site) -> None:
    keep(site, CONFIGURATION, "older")
    set_api_key(site.runtime, OTHER_KEY, ADMIN)
    prepared(site)
    verified(site)
    with older_for_a_moment(site, CONFIGURATION):
        set_api_key(site.runtime, API_KEY, ADMIN)
    put_back(site, CONFIGURATION)
    assert kinds(site).count(Kind.KEY_SET) == 3
    wake_for_a_while(site)
    assert received(site) == [], "not under the key that was replaced"


@ON_BOTH
def test_settings_are_saved_although_an_older_row_has_them(site: Site) -> None:
    keep(site, CONFIGURATION, "older")
    site.configure(anonymize_pii=False)
    prepared(site)
    verified(site)
    with older_for_a_moment(site, CONFIGURATION):
        site.configure(anonymize_pii=True)
    put_back(site, CONFIGURATION)
    wake_for_a_while(site)
    assert received(site) == []
    assert health(site) == "settings_changed"


@ON_BOTH
def test_another_key_does_not_approve_an_older_row(site: Site) -> None:
    set_api_key(site.runtime, OTHER_KEY, ADMIN)
    site.configure(anonymize_pii=False)
    keep(site, CONFIGURATION, "older")
    site.configure(anonymize_pii=True)
    verified(site)
    with older_for_a_moment(site, CONFIGURATION):
        set_api_key(site.runtime, API_KEY, ADMIN)
    next_period_is_sent(site)
    assert received(site) == [], "with the customer ID"
    assert health(site) == "settings_changed"


@ON_BOTH
def test_a_report_about_the_license_does_not_approve_an_older_row(site: Site) -> None:
    report_license(site.runtime, LicensePosture(tier=Tier.ENTERPRISE), OPS)
    keep(site, LICENSE, "older")
    report_license(site.runtime, LicensePosture(tier=Tier.STARTER), OPS)
    verified(site)
    with older_for_a_moment(site, LICENSE):
        report_license(site.runtime, LicensePosture(license_status=LicenseStatus.ACTIVE), OPS)
    next_period_is_sent(site)
    assert received(site) == [], "with the earlier tier"
    assert health(site) == "settings_changed"
