"""Claims: who sends, at which points a process passes, and what a configuration that changes meanwhile does to it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.pipeline.api_key import seal_api_key
from telemetry_service.pipeline.deliver import deliver, deliver_due
from telemetry_service.pipeline.history import read_transmission
from telemetry_service.pipeline.installation import Milestone
from telemetry_service.pipeline.send_now import send_now
from telemetry_service.pipeline.tick import wake
from tests.support.license_server import CUSTOMER, Trouble, reply
from tests.support.site import Site, usage

ANOTHER_KEY = "another-key-0123456789"


def test_a_tick_passes_the_points_at_which_a_crash_is_tried_in_their_order(site: Site) -> None:
    passed: list[Milestone] = []
    replica = site.open(passed.append)
    site.clock.set(site.next_run_at())
    wake(replica)
    assert passed == [
        Milestone.TICK_OWNED,
        Milestone.PERIOD_CLOSED,
        Milestone.PREPARED,
        Milestone.CLAIMED,
        Milestone.SENT,
        Milestone.OUTCOME_WRITTEN,
        Milestone.OUTCOME_COMMITTED,
    ]


def test_a_key_that_is_being_set_while_the_old_one_is_refused_is_tried(site: Site) -> None:
    """Whoever sets it has looked for what is held already: the attempt that ends meanwhile has to wait and look."""
    site.server.store.add_key(ANOTHER_KEY, CUSTOMER)
    site.report(usage(5))
    site.server.trouble(Trouble(before=reply(503)))
    waiting = send_now(site.installation, "admin", None).transmission.transmission_id
    site.server.trouble(Trouble(before=reply(401), times=1))
    refused, being_set = threading.Event(), threading.Event()

    def hold(milestone: Milestone) -> None:
        if milestone is Milestone.SENT:
            refused.set()
            being_set.wait(30)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(deliver, site.open(hold), waiting, AttemptTrigger.RETRY)
        refused.wait(30)
        with site.installation.database.write() as tx:
            tx.configuration.get(lock=True)
            tx.configuration.set_api_key(
                seal_api_key(site.installation, ANOTHER_KEY, site.clock.now()), site.clock.now()
            )
            tx.transmissions.wake(frozenset({State.HELD}), site.clock.now(), AttemptTrigger.CONNECTION_CHANGED)
            being_set.set()
            with pytest.raises(TimeoutError):
                sending.result(0.5)
        sending.result(30)
    assert read_transmission(site.installation, waiting).transmission.state is State.HELD
    assert deliver_due(site.installation) == 1
    assert read_transmission(site.installation, waiting).transmission.state is State.SUCCESS
