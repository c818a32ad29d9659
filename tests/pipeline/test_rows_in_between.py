"""Whoever changes a row for a moment, between its check and its use, or before an act, changes nothing that leaves."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

import json
from base64 import b64decode
from dataclasses import replace

import pytest

from telemetry_service.domain.configuration import Delivery
from telemetry_service.domain.errors import NotVerifiedYetError
from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import Tier
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.configure import remove_api_key
from telemetry_service.pipeline.actions.export_bundle import export_bundle
from telemetry_service.pipeline.actions.release import withdraw
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.ledger import each_line
from tests.pipeline.test_rows_put_back import WHY, prepared, verified, write
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.license_server import CUSTOMER
from tests.support.site import Site, usage
from tests.support.tampering import CONFIGURATION, LEDGER, LICENSE, LOGS

LATER = f"UPDATE {LOGS} SET next_attempt_at = '2027-01-01 00:00:00.000000'"
MADE_DUE = "OLD.next_attempt_at > NEW.next_attempt_at AND NEW.claim_token IS NULL"
KEY = ("api_key_sealed", "api_key_id", "api_key_hint", "api_key_set_at")


def let_a_trigger(site: Site, do: str, after: str, table: str, when: str) -> None:
    """Let a trigger run a statement after each such write."""
    name = f"runs_{after.split(maxsplit=1)[0].lower()}_{table}"
    if site.replica.database_url.startswith("sqlite"):
        write(site, f"CREATE TRIGGER {name} AFTER {after} ON {table} WHEN {when} BEGIN {do}; END")
        return
    body = f"BEGIN IF {when} THEN {do}; END IF; RETURN NULL; END"
    write(
        site,
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        f"CREATE TRIGGER {name} AFTER {after} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )


def for_a_moment(site: Site, row: str, value: str, back: str, *, from_: tuple[str, str], until: Kind) -> None:
    """Let triggers change a row once a transmission is written, and put it back once the entry about it is."""
    after, when = from_
    let_a_trigger(site, f"UPDATE {row} SET {value}", after, LOGS, when)
    let_a_trigger(site, f"UPDATE {row} SET {back}", "INSERT", LEDGER, f"NEW.kind = '{until.value}'")


def wake_for_a_while(site: Site) -> None:
    for _ in range(3):
        site.clock.advance(minutes=2)
        sweep(site.runtime)
        wake(site.runtime)


def received(site: Site) -> list[bytes]:
    return [bytes(it.payload) for it in site.server.journal()]


def kinds(site: Site) -> list[str]:
    with site.runtime.database.read() as tx:
        return [line.kind for line in each_line(tx.ledger)]


def health(site: Site) -> str:
    return read_now(site.runtime, read_health).health.code


@ON_BOTH
def test_a_run_prepares_its_payload_by_the_rows_that_it_has_compared(site: Site) -> None:
    report_license(site.runtime, LicensePosture(tier=Tier.STARTER), OPS)
    prepared(site)
    verified(site)
    write(site, LATER)
    waits = ("UPDATE", MADE_DUE)
    settings = f"anonymize_pii = false; UPDATE {LICENSE} SET tier = 'enterprise'"
    back = f"anonymize_pii = true; UPDATE {LICENSE} SET tier = 'starter'"
    for_a_moment(site, CONFIGURATION, settings, back, from_=waits, until=Kind.PREPARED)
    site.clock.advance(minutes=2)
    sweep(site.runtime)
    site.report(usage())
    site.tick_only()
    wake_for_a_while(site)
    payloads = received(site)
    assert len(payloads) == 2
    assert {json.loads(it)["tier"] for it in payloads} == {"starter"}
    assert not any(CUSTOMER.encode() in it for it in payloads)


@ON_BOTH
def test_an_export_is_encrypted_as_the_settings_that_it_has_compared_say(site: Site) -> None:
    site.runtime = site.open(
        replica=replace(
            site.replica, base_url=None, ca_file=None, public_key=site.server.public_key, delivery=Delivery.BUNDLE
        )
    )
    prepared(site)
    verified(site)
    exported = ("UPDATE", "NEW.state = 'exported'")
    for_a_moment(
        site,
        CONFIGURATION,
        "encrypt_payload = false",
        "encrypt_payload = true",
        from_=exported,
        until=Kind.ATTEMPT,
    )
    sweep(site.runtime)
    (transmission,) = json.loads(export_bundle(site.runtime, ADMIN).content)["transmissions"]
    assert transmission["content_type"] == "application/jose"
    assert CUSTOMER.encode() not in b64decode(transmission["body_b64"])


@ON_BOTH
def test_anonymization_is_not_switched_on_by_halves(site: Site) -> None:
    site.configure(anonymize_pii=False)
    for _ in range(2):
        site.report(usage())
        site.tick_only()
        site.clock.advance(seconds=5)
    verified(site)
    again = ("UPDATE", "OLD.prepared_sha256 <> NEW.prepared_sha256")
    for_a_moment(site, CONFIGURATION, "anonymize_pii = false", "anonymize_pii = true", from_=again, until=Kind.SETTINGS)
    with pytest.raises(NotVerifiedYetError):
        site.configure(anonymize_pii=True)


@ON_BOTH
def test_what_a_trigger_of_the_stamp_itself_makes_of_the_settings_is_not_approved(site: Site) -> None:
    report_license(site.runtime, LicensePosture(tier=Tier.STARTER), OPS)
    site.report(usage())
    site.tick()
    verified(site)
    write(site, f"UPDATE {LICENSE} SET tier = 'enterprise'")
    off = f"UPDATE {CONFIGURATION} SET anonymize_pii = false"
    let_a_trigger(site, off, "UPDATE OF stamp", CONFIGURATION, "NEW.anonymize_pii")
    sweep(site.runtime)
    site.configure(retention_days=90)
    site.report(usage())
    site.tick()
    wake_for_a_while(site)
    assert len(received(site)) == 1, "only the one from before"
    assert health(site) == "settings_changed"


@ON_BOTH
def test_a_payload_that_someone_has_called_withdrawn_for_a_moment_is_withdrawn_all_the_same(site: Site) -> None:
    waiting = prepared(site)
    verified(site)
    write(site, f"UPDATE {LOGS} SET state = 'withdrawn', withdrawn_at = created_at")
    for _ in range(2):
        assert withdraw(site.runtime, waiting, ADMIN, WHY).transmission.state is State.WITHDRAWN
    assert kinds(site).count(Kind.WITHDRAWN) == 1, "the second time, it was withdrawn"
    write(site, f"UPDATE {LOGS} SET state = 'pending', withdrawn_at = NULL, next_attempt_at = created_at")
    wake_for_a_while(site)
    assert received(site) == []


@ON_BOTH
@pytest.mark.parametrize("someone", [f"{', '.join(f'{it} = NULL' for it in KEY)}", "retention_days = 7"])
def test_an_api_key_is_removed_whatever_someone_has_made_of_its_row_for_a_moment(site: Site, someone: str) -> None:
    prepared(site)
    verified(site)
    write(site, f"CREATE TABLE kept AS SELECT * FROM {CONFIGURATION}", f"UPDATE {CONFIGURATION} SET {someone}")
    assert remove_api_key(site.runtime, ADMIN).stored.api_key is None
    assert kinds(site).count(Kind.KEY_REMOVED) == 1
    write(site, f"DELETE FROM {CONFIGURATION}", f"INSERT INTO {CONFIGURATION} SELECT * FROM kept")
    wake_for_a_while(site)
    assert received(site) == []
    assert health(site) == "settings_changed"
