"""A waiting payload is prepared again for a new key, or for anonymization, until it may have arrived; never afterwards.

A pseudonym depends on the API key, and that of a mistyped key is known to nobody. An ID has one payload, though.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import StaleConfigurationError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import AttemptTrigger, State, Transmission
from telemetry_service.pipeline.actions.configure import remove_api_key, save_configuration, set_api_key
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.activity import Activity
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.deliver import deliver
from telemetry_service.pipeline.stages.sweep import verify_everything
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.reference.refusals import Reason as Refusal
from telemetry_service.sealing.identity import pseudonym
from tests.support.actors import ADMIN, OPS
from tests.support.ledger import entries
from tests.support.license_server import (
    API_KEY,
    CUSTOMER,
    Strike,
    Trouble,
    refuse,
    reply,
    reset,
    show_page,
)
from tests.support.site import Site, usage

MISTYPED = "mistyped-key-0123456789"
ANOTHER_KEY = "another-key-0123456789"
NOBODY_LISTENS = "https://127.0.0.1:9"
REFUSED: dict[str, tuple[Strike, ...]] = {
    "not attempted yet": (),
    "401": (reply(401),),
    "403": (reply(403),),
    "422": (reply(422),),
    "401 and 403": (reply(401), reply(403)),
}
"""What cannot have brought a payload there."""
PERHAPS_ARRIVED: dict[str, tuple[Strike, ...]] = {
    "lost": (reset,),
    "500": (reply(500),),
    "503": (reply(503),),
    "404": (reply(404),),
    "lost, then 401": (reset, reply(401)),
    "401, then lost": (reply(401), reset),
}


def waiting(site: Site, *strikes: Strike) -> Transmission:
    """Return a transmission of 1,000 events of which each attempt ended so."""
    site.report(usage(1_000))
    site.tick_only()
    with site.runtime.database.read() as tx:
        (transmission_id,) = tx.transmissions.waiting(frozenset({State.PENDING}))
    for strike in strikes:
        site.server.trouble(Trouble(before=strike))
        deliver(site.runtime, transmission_id, AttemptTrigger.RETRY)
    site.server.trouble()
    return read(site, transmission_id).transmission


def read(site: Site, transmission_id: UUID) -> TransmissionDetail:
    """Return what is known of a transmission at present."""
    return read_now(site.runtime, read_transmission, transmission_id)


def sent_as(site: Site, transmission: Transmission) -> str:
    """Retry, and return the name under which the events have arrived."""
    assert retry(site.runtime, transmission.transmission_id, ADMIN).transmission.state is State.SUCCESS
    (payload,) = site.server.payloads()
    assert payload.total_events == 1_000
    return payload.customer_id


def named_in(content: bytes | None) -> str:
    """Return how a payload names the customer."""
    assert content is not None
    customer_id: str = json.loads(content)["customer_id"]
    return customer_id


def prepared_as(site: Site, transmission: Transmission) -> str:
    """Return how the stored payload names the customer."""
    return named_in(read(site, transmission.transmission_id).payload)


def preparations(site: Site) -> list[Activity]:
    """Return the entries that name a payload, oldest first."""
    return [entry for entry in entries(site.runtime.database) if entry.kind is Kind.PREPARED]


def enter_another_key(site: Site, actor: Actor = ADMIN) -> None:
    """Enter another key of the same customer."""
    site.server.store.add_key(ANOTHER_KEY, CUSTOMER)
    set_api_key(site.runtime, ANOTHER_KEY, actor)


def enter_key_in_the_form(site: Site) -> None:
    """Do so together with the other settings."""
    site.server.store.add_key(ANOTHER_KEY, CUSTOMER)
    stored = read_now(site.runtime, read_configuration).stored
    save_configuration(site.runtime, stored.values, stored.version, ADMIN, ANOTHER_KEY)


@pytest.mark.parametrize("enter", [enter_another_key, enter_key_in_the_form])
@pytest.mark.parametrize("ended", REFUSED)
def test_as_long_as_nothing_can_have_arrived_a_pseudonym_follows_the_key_in_the_step_that_saves_it(
    site: Site, ended: str, enter: Callable[[Site], None]
) -> None:
    transmission = waiting(site, *REFUSED[ended])
    assert prepared_as(site, transmission) == pseudonym(API_KEY, CUSTOMER)
    enter(site)
    assert prepared_as(site, transmission) == pseudonym(ANOTHER_KEY, CUSTOMER)
    assert sent_as(site, transmission) == pseudonym(ANOTHER_KEY, CUSTOMER)


@pytest.mark.parametrize("ended", PERHAPS_ARRIVED)
def test_what_may_have_arrived_is_repeated_as_it_was_although_the_key_has_changed(site: Site, ended: str) -> None:
    transmission = waiting(site, *PERHAPS_ARRIVED[ended])
    enter_another_key(site)
    assert read(site, transmission.transmission_id).transmission.prepared_sha256 == transmission.prepared_sha256
    assert sent_as(site, transmission) == pseudonym(API_KEY, CUSTOMER)


def test_nothing_can_have_arrived_where_nobody_listens(site: Site) -> None:
    site.runtime = site.open(replica=replace(site.replica, base_url=NOBODY_LISTENS))
    site.tick()
    with site.runtime.database.read() as tx:
        (transmission_id,) = tx.transmissions.waiting(frozenset({State.RETRYING}))
    enter_another_key(site)
    assert prepared_as(site, read(site, transmission_id).transmission) == pseudonym(ANOTHER_KEY, CUSTOMER)


def test_what_is_prepared_again_says_what_it_replaces_by_whom_and_why(site: Site) -> None:
    transmission = waiting(site)
    (first,) = preparations(site)
    enter_another_key(site, OPS)
    _, again = preparations(site)
    present = read(site, transmission.transmission_id).transmission
    assert (again.actor, again.transmission_id) == ("token:ops", transmission.transmission_id)
    assert again.details == {
        "prepared_sha256": present.prepared_sha256,
        "schema_sha256": first.details["schema_sha256"],
        "waits_for": None,
        "records": 1_000,
        "replaces": transmission.prepared_sha256,
        "reason": "api_key_changed",
    }
    assert present.prepared_sha256 != transmission.prepared_sha256


def test_only_the_customers_name_changes(site: Site) -> None:
    transmission = waiting(site)
    before = read(site, transmission.transmission_id).payload
    enter_another_key(site)
    after = read(site, transmission.transmission_id).payload
    assert before is not None
    assert after is not None
    assert json.loads(after) == {**json.loads(before), "customer_id": pseudonym(ANOTHER_KEY, CUSTOMER)}


def test_the_same_key_again_prepares_nothing_again(site: Site) -> None:
    waiting(site, reply(401))
    before = preparations(site)
    set_api_key(site.runtime, API_KEY, ADMIN)
    assert preparations(site) == before


def test_a_key_that_is_not_saved_prepares_nothing_again(site: Site) -> None:
    transmission = waiting(site)
    before = preparations(site)
    stored = read_now(site.runtime, read_configuration).stored
    with pytest.raises(StaleConfigurationError):
        save_configuration(site.runtime, stored.values, stored.version - 1, ADMIN, ANOTHER_KEY)
    assert (preparations(site), prepared_as(site, transmission)) == (before, pseudonym(API_KEY, CUSTOMER))


def test_everything_that_waits_is_prepared_again_and_nothing_that_was_accepted(site: Site) -> None:
    accepted = send_now(site.runtime, ADMIN, None).transmission
    first, second = waiting(site, reply(401)), waiting(site)
    enter_another_key(site)
    named = [prepared_as(site, transmission) for transmission in (accepted, first, second)]
    assert named == [pseudonym(API_KEY, CUSTOMER), *[pseudonym(ANOTHER_KEY, CUSTOMER)] * 2]


def test_a_payload_prepared_under_a_mistyped_key_is_accepted_once_the_key_is_right(site: Site) -> None:
    """Its pseudonym was made with a key that nobody else knows: it follows the key, because nothing has arrived."""
    set_api_key(site.runtime, MISTYPED, ADMIN)
    site.report(usage(5))
    held = send_now(site.runtime, ADMIN, None).transmission
    assert (held.state, held.cause) == (State.HELD, Cause.API_KEY_NOT_ACCEPTED)
    set_api_key(site.runtime, API_KEY, ADMIN)
    assert wake(site.runtime).attempts == 1
    detail = read(site, held.transmission_id)
    assert detail.transmission.state is State.SUCCESS
    proof = read_now(site.runtime, prove, detail)
    assert proof.holds
    assert [named_in(proof.payload_of(attempt)) for attempt in detail.attempts] == [
        pseudonym(MISTYPED, CUSTOMER),
        pseudonym(API_KEY, CUSTOMER),
    ]


def test_what_may_have_arrived_under_a_mistyped_key_changes_once_the_right_key_is_refused_for_it(site: Site) -> None:
    """The License Server knows the pseudonyms under every key of the customer, so it has never accepted this one."""
    set_api_key(site.runtime, MISTYPED, ADMIN)
    transmission = waiting(site, reset)
    set_api_key(site.runtime, API_KEY, ADMIN)
    assert prepared_as(site, transmission) == pseudonym(MISTYPED, CUSTOMER)
    refused = retry(site.runtime, transmission.transmission_id, ADMIN).transmission
    assert (refused.state, refused.cause) == (State.HELD, Cause.FORBIDDEN)
    assert preparations(site)[-1].details["reason"] == "refused"
    assert wake(site.runtime).attempts == 1
    detail = read(site, transmission.transmission_id)
    assert detail.transmission.state is State.SUCCESS
    assert read_now(site.runtime, prove, detail).holds
    assert [entry.times_received for entry in site.server.journal()] == [1]


def test_no_other_403_changes_what_may_have_arrived(site: Site) -> None:
    """Only the License Server can know that it never accepted these bytes; a portal or a firewall cannot."""
    set_api_key(site.runtime, MISTYPED, ADMIN)
    transmission = waiting(site, reset)
    set_api_key(site.runtime, API_KEY, ADMIN)
    for strike in (reply(403), show_page(403), refuse(Refusal.KEY_UNKNOWN), refuse(Refusal.NOT_FOUND)):
        site.server.trouble(Trouble(before=strike, times=1))
        refused = retry(site.runtime, transmission.transmission_id, ADMIN).transmission
        assert (refused.state, refused.cause) == (State.HELD, Cause.FORBIDDEN)
        assert refused.prepared_sha256 == transmission.prepared_sha256
        assert wake(site.runtime).attempts == 0
    assert len(preparations(site)) == 1


def test_a_customer_that_is_refused_under_its_own_pseudonym_is_not_tried_at_once_again(site: Site) -> None:
    held = waiting(site, refuse(Refusal.CUSTOMER_MISMATCH))
    assert (held.state, held.cause) == (State.HELD, Cause.FORBIDDEN)
    assert wake(site.runtime).attempts == 0


@pytest.mark.parametrize("ended", REFUSED)
def test_a_payload_prepared_in_clear_leaves_under_its_pseudonym_once_anonymization_is_on(
    site: Site, ended: str
) -> None:
    site.configure(anonymize_pii=False)
    transmission = waiting(site, *REFUSED[ended])
    assert prepared_as(site, transmission) == CUSTOMER
    site.configure(anonymize_pii=True)
    assert prepared_as(site, transmission) == pseudonym(API_KEY, CUSTOMER)
    assert preparations(site)[-1].details["reason"] == "anonymized"
    assert sent_as(site, transmission) == pseudonym(API_KEY, CUSTOMER)


def test_once_anonymization_is_on_nothing_is_kept_of_the_name_in_clear_that_never_left(site: Site) -> None:
    site.configure(anonymize_pii=False)
    site.runtime = site.open(replica=replace(site.replica, base_url=NOBODY_LISTENS))
    site.tick()
    assert CUSTOMER.encode() in kept(site)
    site.configure(anonymize_pii=True)
    assert CUSTOMER.encode() not in kept(site)
    with site.runtime.database.read() as tx:
        (transmission_id,) = tx.transmissions.waiting(frozenset({State.RETRYING}))
    proof = read_now(site.runtime, prove, read(site, transmission_id))
    assert proof.findings == ()
    verdict = verify_everything(site.runtime)
    assert verdict is not None
    assert (verdict.problems, verdict.evidence_purged > 0) == ((), True)


def test_what_left_in_clear_is_kept_as_it_left(site: Site) -> None:
    site.configure(anonymize_pii=False)
    transmission = waiting(site, reply(401))
    site.configure(anonymize_pii=True)
    assert CUSTOMER.encode() in kept(site)
    assert prepared_as(site, transmission) == pseudonym(API_KEY, CUSTOMER)


def kept(site: Site) -> bytes:
    """Return all evidence."""
    with site.runtime.database.read() as tx:
        return b"".join(content for _digest, content in tx.evidence.after("", 100))


@pytest.mark.parametrize("ended", PERHAPS_ARRIVED)
def test_a_payload_in_clear_that_may_have_arrived_is_repeated_as_it_was(site: Site, ended: str) -> None:
    site.configure(anonymize_pii=False)
    transmission = waiting(site, *PERHAPS_ARRIVED[ended])
    site.configure(anonymize_pii=True)
    assert sent_as(site, transmission) == CUSTOMER


def test_in_clear_no_key_changes_anything(site: Site) -> None:
    site.configure(anonymize_pii=False)
    transmission = waiting(site, reply(401))
    enter_another_key(site)
    assert sent_as(site, transmission) == CUSTOMER
    assert len(preparations(site)) == 1


@pytest.mark.parametrize("strikes", [(), (reply(401),), (reset,)], ids=["not attempted", "refused", "lost"])
def test_a_payload_prepared_under_a_pseudonym_never_leaves_in_clear(site: Site, strikes: tuple[Strike, ...]) -> None:
    transmission = waiting(site, *strikes)
    site.configure(anonymize_pii=False)
    enter_another_key(site)
    assert sent_as(site, transmission) == pseudonym(API_KEY if reset in strikes else ANOTHER_KEY, CUSTOMER)


def test_anonymization_without_a_key_is_made_up_for_by_the_next_key(site: Site) -> None:
    site.configure(anonymize_pii=False)
    transmission = waiting(site, reply(401))
    remove_api_key(site.runtime, ADMIN)
    site.configure(anonymize_pii=True)
    assert prepared_as(site, transmission) == CUSTOMER, "without a key there is no pseudonym, and nothing leaves"
    set_api_key(site.runtime, API_KEY, ADMIN)
    assert sent_as(site, transmission) == pseudonym(API_KEY, CUSTOMER)


def anonymize(site: Site) -> None:
    """Turn anonymization on."""
    site.configure(anonymize_pii=True)


@pytest.mark.parametrize(
    ("strike", "state"), [(reply(401), State.HELD), (reply(422), State.REJECTED), (None, State.RETRYING)]
)
@pytest.mark.parametrize(("change", "key"), [(enter_another_key, ANOTHER_KEY), (anonymize, API_KEY)])
def test_what_is_saved_during_an_attempt_is_made_up_for_once_that_cannot_have_arrived(
    site: Site, strike: Strike | None, state: State, change: Callable[[Site], None], key: str
) -> None:
    """While the attempt was under way its payload might have arrived, so that it was not prepared again."""
    site.configure(anonymize_pii=change is not anonymize)
    transmission = waiting(site)
    site.server.trouble(Trouble(before=strike))

    def save_meanwhile(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.CLAIMED:
            change(site)
            unchanged = read(site, transmission.transmission_id).transmission.prepared_sha256
            assert unchanged == transmission.prepared_sha256

    elsewhere = site.replica if strike else replace(site.replica, base_url=NOBODY_LISTENS)
    busy = site.open(save_meanwhile, elsewhere)
    deliver(busy, transmission.transmission_id, AttemptTrigger.RETRY)
    assert read(site, transmission.transmission_id).transmission.state is state
    assert prepared_as(site, transmission) == pseudonym(key, CUSTOMER)
    site.server.trouble()
    assert sent_as(site, transmission) == pseudonym(key, CUSTOMER)


def test_what_is_saved_during_an_attempt_that_may_have_arrived_changes_nothing(site: Site) -> None:
    transmission = waiting(site)
    site.server.trouble(Trouble(before=reply(503)))

    def save_meanwhile(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.CLAIMED:
            enter_another_key(site)

    deliver(site.open(save_meanwhile), transmission.transmission_id, AttemptTrigger.RETRY)
    site.server.trouble()
    assert sent_as(site, transmission) == pseudonym(API_KEY, CUSTOMER)


def test_a_payload_that_was_changed_is_not_prepared_again_and_keeps_no_key_from_being_saved(site: Site) -> None:
    """Otherwise the entry that names its new digest would vouch for the change."""
    spoiled, fine = waiting(site, reply(401)), waiting(site, reply(401))
    site.spoil_payload(spoiled.transmission_id)
    enter_another_key(site)
    assert read(site, spoiled.transmission_id).transmission.prepared_sha256 == spoiled.prepared_sha256
    refused = retry(site.runtime, spoiled.transmission_id, ADMIN).transmission
    assert (refused.state, refused.cause) == (State.HELD, Cause.PAYLOAD_CHANGED)
    assert sent_as(site, fine) == pseudonym(ANOTHER_KEY, CUSTOMER)
