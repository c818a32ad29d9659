"""A transmission from its first attempt to its acceptance, whatever the License Server does."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import (
    KeyUnusableError,
    NotConfiguredError,
    NotFoundError,
)
from telemetry_service.domain.transmissions import AttemptTrigger, HistoryFilter, State, Transmission, Trigger
from telemetry_service.log.events import Event
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import remove_api_key, save_configuration, set_api_key
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.history import TransmissionDetail, list_transmissions, read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.deliver import deliver, deliver_due
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.sealing.identity import pseudonym
from tests.support import faults
from tests.support.actors import ADMIN
from tests.support.ledger import entries
from tests.support.license_server import API_KEY, CUSTOMER, Strike, Trouble, hang, reply, reset
from tests.support.log_lines import lines_of
from tests.support.reckoning import codes_of
from tests.support.site import Replica, Site, usage

BEFORE: dict[str, tuple[Strike, State, Cause]] = {
    "408": (reply(408), State.RETRYING, Cause.BUSY),
    "429": (reply(429), State.RETRYING, Cause.BUSY),
    "500": (reply(500), State.RETRYING, Cause.SERVER_ERROR),
    "503": (reply(503), State.RETRYING, Cause.BUSY),
    "reset": (reset, State.RETRYING, Cause.CONNECTION_LOST),
    "hang": (hang, State.RETRYING, Cause.DEADLINE_EXCEEDED),
    "401": (reply(401), State.HELD, Cause.API_KEY_NOT_ACCEPTED),
    "403": (reply(403), State.HELD, Cause.FORBIDDEN),
    "400": (reply(400), State.REJECTED, Cause.PAYLOAD_REFUSED),
    "404": (reply(404), State.REJECTED, Cause.NOT_FOUND),
    "405": (reply(405), State.REJECTED, Cause.NOT_FOUND),
    "411": (reply(411), State.REJECTED, Cause.PAYLOAD_REFUSED),
    "413": (reply(413), State.REJECTED, Cause.PAYLOAD_REFUSED),
    "415": (reply(415), State.REJECTED, Cause.PAYLOAD_REFUSED),
    "422": (reply(422), State.REJECTED, Cause.PAYLOAD_REFUSED),
    "redirect": (reply(307, Location="https://127.0.0.1:9/"), State.REJECTED, Cause.REDIRECTED),
    "no valid response": (reply(200), State.REJECTED, Cause.RESPONSE_MALFORMED),
    "accepted, but not by the protocol": (reply(204), State.REJECTED, Cause.RESPONSE_MALFORMED),
}


def send(site: Site, *strikes: Strike, events: int = 5) -> Transmission:
    """Send the open period while these things go wrong, one for each attempt."""
    site.report(usage(events))
    site.server.trouble(Trouble(before=strikes[0]) if strikes else Trouble())
    return send_now(site.runtime, ADMIN, None).transmission


def read(site: Site, transmission: Transmission | UUID) -> TransmissionDetail:
    """Return what is known of a transmission at present."""
    found = transmission if isinstance(transmission, UUID) else transmission.transmission_id
    return read_now(site.runtime, read_transmission, found)


def received_ids(site: Site) -> list[str]:
    """Return the ids of all requests, in their order."""
    return [request.headers["x-telemetry-id"] for request in site.server.server.requests]


@pytest.mark.parametrize("fault", BEFORE)
def test_what_goes_wrong_has_a_state_and_a_cause_and_the_same_payload_is_accepted_in_the_end(
    site: Site, fault: str
) -> None:
    strike, state, cause = BEFORE[fault]
    failed = send(site, strike)
    assert (failed.state, failed.cause) == (state, cause)
    site.server.trouble()
    site.tick()
    detail = read(site, failed)
    assert detail.transmission.state is State.SUCCESS
    assert (detail.transmission.prepared_sha256, detail.transmission.cause) == (failed.prepared_sha256, None)
    assert [attempt.state for attempt in detail.attempts] == [state, State.SUCCESS]
    assert [entry.times_received for entry in site.server.journal()] == [1, 1]


@pytest.mark.parametrize(
    "strike", [reset, reply(500), reply(400), faults.garbage], ids=["reset", "500", "400", "garbage"]
)
def test_accepted_without_a_word_it_is_sent_again_and_recognized(site: Site, strike: Strike) -> None:
    site.report(usage(5))
    site.server.trouble(Trouble(after=strike))
    failed = send_now(site.runtime, ADMIN, None).transmission
    assert failed.state is not State.SUCCESS
    site.server.trouble()
    detail = retry(site.runtime, failed.transmission_id, ADMIN)
    assert detail.transmission.state is State.SUCCESS
    assert detail.attempts[-1].duplicate
    (entry,) = site.server.journal()
    assert (entry.times_received, entry.conflicts) == (2, 0)


def test_a_retrying_transmission_waits_for_its_back_off(site: Site) -> None:
    failed = send(site, reply(503))
    assert failed.next_attempt_at is not None
    wait = failed.next_attempt_at - site.clock.now()
    assert timedelta(minutes=1) <= wait <= timedelta(hours=6)
    site.server.trouble()
    site.clock.set(failed.next_attempt_at - timedelta(seconds=1))
    assert deliver_due(site.runtime) == 0
    site.clock.advance(seconds=1)
    assert deliver_due(site.runtime) == 1
    assert read(site, failed).attempts[-1].trigger is AttemptTrigger.BACK_OFF


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        ("120", 120),
        ("0", 60),
        ("-5", 60),
        ("99999999999999999999", 6 * 3600),
        ("Tue, 03 Nov 2026 11:00:00 GMT", 3600),
        ("Tue, 03 Nov 2020 11:00:00 GMT", 60),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 6 * 3600),
    ],
)
def test_the_license_servers_wish_to_wait_is_obeyed_within_bounds(site: Site, wish: str, seconds: int) -> None:
    failed = send(site, reply(503, Retry_After=wish))
    assert failed.next_attempt_at == site.clock.now() + timedelta(seconds=seconds)


@pytest.mark.parametrize("status", [401, 422])
def test_a_held_or_rejected_transmission_is_tried_again_at_every_tick(site: Site, status: int) -> None:
    failed = send(site, reply(status))
    assert failed.next_attempt_at is None
    site.clock.advance(days=8)
    assert deliver_due(site.runtime) == 0
    site.tick()
    assert [attempt.trigger for attempt in read(site, failed).attempts] == [
        AttemptTrigger.SEND_NOW,
        AttemptTrigger.TICK,
    ]


def change_key(site: Site) -> None:
    site.server.store.add_key("another-key-0123456789", CUSTOMER)
    set_api_key(site.runtime, "another-key-0123456789", ADMIN)


def save_with_key(site: Site) -> None:
    with site.runtime.database.read() as tx:
        stored = tx.configuration.get()
    save_configuration(site.runtime, stored.values, stored.version, ADMIN, API_KEY)


def restart_with_another_connection(site: Site) -> None:
    pinned = site.server.public_key
    site.open(replica=Replica(site.replica.database_url, site.replica.base_url, site.replica.ca_file, pinned))


@pytest.mark.parametrize(
    "change",
    [
        change_key,
        save_with_key,
        restart_with_another_connection,
        lambda site: check_connection(site.runtime, ADMIN),
    ],
    ids=["key set", "form saved with a key", "connection changed", "connection test succeeded"],
)
def test_a_held_transmission_is_tried_as_soon_as_the_connection_is_changed(
    site: Site, change: Callable[[Site], object]
) -> None:
    failed = send(site, reply(401))
    site.server.trouble()
    assert wake(site.runtime).attempts == 0
    change(site)
    assert wake(site.runtime).attempts == 1
    assert read(site, failed).attempts[-1].trigger is AttemptTrigger.CONNECTION_CHANGED


def test_a_restart_without_a_change_wakes_nothing(site: Site) -> None:
    send(site, reply(401))
    site.open()
    assert wake(site.runtime).attempts == 0


def test_a_rejected_transmission_is_not_woken_by_another_key(site: Site) -> None:
    send(site, reply(422))
    change_key(site)
    assert wake(site.runtime).attempts == 0


def test_each_tick_sends_what_waits_oldest_first_and_the_new_one_last(site: Site) -> None:
    waiting = [str(send(site, reply(422)).transmission_id) for _ in range(3)]
    site.server.server.requests.clear()
    site.server.trouble()
    site.tick()
    (newest,) = read_now(site.runtime, list_transmissions, HistoryFilter(trigger=Trigger.SCHEDULED), None, 9).items
    assert received_ids(site) == [*waiting, str(newest.transmission_id)]


def test_one_that_is_refused_again_and_again_never_blocks_those_behind_it(site: Site) -> None:
    poison = send(site, reply(422))
    site.server.trouble(Trouble(before=reply(422), times=1))
    site.report(usage(3))
    site.tick()
    assert read(site, poison).transmission.state is State.REJECTED
    assert [payload.total_events for payload in site.server.payloads()] == [3]


def test_one_that_breaks_the_connection_delays_those_behind_it_by_one_waking_only(site: Site) -> None:
    send(site, reply(422))
    site.tick_only()
    site.server.trouble(Trouble(before=reset, times=1))
    assert deliver_due(site.runtime) == 1, "where no connection can be had the round ends"
    assert deliver_due(site.runtime) == 1
    assert len(site.server.journal()) == 1


def test_the_oldest_goes_first_also_where_it_was_planned_last(site: Site) -> None:
    failed = [send(site, reply(503, retry_after="3600")), send(site, reply(503))]
    site.server.server.requests.clear()
    site.server.trouble()
    site.clock.advance(hours=2)
    deliver_due(site.runtime)
    assert received_ids(site) == [str(transmission.transmission_id) for transmission in failed]


def test_what_was_prepared_leaves_under_its_pseudonym_although_the_customer_is_not_known_any_more(site: Site) -> None:
    site.report(usage(3))
    site.tick_only()
    nameless = replace(site.runtime, deployment=replace(site.runtime.deployment, customer_id=None))
    assert deliver_due(nameless) == 1
    (payload,) = site.server.payloads()
    assert payload.customer_id == pseudonym(API_KEY, CUSTOMER)


def test_what_was_sent_by_each_attempt_is_kept_byte_for_byte(site: Site) -> None:
    failed = send(site, reply(503))
    site.configure(encrypt_payload=False)
    site.clock.advance(hours=7)
    deliver_due(site.runtime)
    site.server.trouble()
    retry(site.runtime, failed.transmission_id, ADMIN)
    detail = read(site, failed)
    proof = read_now(site.runtime, prove, detail)
    requests = site.server.server.requests
    assert proof.holds
    assert [proof.body_of(attempt) for attempt in detail.attempts] == [request.body for request in requests]
    for attempt, request in zip(detail.attempts, requests, strict=True):
        headers = {name.lower(): value for name, value in proof.headers_of(attempt).items()}
        assert headers.items() <= dict(request.headers).items()
    moments = [json.loads(proof.payload_of(attempt) or b"{}")["transmitted_at"] for attempt in detail.attempts]
    assert len(set(moments)) == 2, "each attempt has a transmitted_at of its own, and two were at one moment"


def test_retry_sends_the_stored_payload_under_the_same_id_now(site: Site) -> None:
    failed = send(site, reply(422))
    site.report(usage(99))
    site.server.trouble()
    assert retry(site.runtime, failed.transmission_id, ADMIN).transmission.state is State.SUCCESS
    assert [payload.total_events for payload in site.server.payloads()] == [5]
    assert received_ids(site) == [str(failed.transmission_id)] * 2


def test_retry_of_what_was_accepted_returns_it_and_sends_nothing(site: Site) -> None:
    accepted = send(site)
    assert retry(site.runtime, accepted.transmission_id, ADMIN).transmission == accepted
    assert len(site.server.server.requests) == 1


def test_retry_of_what_there_is_not_is_refused(site: Site) -> None:
    with pytest.raises(NotFoundError):
        retry(site.runtime, UUID(int=7), ADMIN)


def test_retry_failed_sends_all_that_failed_oldest_first(site: Site) -> None:
    failed = [send(site, reply(503)), send(site, reply(422)), send(site, reply(401))]
    site.server.server.requests.clear()
    site.server.trouble()
    details = retry_failed(site.runtime, ADMIN)
    assert [detail.transmission.state for detail in details] == [State.SUCCESS] * 3
    assert [detail.transmission.transmission_id for detail in details] == [one.transmission_id for one in failed]
    assert received_ids(site) == [str(transmission.transmission_id) for transmission in failed]


def test_retry_failed_leaves_to_the_next_wakings_what_it_does_not_come_to(site: Site) -> None:
    """Without a connection the rest would meet the same, and each one wait for its deadline."""
    failed = [send(site, reply(422)) for _ in range(3)]
    site.server.server.requests.clear()
    site.server.trouble(Trouble(before=reset))
    details = retry_failed(site.runtime, ADMIN)
    assert received_ids(site) == [str(failed[0].transmission_id)]
    assert [detail.transmission.transmission_id for detail in details] == [one.transmission_id for one in failed]
    assert [detail.transmission.state for detail in details] == [State.RETRYING, State.REJECTED, State.REJECTED]
    site.server.trouble()
    deliver_due(site.runtime)
    assert received_ids(site)[1:] == [str(transmission.transmission_id) for transmission in failed[1:]]
    assert read(site, failed[2]).attempts[-1].trigger is AttemptTrigger.RETRY


def test_retry_failed_goes_on_after_one_whose_payload_was_changed(site: Site) -> None:
    """It was not sent at all: that says nothing of the connection."""
    spoiled, fine = send(site, reply(422)), send(site, reply(422))
    site.spoil_payload(spoiled.transmission_id)
    site.server.trouble()
    details = retry_failed(site.runtime, ADMIN)
    assert [detail.transmission.state for detail in details] == [State.HELD, State.SUCCESS]
    assert details[1].transmission.transmission_id == fine.transmission_id


def test_send_now_pressed_twice_with_one_key_is_one_transmission(site: Site) -> None:
    site.report(usage(5))
    first = send_now(site.runtime, ADMIN, "0" * 64)
    site.report(usage(7))
    again = send_now(site.runtime, ADMIN, "0" * 64)
    assert (again.transmission, first.replayed, again.replayed) == (first.transmission, False, True)
    assert send_now(site.runtime, ADMIN, "1" * 64).transmission.records_sent == 7
    assert [payload.total_events for payload in site.server.payloads()] == [5, 7]


def test_records_sent_is_the_number_of_audit_events(site: Site) -> None:
    assert send(site, events=42).records_sent == 42


def test_codes_ride_in_one_transmission_and_stay_with_it_until_it_is_accepted(site: Site) -> None:
    site.redeem("EXT-1")
    send(site, reply(422))
    site.redeem("EXT-2")
    send(site, reply(422))
    site.server.trouble()
    site.redeem("EXT-3")
    site.tick()
    assert sorted(codes_of(site.server.journal())) == ["EXT-1", "EXT-2", "EXT-3"]
    assert [payload.redeemed_extension_codes for payload in site.server.payloads()] == [
        ("EXT-1",),
        ("EXT-2",),
        ("EXT-3",),
    ]


def test_codes_ride_oldest_first_and_at_most_a_thousand_at_a_time(site: Site) -> None:
    for number in range(1_003):
        site.clock.advance(seconds=1)
        site.redeem(f"EXT-{number}")
    send(site)
    send(site)
    first, second = (payload.redeemed_extension_codes for payload in site.server.payloads())
    assert first == tuple(f"EXT-{number}" for number in range(1_000))
    assert second == ("EXT-1000", "EXT-1001", "EXT-1002")


def test_without_an_api_key_what_waits_stays_and_goes_out_once_there_is_one(site: Site) -> None:
    failed = send(site, reply(503))
    remove_api_key(site.runtime, ADMIN)
    site.server.trouble()
    site.clock.advance(hours=7)
    assert deliver(site.runtime, failed.transmission_id) is None
    with pytest.raises(NotConfiguredError):
        retry(site.runtime, failed.transmission_id, ADMIN)
    set_api_key(site.runtime, API_KEY, ADMIN)
    assert deliver_due(site.runtime) == 1
    assert len(site.server.journal()) == 1


def test_a_key_that_cannot_be_opened_keeps_everything_until_it_is_entered_again(site: Site) -> None:
    failed = send(site, reply(503))
    site.server.trouble()
    site.clock.advance(hours=7)
    strange = site.open(
        replica=Replica(
            site.replica.database_url, site.replica.base_url, site.replica.ca_file, encryption_keys=(bytes(32),)
        )
    )
    assert deliver(strange, failed.transmission_id) is None
    with pytest.raises(KeyUnusableError):
        retry(strange, failed.transmission_id, ADMIN)
    with pytest.raises(KeyUnusableError):
        send_now(strange, ADMIN, None)
    set_api_key(strange, API_KEY, ADMIN)
    assert deliver_due(strange) == 0
    stored = read_now(strange, read_configuration).stored
    save_configuration(strange, stored.values, stored.version, ADMIN)  # Approves the rows that the other key stamped.
    assert deliver_due(strange) == 1


def test_a_stored_payload_that_was_changed_is_held_and_never_sent(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    spoiled = send(site, reply(503))
    site.spoil_payload(spoiled.transmission_id)
    site.server.trouble()
    site.clock.advance(hours=7)
    site.report(usage(3))
    site.tick()
    found = read(site, spoiled).transmission
    assert (found.state, found.cause) == (State.HELD, Cause.PAYLOAD_CHANGED)
    [line] = lines_of(caplog, Event.PAYLOAD_INVALID)
    assert line["transmission_id"] == str(spoiled.transmission_id)
    assert [payload.total_events for payload in site.server.payloads()] == [3]


def test_with_a_pinned_key_an_acceptance_shows_whether_its_receipt_was_verified(site: Site) -> None:
    url, base_url, ca_file = site.replica.database_url, site.replica.base_url, site.replica.ca_file
    site.runtime = site.open(replica=Replica(url, base_url, ca_file, site.server.public_key))
    assert read(site, send(site)).receipt_verified is True


def test_without_a_pinned_key_nothing_is_said_of_the_receipt(site: Site) -> None:
    accepted = send(site)
    assert (accepted.state, read(site, accepted).receipt_verified) == (State.SUCCESS, None)


def test_a_retry_that_is_refused_is_not_noted_as_one(site: Site) -> None:
    before = entries(site.runtime.database)
    with pytest.raises(NotFoundError):
        retry(site.runtime, UUID(int=7), ADMIN)
    assert entries(site.runtime.database) == before
