"""A run that made no payload for lack of something is made up for once that is in place."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest

from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.transmissions import HistoryFilter
from telemetry_service.pipeline.actions.configure import remove_api_key, set_api_key
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import list_transmissions
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import wake
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.license_server import API_KEY, CUSTOMER
from tests.support.site import Site, usage

Cure = Callable[[Site], Runtime]


def without_key(site: Site) -> Cure:
    remove_api_key(site.runtime, ADMIN)
    site.tick()

    def cure(site: Site) -> Runtime:
        set_api_key(site.runtime, API_KEY, ADMIN)
        return site.runtime

    return cure


def with_a_key_that_cannot_be_opened(site: Site) -> Cure:
    other = site.open(replica=replace(site.replica, encryption_keys=(bytes(range(1, 33)),)))
    site.clock.set(site.next_run_at())
    wake(other)

    def cure(site: Site) -> Runtime:
        for _ in range(2):  # It cannot verify the entries of the other, nor its own about that before it has seen it.
            sweep(site.runtime)
        return site.runtime

    return cure


def without_license_server(site: Site) -> Cure:
    other = site.open(replica=replace(site.replica, base_url=None))
    site.clock.set(site.next_run_at())
    wake(other)
    return lambda site: site.open()


def without_customer_id(site: Site) -> Cure:
    other = site.open(replica=replace(site.replica, customer_id=None))
    site.clock.set(site.next_run_at())
    wake(other)

    def cure(_site: Site) -> Runtime:
        posture = LicensePosture(customer_id=CUSTOMER, tier=Tier.ENTERPRISE, license_status=LicenseStatus.ACTIVE)
        report_license(other, posture, OPS)
        return other

    return cure


def payloads(site: Site) -> int:
    return len(read_now(site.runtime, list_transmissions, HistoryFilter(), None, 100).items)


@pytest.mark.parametrize(
    ("miss", "result", "reason"),
    [
        (without_key, "api_key_missing", "no API key was configured"),
        (with_a_key_that_cannot_be_opened, "api_key_unusable", "could not be decrypted"),
        (without_license_server, "license_server_missing", "no License Server was configured"),
        (without_customer_id, "customer_id_missing", "customer ID was unknown"),
    ],
)
def test_whatever_was_missing_the_missed_run_is_made_up_for_at_the_next_waking(
    site: Site, miss: Callable[[Site], Cure], result: str, reason: str
) -> None:
    site.report(usage(7))
    cure = miss(site)
    report = read_now(site.runtime, read_health)
    assert report.last_tick_result == result
    assert reason in (report.verdict.run_note or "")
    assert payloads(site) == 0
    cured = cure(site)
    site.clock.advance(seconds=5)
    woken = wake(cured)
    assert (woken.tick, woken.attempts) == ("prepared", 1)
    assert [payload.total_events for payload in site.server.payloads()] == [7]
    assert [wake(cured).tick for _ in range(3)] == [None, None, None]
    assert read_now(cured, read_health).verdict.run_note is None


def test_a_missed_run_is_due_while_nothing_else_changes_and_only_once_everything_is_in_place(site: Site) -> None:
    without_key(site)
    for _ in range(3):
        site.clock.advance(hours=1)
        assert wake(site.runtime).tick is None
    note = read_now(site.runtime, read_health).verdict.run_note or ""
    assert note.endswith("It runs again once an API key is saved.")
    set_api_key(site.runtime, API_KEY, ADMIN)
    assert (read_now(site.runtime, read_health).verdict.run_note or "").endswith("It runs again now.")
    assert wake(site.runtime).tick == "prepared"


@ON_BOTH
def test_of_many_replicas_one_makes_up_for_the_missed_run(site: Site) -> None:
    site.report(usage(3))
    cure = without_key(site)
    cure(site)
    replicas = [site.open() for _ in range(4)]
    together, results = Barrier(len(replicas)), []

    def run(replica: Runtime) -> None:
        together.wait()
        results.append(wake(replica).tick)

    threads = [Thread(target=run, args=(replica,)) for replica in replicas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(result) for result in results) == ["None", "None", "None", "prepared"]
    assert payloads(site) == 1


def test_what_was_sent_by_hand_since_is_not_made_up_for(site: Site) -> None:
    cure = without_key(site)
    cure(site)
    send_now(site.runtime, ADMIN, None)
    assert read_now(site.runtime, read_health).verdict.run_note is None
    assert wake(site.runtime).tick is None
    assert payloads(site) == 1


def test_no_run_is_made_up_for_while_telemetry_is_off_or_after_it_was(site: Site) -> None:
    site.report(usage(7))
    cure = without_key(site)
    site.configure(enabled=False)
    cure(site)
    assert wake(site.runtime).tick is None
    assert read_now(site.runtime, read_health).verdict.run_note is None, "its counts are a period not reported"
    site.configure(enabled=True)
    assert wake(site.runtime).tick is None
    assert payloads(site) == 0


def test_of_several_missed_runs_one_payload_is_made(site: Site) -> None:
    cure = without_key(site)
    site.tick()
    site.tick()
    cure(site)
    assert [wake(site.runtime).tick for _ in range(3)] == ["prepared", None, None]


def test_a_run_that_is_due_itself_comes_first(site: Site) -> None:
    cure = without_key(site)
    cure(site)
    site.clock.set(site.next_run_at() + timedelta(hours=1))
    assert [wake(site.runtime).tick for _ in range(2)] == ["prepared", None]
    assert payloads(site) == 1
