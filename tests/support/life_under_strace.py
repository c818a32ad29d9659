"""A program to look at from outside: a start, a run of the schedule, *Send Now*, *Retry* and a connection test.

``python -m tests.support.life_under_strace DATABASE_URL online|bundle FOLDER``
"""

import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from telemetry_service.domain.configuration import Delivery
from telemetry_service.domain.errors import AttemptUnderWayError, BundlesOnlyError, NoBundlesError
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.export_bundle import export_bundle
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.stages.tick import wake
from tests.support.actors import ADMIN
from tests.support.license_server import API_KEY
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, record_call, usage

ADDRESS = "https://license-server.invalid:8443"
"""Online, it is looked up and found by nobody; in bundles it may be configured and is not used."""


def live(database_url: str, delivery: Delivery, folder: Path) -> None:
    """Do everything once that could open a connection."""
    clock = SharedClock(folder / "clock")
    runtime = Replica(database_url, ADDRESS, None, delivery=delivery).open(clock)
    set_api_key(runtime, API_KEY, ADMIN)
    record_call(runtime, usage(7))
    with runtime.database.read() as tx:
        clock.set(tx.schedule.next_run_at() + timedelta(hours=1))
    assert wake(runtime).tick == "prepared"
    sent = send_now(runtime, ADMIN, None).transmission.transmission_id
    for tried in (
        lambda: check_connection(runtime, ADMIN),
        lambda: retry(runtime, sent, ADMIN),
        lambda: export_bundle(runtime, ADMIN),
    ):
        with suppress(BundlesOnlyError, NoBundlesError, AttemptUnderWayError):
            tried()
    runtime.database.close()


if __name__ == "__main__":
    live(sys.argv[1], Delivery(sys.argv[2]), Path(sys.argv[3]))
