"""The preview: the open period by days, its sealed form, and what it is compared with."""

import pytest

from telemetry_service.domain.facts import Environment
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import read_now
from tests.support.actors import ADMIN
from tests.support.license_server import Trouble, reply
from tests.support.site import Site, usage


def test_the_days_of_a_period_follow_each_other_although_a_clock_was_set_back(site: Site) -> None:
    for _ in range(20):
        site.report(usage(1))
        site.clock.advance(days=-1)
    days = [count.day for count in read_now(site.runtime, build_preview).days]
    assert days == sorted(days)
    assert len(days) == 20


def test_the_days_of_the_open_period_are_shown_and_no_others(site: Site) -> None:
    site.report(usage(1))
    send_now(site.runtime, ADMIN, None)
    site.report(usage(2, environment=Environment.SANDBOX), usage(4, 3, 1))
    (day,) = read_now(site.runtime, build_preview).days
    assert (day.sandbox_events, day.production_events, day.policy_decisions, day.successful_decisions) == (2, 4, 3, 1)


@pytest.mark.parametrize(("encrypt", "media_type"), [(True, "application/jose"), (False, "application/json")])
def test_the_sealed_form_is_the_one_in_which_it_would_leave(site: Site, encrypt: bool, media_type: str) -> None:  # noqa: FBT001
    site.configure(encrypt_payload=encrypt)
    sealed = read_now(site.runtime, build_preview).sealed
    assert sealed is not None
    assert (sealed.encrypted, sealed.content_type) == (encrypt, media_type)


def test_it_is_compared_with_the_accepted_transmission_of_the_latest_period(site: Site) -> None:
    send_now(site.runtime, ADMIN, None)
    latest = send_now(site.runtime, ADMIN, None).transmission
    site.server.trouble(Trouble(before=reply(422)))
    send_now(site.runtime, ADMIN, None)
    assert read_now(site.runtime, build_preview).last_accepted_id == str(latest.transmission_id)
