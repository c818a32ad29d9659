"""Who did what: each use of the pipeline that somebody asked for, and each tick, leaves an entry."""

from telemetry_service.domain.activity import Action, Activity

from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from tests.support.actors import ADMIN, OPS
from tests.support.license_server import Trouble, reply
from tests.support.site import Site


def latest(site: Site) -> Activity:
    with site.runtime.database.read() as tx:
        (entry,) = tx.activity.latest(1)
    return entry


def test_a_send_now_says_who_pressed_it_and_what_it_made(site: Site) -> None:
    sent = send_now(site.runtime, OPS, None).transmission
    made = {"transmission_id": str(sent.transmission_id)}
    assert latest(site) == Activity(site.clock.now(), "token:ops", Action.SENT_NOW, made)


def test_a_retry_says_who_pressed_it_and_what_was_sent_again(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(422)))
    failed = send_now(site.runtime, ADMIN, None).transmission
    site.clock.advance(hours=1)
    retry(site.runtime, failed.transmission_id, OPS)
    again = {"transmission_id": str(failed.transmission_id)}
    assert latest(site) == Activity(site.clock.now(), "token:ops", Action.RETRIED, again)


def test_a_retry_of_all_says_who_pressed_it_and_how_many_there_were(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(422)))
    for _ in range(3):
        send_now(site.runtime, ADMIN, None)
    site.clock.advance(hours=1)
    retry_failed(site.runtime, OPS)
    assert latest(site) == Activity(site.clock.now(), "token:ops", Action.RETRIED, {"transmissions": "3"})


def test_a_tick_says_what_came_of_it(site: Site) -> None:
    site.tick()
    assert latest(site) == Activity(site.clock.now(), "schedule", Action.TICK, {"result": "prepared"})
