"""Nothing leaves that is not on the list: whatever is reported, seen from the License Server's end of the wire.

A canary stands in every input that can hold one; it never arrives.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.facts import (
    BouncerRegistration,
    Environment,
    ExtensionCode,
    LicensePosture,
)
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.report_facts import redeem_code, register_bouncer, report_license
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.stages.record import record
from tests.support.actors import ADMIN, OPS
from tests.support.databases import RunDatabases
from tests.support.fault_server import ReceivedRequest
from tests.support.license_server import CUSTOMER, LicenseServer, Trouble, reply
from tests.support.shared_clock import START, SharedClock
from tests.support.site import Replica, Site, usage

CANARY = "canary"
CANARY_ACTOR = Actor(ActorKind.TOKEN, CANARY, CANARY, CANARY)
HEADERS = {
    "host",
    "content-type",
    "content-length",
    "x-telemetry-id",
    "x-telemetry-timestamp",
    "x-telemetry-signature",
    "x-telemetry-key-id",
    "user-agent",
    "accept",
    "accept-encoding",
    "connection",
}
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
LIST: dict[str, str | type | set[Any]] = {
    "customer_id": r"cus_[A-Za-z0-9]{6,64}|anon_[0-9a-f]{64}",
    "instance_id": UUID4,
    "date": r"\d{4}-\d\d-\d\d",
    "bouncer_count": int,
    "deployed_bouncer_count": int,
    "active_reporting_bouncer_count": int,
    "policy_decision_count": int,
    "total_events": int,
    "successful_decisions": int,
    "sandbox_events": int,
    "production_events": int,
    "health_status": {"healthy", "warning", "unhealthy", "disabled", "not_configured"},
    "deployment_version": r"\d+\.\d+\.\d+",
    "tier": {"trial", "starter", "professional", "enterprise", "unknown"},
    "license_status": {"trial", "active", "grace", "expired", "suspended", "unknown"},
    "days_remaining": int,
    "telemetry_availability": {"available", "degraded", "unavailable"},
    "bouncer_pairs.total_pairs": int,
    "bouncer_pairs.sandbox_only_count": int,
    "bouncer_pairs.production_only_count": int,
    "bouncer_pairs.paired_count": int,
    "license_metrics.license_token_connected": {True, False},
    "license_metrics.license_token_expired": {True, False},
    "license_metrics.license_token_refreshed": {True, False},
    "license_metrics.license_token_age_days": int,
    "license_metrics.license_token_expires_in_days": int,
    "license_metrics.telemetry_last_attempt_ok": {True, False, None},
    "license_metrics.telemetry_last_success_age_hours": int,
    "redeemed_extension_codes": r"[A-Za-z0-9][A-Za-z0-9_-]{2,63}",
    "transmitted_at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
}
NULLABLE = {
    "days_remaining",
    "license_metrics.license_token_age_days",
    "license_metrics.license_token_expires_in_days",
    "license_metrics.telemetry_last_success_age_hours",
}


def strays(payload: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Name what is in a payload and not on the list."""
    for name, value in payload.items():
        if isinstance(value, dict):
            yield from strays(value, f"{prefix}{name}.")
        elif not allowed(prefix + name, value):
            yield prefix + name


def allowed(name: str, value: object) -> bool:
    rule = LIST.get(name)
    if isinstance(value, list):
        return isinstance(rule, str) and all(re.fullmatch(rule, item, re.ASCII) for item in value)
    if isinstance(rule, str):
        return isinstance(value, str) and re.fullmatch(rule, value, re.ASCII) is not None
    if isinstance(rule, set):
        return value in rule
    return (type(value) is rule) or (value is None and name in NULLABLE)


opaque = st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True)
code_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{2,63}", fullmatch=True)
counts = st.integers(0, 10**9)
moments = st.none() | st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zoned by timezones
reports = st.lists(st.tuples(opaque, st.sampled_from(Environment), counts, counts), max_size=5)
registrations = st.lists(st.tuples(opaque, st.sampled_from(Environment), opaque), max_size=4)
postures = st.builds(
    LicensePosture,
    customer_id=st.just(CUSTOMER),
    tier=st.sampled_from(Tier),
    license_status=st.sampled_from(LicenseStatus),
    expires_at=moments,
    token_issued_at=moments,
    token_expires_at=moments,
    token_refreshed_at=moments,
)


