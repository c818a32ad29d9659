"""A waiting payload is sent for the customer that it was closed for, even if the customer changes."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import bindparam, create_engine, text

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.transmissions import State, Transmission
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.stages.deliver import deliver_due
from telemetry_service.sealing.identity import pseudonym
from telemetry_service.storage.types import Id16
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.license_server import API_KEY, CUSTOMER, Trouble, reply
from tests.support.settings import ENCRYPTION_KEY
from tests.support.site import Site, usage

SOMEBODY_ELSE = "cus_SomebodyElse"
ANOTHER_KEY = "another-key-0123456789"


def name_customer(site: Site, customer_id: str | None) -> None:
    posture = LicensePosture(customer_id=customer_id, tier=Tier.STARTER, license_status=LicenseStatus.ACTIVE)
    report_license(site.runtime, posture, OPS)


@pytest.fixture(autouse=True)
def reported_customer(site: Site) -> None:
    """The deployment names no customer, so it comes with the license."""
    site.runtime = site.open(replica=replace(site.replica, customer_id=None))
    name_customer(site, CUSTOMER)


def held(site: Site) -> Transmission:
    """Return a transmission of 1,000 events that the License Server did not let in."""
    site.report(usage(1_000))
    site.server.trouble(Trouble(before=reply(401)))
    transmission = send_now(site.runtime, ADMIN, None).transmission
    site.server.trouble()
    assert transmission.state is State.HELD
    return transmission


def sent_as(site: Site, transmission: Transmission) -> str:
    """Retry, and return the name under which the events have arrived."""
    assert retry(site.runtime, transmission.transmission_id, ADMIN).transmission.state is State.SUCCESS
    (payload,) = site.server.payloads()
    assert payload.total_events == 1_000
    return payload.customer_id


def column(site: Site, name: str) -> list[bytes]:
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT {name} FROM telemetry_transmission_logs ORDER BY sequence"))  # noqa: S608
        values = [bytes(row[0]) for row in found]
    engine.dispose()
    return values


def write_customer(site: Site, transmission_id: UUID, sealed: bytes | None) -> None:
    engine = create_engine(site.replica.database_url)
    statement = text("UPDATE telemetry_transmission_logs SET customer_sealed = :sealed WHERE transmission_id = :id")
    with engine.begin() as connection:
        connection.execute(
            statement.bindparams(bindparam("id", type_=Id16())), {"sealed": sealed, "id": transmission_id}
        )
    engine.dispose()


def test_what_waited_leaves_under_the_customer_that_it_was_closed_for(site: Site) -> None:
    waiting = held(site)
    name_customer(site, SOMEBODY_ELSE)
    assert sent_as(site, waiting) == pseudonym(API_KEY, CUSTOMER)


@pytest.mark.parametrize("named_since", [SOMEBODY_ELSE, None], ids=["another customer", "no customer"])
def test_its_pseudonym_follows_the_key_while_nothing_can_have_arrived(site: Site, named_since: str | None) -> None:
    waiting = held(site)
    name_customer(site, named_since)
    site.server.store.add_key(ANOTHER_KEY, CUSTOMER)
    set_api_key(site.runtime, ANOTHER_KEY, ADMIN)
    assert sent_as(site, waiting) == pseudonym(ANOTHER_KEY, CUSTOMER)


def test_another_customer_of_the_deployment_takes_nothing_with_it(site: Site) -> None:
    waiting = held(site)
    site.runtime = site.open(replica=replace(site.replica, customer_id=SOMEBODY_ELSE))
    assert sent_as(site, waiting) == pseudonym(API_KEY, CUSTOMER)


def test_what_was_prepared_unencrypted_gets_the_pseudonym_of_its_own_customer(site: Site) -> None:
    site.configure(anonymize_pii=False)
    waiting = held(site)
    name_customer(site, SOMEBODY_ELSE)
    site.configure(anonymize_pii=True)
    assert sent_as(site, waiting) == pseudonym(API_KEY, CUSTOMER)


def test_what_may_have_arrived_under_a_pseudonym_is_never_repeated_in_clear(site: Site) -> None:
    site.configure(anonymize_pii=False)
    waiting = held(site)
    site.configure(anonymize_pii=True)
    site.server.trouble(Trouble(before=reply(503)))
    retry(site.runtime, waiting.transmission_id, ADMIN)
    site.server.trouble()
    site.configure(anonymize_pii=False)
    assert sent_as(site, waiting) == pseudonym(API_KEY, CUSTOMER)


def test_the_customer_is_kept_sealed_and_can_be_opened_in_its_own_row_only(site: Site) -> None:
    waiting = held(site)
    (sealed,) = column(site, "customer_sealed")
    assert CUSTOMER.encode() not in sealed
    name_customer(site, SOMEBODY_ELSE)
    other = held(site)
    write_customer(site, waiting.transmission_id, column(site, "customer_sealed")[1])
    assert other.transmission_id != waiting.transmission_id
    site.server.store.add_key(ANOTHER_KEY, CUSTOMER)
    set_api_key(site.runtime, ANOTHER_KEY, ADMIN)
    assert sent_as(site, waiting) == pseudonym(API_KEY, CUSTOMER), "the stored name, as nothing else is known"


@ON_BOTH
def test_what_version_0_1_0_left_waiting_keeps_the_customer_whom_its_pseudonym_names(site: Site) -> None:
    waiting = held(site)
    write_customer(site, waiting.transmission_id, None)
    site.forget_ledger()
    start(site.runtime)
    name_customer(site, SOMEBODY_ELSE)
    site.server.store.add_key(ANOTHER_KEY, CUSTOMER)
    set_api_key(site.runtime, ANOTHER_KEY, ADMIN)
    assert sent_as(site, waiting) == pseudonym(ANOTHER_KEY, CUSTOMER)


@ON_BOTH
def test_if_the_customer_of_version_0_1_0_is_unknown_the_stored_name_is_final(site: Site) -> None:
    waiting = held(site)
    write_customer(site, waiting.transmission_id, None)
    name_customer(site, SOMEBODY_ELSE)
    site.forget_ledger()
    start(site.runtime)
    assert sent_as(site, waiting) == pseudonym(API_KEY, CUSTOMER)


def test_without_its_encryption_key_nothing_that_waited_leaves_until_that_key_is_back(site: Site) -> None:
    """Nothing else can tell whether it is still the payload that was signed."""
    waiting = held(site)
    newer = bytes(range(1, 33))
    site.runtime = site.open(replica=replace(site.replica, customer_id=None, encryption_keys=(newer,)))
    set_api_key(site.runtime, API_KEY, ADMIN)
    site.configure()  # Approves the rows that only the other key can check.
    deliver_due(site.runtime)
    refused = retry(site.runtime, waiting.transmission_id, ADMIN).transmission
    assert (refused.state, refused.cause) == (State.HELD, Cause.PAYLOAD_CHANGED)
    both = replace(site.replica, customer_id=None, encryption_keys=(newer, ENCRYPTION_KEY))
    site.runtime = site.open(replica=both)
    assert sent_as(site, waiting) == pseudonym(API_KEY, CUSTOMER)
