"""Tab, REST and command line show one figure and one sentence for one thing."""

from collections.abc import Callable

import pytest

from telemetry_service.domain.facts import Environment
from telemetry_service.domain.transmissions import HistoryFilter
from telemetry_service.pipeline.actions.configure import remove_api_key
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import HistoryPage, list_transmissions, read_transmission
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.schemas.configuration import ConfigurationResponse
from telemetry_service.schemas.insight import HealthResponse, PreviewResponse
from telemetry_service.schemas.transmissions import HistoryResponse
from telemetry_service.web.tab.history_query import HistoryQuery
from telemetry_service.web.tab.views import overview, settings_view
from tests.support.actors import ADMIN
from tests.support.license_server import Trouble, reply
from tests.support.site import Site, usage


def fresh(_site: Site) -> None:
    """Leave it as it is."""


def off(site: Site) -> None:
    refused(site, 422)
    site.configure(enabled=False)


def keyless(site: Site) -> None:
    refused(site, 503)
    remove_api_key(site.runtime, ADMIN)


def refused(site: Site, status: int) -> None:
    site.server.trouble(Trouble(before=reply(status)))
    send_now(site.runtime, ADMIN, None)
    site.server.trouble()


def rejected(site: Site) -> None:
    refused(site, 422)
    send_now(site.runtime, ADMIN, None)


def outage(site: Site) -> None:
    refused(site, 503)


def missed(site: Site) -> None:
    remove_api_key(site.runtime, ADMIN)
    site.tick()


@pytest.mark.parametrize("state", [fresh, off, keyless, rejected, outage, missed])
def test_every_figure_and_sentence_is_the_same_everywhere(site: Site, state: Callable[[Site], None]) -> None:
    site.register("bouncer-1", Environment.SANDBOX)
    state(site)
    site.report(usage(9, decisions=0), usage(4, decisions=3, bouncer="nobody-knows-me"))
    with open_snapshot(site.runtime) as snapshot:
        tab = overview(snapshot, HistoryQuery()) | settings_view(snapshot)
    rest = HealthResponse.model_validate(read_now(site.runtime, read_health))
    verdict = tab["verdict"]
    assert (verdict.health.cause, verdict.health.next_step) == (rest.cause, rest.next_step)
    assert (verdict.waiting_note, verdict.run_note) == (rest.waiting_note, rest.run_note)
    assert (verdict.next_send_note, verdict.next_run_note) == (rest.next_send_note, rest.next_run_note)
    assert (verdict.health.status, verdict.situation.waiting.total) == (rest.status, rest.waiting)
    configuration = ConfigurationResponse.model_validate(read_now(site.runtime, read_configuration))
    assert (configuration.next_run_at, configuration.next_send_at) == (rest.next_run_at, rest.next_send_at)
    preview = PreviewResponse.model_validate(read_now(site.runtime, build_preview))
    figures, counts = preview.figures, tab["preview"].counts
    assert (figures.total_events, figures.active_bouncers) == (counts.total_events, counts.bouncer_count)
    assert (figures.sandbox_events, figures.production_events) == (counts.sandbox_events, counts.production_events)
    assert figures.policy_decisions == counts.policy_decision_count
    assert preview.payload is None or preview.payload["bouncer_count"] == figures.active_bouncers == 2
    assert tab["preview"].verdict.preview_note == preview.note
    for row, response in zip(
        tab["history"].transmissions, HistoryResponse.model_validate(history(site)).transmissions, strict=True
    ):
        assert row.texts.note == response.note
        texts = read_now(site.runtime, read_transmission, response.transmission_id).texts
        assert texts.next_attempt_at == response.next_attempt_at
        assert texts.next_attempt_note == response.next_attempt_note
        if response.cause is not None:
            assert texts.cause is not None
            assert texts.cause.next_step == response.cause.next_step


def history(site: Site) -> HistoryPage:
    return read_now(site.runtime, list_transmissions, HistoryFilter(), None, 25)
