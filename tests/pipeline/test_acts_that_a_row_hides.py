"""An act is done, and has its entry, even if someone has made a row say for a moment that nothing is to be done."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from dataclasses import replace

import pytest

from telemetry_service.domain.configuration import ConfigurationPatch
from telemetry_service.domain.configured import Configured
from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import Tier
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.release import release, withdraw
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.actions.restored import answer_restored, follow_head, hold_restored
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from tests.pipeline.test_rows_in_between import health, kinds, received, wake_for_a_while
from tests.pipeline.test_rows_put_back import WHY, prepared, verified, write
from tests.support.actors import ADMIN, CLI, OPS
from tests.support.databases import ON_BOTH
from tests.support.license_server import API_KEY, CUSTOMER
from tests.support.site import Site
from tests.support.tampering import ATTEMPTS, CONFIGURATION, HEAD, INSTALLATION, LEDGER, LICENSE, LOGS

THIRD_KEY = "third-api-key-0123456789abcdef0123"
OTHER_KEY = "another-api-key-0123456789abcdef01"
ENDED = f"UPDATE {LOGS} SET state = 'success'"
WAITS = f"UPDATE {LOGS} SET state = 'pending'"
TRIED = (
    f"INSERT INTO {ATTEMPTS} (transmission_id, number, trigger, started_at, transmitted_at, timestamp, payload_sha256,"
    " body_sha256, body_bytes, encrypted, key_id, state, duplicate) SELECT transmission_id, 1, 'tick',"
    f" created_at, '', 0, '', '', 0, true, '', 'pending', false FROM {LOGS}"
)


def keep(site: Site, table: str, name: str = "kept") -> None:
    """Copy a table, to put its rows back later."""
    write(site, f"CREATE TABLE {name} AS SELECT * FROM {table}")


def put_back(site: Site, table: str, name: str = "kept") -> None:
    write(site, f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM {name}")


@ON_BOTH
@pytest.mark.parametrize(("hides", "back"), [(ENDED, WAITS), (TRIED, f"DELETE FROM {ATTEMPTS}")])
def test_a_customer_id_does_not_leave_once_anonymization_is_on(site: Site, hides: str, back: str) -> None:
    site.configure(anonymize_pii=False)
    prepared(site)
    verified(site)
    write(site, hides)
    site.configure(anonymize_pii=True)
    write(site, back)
    wake_for_a_while(site)
    assert not any(CUSTOMER.encode() in it for it in received(site))
    assert len(received(site)) == 1, "it is prepared again, and sent"


@ON_BOTH
def test_an_api_key_is_set_although_its_row_shows_it_for_a_moment(site: Site) -> None:
    keep(site, CONFIGURATION, "older")
    set_api_key(site.runtime, OTHER_KEY, ADMIN)
    prepared(site)
    verified(site)
    keep(site, CONFIGURATION)
    put_back(site, CONFIGURATION, "older")
    set_api_key(site.runtime, API_KEY, ADMIN)
    assert kinds(site).count(Kind.KEY_SET) == 3
    put_back(site, CONFIGURATION)
    wake_for_a_while(site)
    assert received(site) == [], "not under the key that was replaced"
    assert health(site) == "settings_changed"


@ON_BOTH
def test_a_destroyed_key_does_not_come_back_as_the_one_before_the_next(site: Site) -> None:
    keep(site, CONFIGURATION, "older")
    set_api_key(site.runtime, OTHER_KEY, ADMIN)
    verified(site)
    put_back(site, CONFIGURATION, "older")
    set_api_key(site.runtime, THIRD_KEY, ADMIN, overlap=True)
    assert read_now(site.runtime, read_configuration).old_api_key is None


@ON_BOTH
def test_a_license_is_reported_although_its_row_shows_it_for_a_moment(site: Site) -> None:
    report_license(site.runtime, LicensePosture(tier=Tier.ENTERPRISE), OPS)
    prepared(site)
    verified(site)
    keep(site, LICENSE)
    write(site, f"UPDATE {LICENSE} SET tier = 'starter'")
    report_license(site.runtime, LicensePosture(tier=Tier.STARTER), OPS)
    assert kinds(site).count(Kind.FACTS) == 2
    put_back(site, LICENSE)
    wake_for_a_while(site)
    assert received(site) == []
    assert health(site) == "settings_changed"


@ON_BOTH
def test_what_the_deployment_sets_is_saved_although_the_row_shows_it_for_a_moment(site: Site) -> None:
    site.configure(anonymize_pii=False)
    prepared(site)
    verified(site)
    keep(site, CONFIGURATION)
    write(site, f"UPDATE {CONFIGURATION} SET anonymize_pii = true")
    configured = Configured(ConfigurationPatch(anonymize_pii=True))
    site.runtime = site.open(replica=replace(site.replica, configured=configured))
    put_back(site, CONFIGURATION)
    wake_for_a_while(site)
    assert received(site) == []
    assert health(site) == "settings_changed"


@ON_BOTH
def test_a_restored_copy_is_held_although_its_row_says_so_for_a_moment(site: Site) -> None:
    prepared(site)
    verified(site)
    keep(site, INSTALLATION)
    write(site, f"UPDATE {INSTALLATION} SET restored_at = created_at")
    hold_restored(site.runtime, CLI, "command", site.clock.now())
    assert kinds(site).count(Kind.RESTORED) == 1
    put_back(site, INSTALLATION)
    wake_for_a_while(site)
    assert received(site) == []


@ON_BOTH
def test_a_start_with_earlier_settings_is_an_entry_although_the_one_before_is_hidden(site: Site) -> None:
    site.open(replica=replace(site.replica, max_bouncers=7))
    verified(site)
    last = f"seq = (SELECT max(seq) FROM {LEDGER} WHERE kind = 'deployment')"
    write(site, f"CREATE TABLE hidden AS SELECT seq FROM {LEDGER} WHERE {last}")
    write(site, f"UPDATE {LEDGER} SET kind = 'tick' WHERE {last}")
    site.open()
    write(site, f"UPDATE {LEDGER} SET kind = 'deployment' WHERE seq IN (SELECT seq FROM hidden)")
    assert kinds(site).count(Kind.DEPLOYMENT) == 3


@ON_BOTH
def test_a_withdrawn_payload_waits_after_a_restore_although_its_row_was_hidden_at_the_answer(site: Site) -> None:
    withdrawn = prepared(site)
    keep(site, HEAD)
    withdraw(site.runtime, withdrawn, ADMIN, WHY)
    verified(site)
    put_back(site, HEAD)
    write(site, f"DELETE FROM {LEDGER} WHERE kind = 'withdrawn'", ENDED)
    follow_head(site.runtime)
    answer_restored(site.runtime, OpenPeriod.UNSENT, ADMIN)
    write(site, f"{WAITS}, withdrawn_at = NULL, next_attempt_at = created_at")
    wake_for_a_while(site)
    assert received(site) == []
    release(site.runtime, withdrawn, ADMIN, WHY)
    assert len(received(site)) == 1, "a person has decided"
