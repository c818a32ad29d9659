"""A process that is asked to stop finishes what it is sending, and leaves the rest to the next one."""

from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.stages.deliver import deliver_due
from tests.support.actors import ADMIN
from tests.support.license_server import Trouble, reply
from tests.support.site import Site, usage


def test_a_round_of_deliveries_ends_after_the_one_that_is_being_sent(site: Site) -> None:
    for events in (1, 2, 3):
        site.report(usage(events))
        site.server.trouble(Trouble(before=reply(422)))
        send_now(site.runtime, ADMIN, None)
    site.server.trouble()
    site.tick_only()

    def asked_to_stop(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            stopping.stopping.set()

    stopping = site.open(asked_to_stop)
    assert deliver_due(stopping) == 1
    assert len(site.server.journal()) == 1

    following = site.open()
    assert deliver_due(following) == 3
    assert sorted(payload.total_events for payload in site.server.payloads()) == [0, 1, 2, 3]
