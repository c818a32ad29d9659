"""Send Now sends what was shown, but for counts, health and times, or nothing."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from telemetry_service.domain.errors import PreviewStaleError
from telemetry_service.domain.idempotency_key import request_key_of
from telemetry_service.domain.transmissions import HistoryFilter, State
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.history import TransmissionDetail, list_transmissions
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.fault_server import Visit
from tests.support.license_server import API_KEY, Trouble, reply
from tests.support.site import Site, usage

_PATIENCE_SECONDS = 20
OTHER_KEY = "ck_test_another_key_0987654321"


def seen(site: Site) -> frozenset[str]:
    version = read_now(site.runtime, build_preview).version
    assert version is not None
    return frozenset({version})


def nothing_was_sent(site: Site) -> bool:
    return not read_now(site.runtime, list_transmissions, HistoryFilter(), None, 10).items


def test_what_was_shown_is_sent_with_the_counts_of_the_moment(site: Site) -> None:
    shown = seen(site)
    site.report(usage(5))
    site.clock.advance(minutes=3)
    send_now(site.runtime, ADMIN, None, shown)
    assert [payload.total_events for payload in site.server.payloads()] == [5]


@pytest.mark.parametrize("changes", [{"anonymize_pii": False}, {"encrypt_payload": False}, {"retention_days": 7}])
def test_another_configuration_than_the_one_that_was_shown_is_refused(site: Site, changes: dict[str, object]) -> None:
    shown = seen(site)
    site.configure(**changes)
    with pytest.raises(PreviewStaleError, match="The settings or the API key have changed"):
        send_now(site.runtime, ADMIN, None, shown)
    assert nothing_was_sent(site)
    send_now(site.runtime, ADMIN, None, seen(site))
    assert not nothing_was_sent(site)


def test_another_key_or_an_extension_code_that_was_not_shown_is_refused(site: Site) -> None:
    shown = seen(site)
    site.redeem("EXT-30D-7Q2M")
    with pytest.raises(PreviewStaleError, match="extension codes"):
        send_now(site.runtime, ADMIN, None, shown)
    shown = seen(site)
    set_api_key(site.runtime, OTHER_KEY, ADMIN)
    with pytest.raises(PreviewStaleError):
        send_now(site.runtime, ADMIN, None, shown)
    set_api_key(site.runtime, API_KEY, ADMIN)
    assert nothing_was_sent(site)


def test_the_same_request_again_names_its_transmission_whatever_has_changed_since(site: Site) -> None:
    shown = seen(site)
    first = send_now(site.runtime, ADMIN, "key", shown)
    site.configure(encrypt_payload=False)
    again = send_now(site.runtime, ADMIN, "key", shown)
    assert again.transmission.transmission_id == first.transmission.transmission_id


@ON_BOTH
@pytest.mark.waits
def test_whoever_is_faster_to_send_both_callers_with_a_key_get_the_same_result(site: Site) -> None:
    arrived = Event()
    others: list[Future[TransmissionDetail]] = []

    def slowly(visit: Visit) -> None:
        arrived.set()
        time.sleep(0.5)
        reply(422)(visit)

    def overtake(point: Failpoint) -> None:
        if point is Failpoint.PREPARED_COMMITTED:
            others.append(pool.submit(send_now, second, ADMIN, "once"))
            assert arrived.wait(_PATIENCE_SECONDS)

    site.server.trouble(Trouble(before=slowly))
    second = site.open()
    with ThreadPoolExecutor(1) as pool:
        created = send_now(site.open(overtake), ADMIN, "once")
        sent = others[0].result(_PATIENCE_SECONDS)
    assert created.transmission == sent.transmission
    assert (created.transmission.state, created.key_in_use, sent.key_in_use) == (State.REJECTED, False, False)
    assert (created.replayed, sent.replayed) == (False, True)


@ON_BOTH
def test_of_the_key_of_a_request_a_digest_is_kept(site: Site) -> None:
    sent = send_now(site.runtime, ADMIN, "run-7").transmission
    with site.runtime.database.read() as tx:
        assert tx.transmissions.by_request_key("run-7") is None
        assert tx.transmissions.by_request_key(request_key_of(ADMIN, "run-7")) == sent
