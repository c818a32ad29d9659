"""Who did what: each use of the pipeline that somebody asked for, and each tick, leaves one entry in the ledger."""

from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.actions.configure import remove_api_key
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.activity import Activity
from tests.support.actors import ADMIN, OPS
from tests.support.ledger import entries
from tests.support.license_server import Trouble, reply
from tests.support.site import Site

OF_THE_SERVICE = frozenset({Kind.ATTEMPT, Kind.ANSWERED})
"""What follows from what somebody did, and is noted as done by the service."""


def asked_for(site: Site) -> list[Activity]:
    """Return what somebody did, oldest first."""
    return [entry for entry in entries(site.runtime.database) if entry.kind not in OF_THE_SERVICE]


def test_a_send_now_says_who_pressed_it_and_what_it_made(site: Site) -> None:
    before = asked_for(site)
    sent = send_now(site.runtime, OPS, None).transmission
    (entry,) = asked_for(site)[len(before) :]
    assert (entry.kind, entry.actor, entry.source, entry.at) == (
        Kind.PREPARED,
        "token:ops",
        OPS.address,
        site.clock.now(),
    )
    assert (entry.transmission_id, entry.details["trigger"]) == (sent.transmission_id, "manual")
    assert entry.details["prepared_sha256"] == sent.prepared_sha256


def test_a_retry_says_who_pressed_it_and_what_was_sent_again(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(422)))
    failed = send_now(site.runtime, ADMIN, None).transmission
    site.clock.advance(hours=1)
    before = asked_for(site)
    retry(site.runtime, failed.transmission_id, OPS)
    (entry,) = asked_for(site)[len(before) :]
    assert (entry.kind, entry.actor, entry.at) == (Kind.RETRIED, "token:ops", site.clock.now())
    assert (entry.transmission_id, entry.details) == (failed.transmission_id, {})


def test_a_retry_of_all_says_who_pressed_it_and_how_many_there_were(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(422)))
    for _ in range(3):
        send_now(site.runtime, ADMIN, None)
    site.clock.advance(hours=1)
    before = asked_for(site)
    retry_failed(site.runtime, OPS)
    (entry,) = asked_for(site)[len(before) :]
    assert (entry.kind, entry.actor, entry.at) == (Kind.RETRIED, "token:ops", site.clock.now())
    assert entry.details == {"transmissions": 3}


def test_a_tick_says_what_came_of_it(site: Site) -> None:
    site.tick()
    prepared = asked_for(site)[-1]
    assert (prepared.kind, prepared.actor, prepared.at) == (Kind.PREPARED, "schedule", site.clock.now())
    assert prepared.details["trigger"] == "scheduled"
    remove_api_key(site.runtime, ADMIN)
    site.tick()
    nothing = asked_for(site)[-1]
    assert (nothing.kind, nothing.actor, nothing.details) == (Kind.TICK, "schedule", {"result": "api_key_missing"})
