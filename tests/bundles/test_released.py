"""What waits for its release is in no bundle; what was exported may have arrived, and cannot be withdrawn."""

from dataclasses import replace

import pytest

from telemetry_service.domain.errors import MayHaveArrivedError, NothingToExportError
from telemetry_service.domain.release import Release, ReleasePolicy
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.export_bundle import export_bundle
from telemetry_service.pipeline.actions.release import release, withdraw
from telemetry_service.pipeline.actions.send_now import send_now
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.site import Site, usage

WHY = "Reviewed by the works council"


@pytest.fixture
def manual(site: Site) -> Site:
    """A site whose payloads leave in bundles, each released by a person."""
    site.runtime = site.open(replica=replace(site.replica, release=ReleasePolicy(Release.MANUAL)))
    site.report(usage())
    return site


@ON_BOTH
def test_only_what_was_released_is_exported(manual: Site) -> None:
    waiting = send_now(manual.runtime, ADMIN, None).transmission
    assert waiting.state is State.AWAITING_RELEASE
    with pytest.raises(NothingToExportError):
        export_bundle(manual.runtime, ADMIN)
    assert release(manual.runtime, waiting.transmission_id, ADMIN, WHY).transmission.state is State.PENDING
    bundle = export_bundle(manual.runtime, ADMIN)
    assert [exported.message.transmission_id for exported in bundle.exported] == [waiting.transmission_id]
    with pytest.raises(MayHaveArrivedError):
        withdraw(manual.runtime, waiting.transmission_id, ADMIN, WHY)


def test_what_was_withdrawn_is_in_no_bundle(manual: Site) -> None:
    waiting = send_now(manual.runtime, ADMIN, None).transmission
    withdraw(manual.runtime, waiting.transmission_id, ADMIN, WHY)
    with pytest.raises(NothingToExportError):
        export_bundle(manual.runtime, ADMIN)