@pytest.fixture
def clear_site(
    run_databases: RunDatabases, tmp_path: Path, clock: SharedClock, server: LicenseServer
) -> Iterator[Site]:
    """A site on SQLite that sends without encryption, so that the wire itself can be looked at."""
    replica = Replica(run_databases.sqlite(tmp_path), server.server.url, server.server.ca_pem_path)
    made = Site(replica, clock, server)
    made.configure(encrypt_payload=False)
    yield made
    made.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(reported=reports, registered=registrations, posture=postures, codes=st.lists(code_ids, max_size=3, unique=True))
def test_whatever_is_reported_only_what_is_on_the_list_leaves(
    clear_site: Site,
    reported: list[tuple[str, Environment, int, int]],
    registered: list[tuple[str, Environment, str]],
    posture: LicensePosture,
    codes: list[str],
) -> None:
    site = clear_site
    for bouncer, environment, events, decisions in reported:
        report = usage(events, decisions, decisions // 2, bouncer=bouncer, environment=environment)
        record(site.runtime, [[report]])
    for bouncer, environment, pair in registered:
        register_bouncer(site.runtime, bouncer, BouncerRegistration(environment=environment, pair_id=pair), OPS)
    report_license(site.runtime, posture, OPS)
    for code in codes:
        redeem_code(site.runtime, ExtensionCode(code_id=code, redeemed_at=START), OPS)
    with site.runtime.database.read() as tx:
        waiting = tx.extension_codes.waiting()
    send_now(site.runtime, ADMIN, None)
    body = site.server.server.requests[-1].body
    payload = json.loads(body)
    assert list(strays(payload)) == []
    assert set(names(payload)) == set(LIST)
    assert payload["redeemed_extension_codes"] == list(waiting)
    assert site.server.journal()[-1].payload == body, "and the License Server takes it"


def names(payload: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in payload.items():
        if isinstance(value, dict):
            yield from names(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def everything(request: ReceivedRequest, journal_payload: bytes) -> bytes:
    """Return all that arrived, in one."""
    headers = "".join(f"{name}: {value}\n" for name, value in request.headers.items())
    return f"{request.method} {request.path}\n{headers}".encode() + request.body + journal_payload


@pytest.mark.parametrize("encrypt", [True, False])
@pytest.mark.parametrize("anonymize", [True, False])
def test_a_canary_in_every_input_never_arrives(site: Site, encrypt: bool, anonymize: bool) -> None:  # noqa: FBT001
    key = f"{CANARY}-key-0123456789"
    site.server.store.add_key(key, CUSTOMER)
    set_api_key(site.runtime, key, CANARY_ACTOR)
    site.configure(encrypt_payload=encrypt, anonymize_pii=anonymize)
    site.register(f"{CANARY}-registered", Environment.SANDBOX, f"{CANARY}-pair")
    site.report(usage(5, 3, 2, bouncer=f"{CANARY}:bouncer"), usage(1, bouncer=f"{CANARY}-registered"))
    check_connection(site.runtime, CANARY_ACTOR)
    site.server.trouble(Trouble(before=reply(503)))
    sent = send_now(site.runtime, CANARY_ACTOR, f"{CANARY}-request-key")
    site.server.trouble()
    retry(site.runtime, sent.transmission.transmission_id, CANARY_ACTOR)
    (entry,) = site.server.journal()
    requests = site.server.server.requests
    assert [request.path for request in requests] == ["/v1/telemetry/ping", "/v1/telemetry", "/v1/telemetry"]
    for request in requests:
        assert CANARY.encode() not in everything(request, entry.payload).lower()
        assert set(request.headers) == HEADERS
    assert (CUSTOMER.encode() in entry.payload) is not anonymize


def test_a_connection_test_carries_no_telemetry(site: Site) -> None:
    site.report(usage(5))
    assert check_connection(site.runtime, ADMIN).ok
    (request,) = site.server.server.requests
    assert request.body == b"{}"
