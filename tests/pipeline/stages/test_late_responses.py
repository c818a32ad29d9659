"""A response that arrives after its attempt is gone from the database changes nothing, and is logged once."""

from collections.abc import Callable
from uuid import UUID

import pytest

from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.log.events import Event
from telemetry_service.pipeline.actions.erase import erase_everything
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.stages.deliver import deliver
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.sweep import verify_everything
from telemetry_service.storage.ledger import each_line
from tests.support.actors import CLI
from tests.support.backup import copied
from tests.support.databases import ON_BOTH
from tests.support.license_server import Strike, Trouble, reply
from tests.support.log_lines import lines_of
from tests.support.site import Site, usage

Vanish = Callable[[Site, UUID], None]


def erase(site: Site, _waiting: UUID) -> None:
    """Erase everything, once the lease is over."""
    site.clock.advance(hours=1)
    erase_everything(site.runtime, CLI)


def deliver_and_purge(site: Site, waiting: UUID) -> None:
    """Let another replica take over after the lease, and the retention pass."""
    site.clock.advance(hours=1)
    site.server.trouble()
    deliver(site.runtime, waiting, AttemptTrigger.RETRY)
    site.clock.advance(days=31)
    purge(site.runtime)


def due(site: Site) -> UUID:
    """Return a payload that waits for its first attempt."""
    site.report(usage(5))
    site.tick_only()
    with site.runtime.database.read() as tx:
        (waiting,) = tx.transmissions.waiting(frozenset({State.PENDING}))
    return waiting


def restoring(put_back: Callable[[], None]) -> Vanish:
    """Return what puts an older copy of the database in its place."""
    return lambda _site, _waiting: put_back()


def erased(site: Site) -> tuple[UUID, Vanish]:
    return due(site), erase


def purged(site: Site) -> tuple[UUID, Vanish]:
    return due(site), deliver_and_purge


def restored_without_the_payload(site: Site) -> tuple[UUID, Vanish]:
    put_back = copied(site.replica.database_url)
    return due(site), restoring(put_back)


def restored_without_the_attempt(site: Site) -> tuple[UUID, Vanish]:
    waiting = due(site)
    return waiting, restoring(copied(site.replica.database_url))


@pytest.mark.parametrize("strike", [None, reply(503)], ids=["acceptance", "failure"])
@pytest.mark.parametrize("gone", [erased, purged, restored_without_the_payload, restored_without_the_attempt])
@ON_BOTH
def test_it_changes_nothing(
    site: Site,
    caplog: pytest.LogCaptureFixture,
    gone: Callable[[Site], tuple[UUID, Vanish]],
    strike: Strike | None,
) -> None:
    waiting, vanish = gone(site)
    left: list[str] = []

    def meanwhile(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            vanish(site, waiting)
            left.extend(lines(site))

    site.server.trouble(Trouble(before=strike))
    deliver(site.open(meanwhile), waiting, AttemptTrigger.RETRY)
    assert lines(site) == left
    verified = verify_everything(site.runtime)
    assert verified is not None
    assert verified.problems == ()
    [logged] = lines_of(caplog, Event.RESPONSE_IGNORED)
    assert (logged["transmission_id"], logged["number"]) == (str(waiting), 1)


def lines(site: Site) -> list[str]:
    with site.runtime.database.read() as tx:
        return [line.line for line in each_line(tx.ledger)]
