"""Every route that changes something writes exactly its entries, with actor and source; every other one none."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.scopes import Scope
from telemetry_service.web.tab import paths
from tests.support.actors import PROVIDED, VIEWER
from tests.support.databases import RunDatabases
from tests.support.each import each
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.running import PASSWORD, Running
from tests.web.acts import NOBODY, PERSON, PROXY, Desk, Written, answered, sent, token

pytestmark = pytest.mark.long

REPORT, READ, ADMIN = Scope.REPORT, Scope.READ, Scope.ADMIN
T, TAB = "/api/v1/telemetry", paths.TAB
H = f"{T}/history/{{transmission_id}}"
ENTRIES = "/api/v1/ledger/entries/export?format=csv"
OTHER_KEY = "ck_other_0123456789"
ALONE = {"api_key": OTHER_KEY, "overlap": False}
BOUNCER = {"environment": "production", "pair_id": "pair-1"}
ALL = {"bouncers": [{"bouncer_id": "bnc-1", **BOUNCER}]}
REPORTED = "token:report"

Step = Callable[[Desk], object]
Call = Callable[[Desk], httpx.Response]


class Act(NamedTuple):
    """A call, and the entries that it writes."""

    do: Call
    writes: list[Written]
    after: Step = lambda _desk: None
    """What comes before the call and is not measured."""


def calls(scope: Scope | None, method: str, path: str, **request: object) -> Call:
    return lambda desk: desk.api(scope, method, path, **request)


def clicks(method: str, path: str, **form: str) -> Call:
    return lambda desk: desk.tab(method, path, **form)


def has_key(desk: Desk) -> httpx.Response:
    return desk.api(ADMIN, "PUT", f"{T}/config/api-key", json={"api_key": API_KEY, "overlap": False})


def has_none(desk: Desk) -> None:
    desk.api(ADMIN, "DELETE", f"{T}/config/api-key")


def is_registered(desk: Desk) -> None:
    desk.api(REPORT, "PUT", "/api/v1/bouncers/{bouncer_id}", json=BOUNCER)
    desk.forget_counts()


def is_gone(desk: Desk) -> None:
    desk.api(REPORT, "DELETE", "/api/v1/bouncers/{bouncer_id}")
    desk.forget_counts()


def has_license(desk: Desk) -> None:
    desk.api(REPORT, "PUT", "/api/v1/license", json={"tier": "trial", "license_status": "trial"})


def was_long_ago(desk: Desk) -> None:
    desk.log_in()
    desk.service.clock.advance(timedelta(minutes=11))


def is_restored(desk: Desk) -> None:
    with desk.service.context.runtime.database.write() as tx:
        tx.installation.restored(desk.service.clock.now())
        tx.ledger.note(desk.service.clock.now(), SERVICE, Kind.RESTORED)


def is_blocked(desk: Desk) -> None:
    for _ in range(6):
        desk.tab("POST", paths.LOGIN, name="admin", password="guessed wrong")
    desk.forget_counts()


def reports(desk: Desk) -> httpx.Response:
    counts = {"audit_events": 1, "policy_decisions": 1, "successful_decisions": 1}
    report = {"report_id": str(uuid4()), "bouncer_id": "bnc-1", "environment": "production", **counts}
    return desk.api(REPORT, "POST", "/api/v1/usage", json={"reports": [report]})


def deletes_sessions(which: str) -> Call:
    return lambda desk: desk.tab("DELETE", f"/api/v1/sessions{which}")


def ends_another_session(desk: Desk) -> httpx.Response:
    sessions = desk.tab("GET", "/api/v1/sessions").json()["sessions"]
    other = next(session["session_id"] for session in sessions if not session["current"])
    return desk.tab("DELETE", f"/api/v1/sessions/{other}")


def is_elsewhere(desk: Desk) -> None:
    desk.log_in()
    desk.log_in()


def is_visited(desk: Desk) -> None:
    desk.log_in()
    desk.service.log_in_as(VIEWER)


def is_alone(desk: Desk) -> None:
    desk.log_in()
    desk.tab("DELETE", "/api/v1/sessions?others=true")


def has_token(desk: Desk) -> None:
    desk.api(ADMIN, "POST", "/api/v1/tokens", json=TOKEN)


def revokes(desk: Desk) -> httpx.Response:
    context = desk.service.context
    tokens = [facts for facts in context.authentication.tokens.list() if facts.name == TOKEN["name"]]
    return desk.api(ADMIN, "DELETE", f"/api/v1/tokens/{tokens[-1].token_id}")


def saves(**changes: object) -> Call:
    def save(desk: Desk) -> httpx.Response:
        read = desk.api(READ, "GET", f"{T}/config")
        names = ("enabled", "frequency", "encrypt_payload", "anonymize_pii", "retention_days")
        values = {name: read.json()[name] for name in names} | changes
        return desk.api(ADMIN, "PUT", f"{T}/config", json=values, headers={"If-Match": read.headers["ETag"]})

    return save


def patches(**changes: str) -> Call:
    body, headers = json.dumps(changes), {"Content-Type": "application/merge-patch+json"}
    return calls(ADMIN, *PATCH, content=body, headers=headers)


def saves_form(**changes: str) -> Call:
    form = {"enabled": "on", "encrypt_payload": "on", "anonymize_pii": "on", "retention_days": "30"}

    def save(desk: Desk) -> httpx.Response:
        return desk.tab("POST", paths.SAVE, **form, version=desk.version(), **changes)

    return save


def frequency_is(frequency: str) -> Step:
    def set_it(desk: Desk) -> None:
        saves(frequency=frequency, retention_days=30)(desk)

    return set_it


def sends_by_click(desk: Desk) -> httpx.Response:
    shown = desk.api(READ, "GET", f"{T}/preview").json()["version"]
    return desk.tab("POST", paths.SEND_NOW, request_key=str(uuid4()), shown=shown)


def sends_twice(desk: Desk) -> httpx.Response:
    return desk.api(ADMIN, "POST", f"{T}/send-now", headers={"Idempotency-Key": "again"})


def fails(desk: Desk) -> None:
    desk.fail_to_send()


def nothing_failed(desk: Desk) -> None:
    desk.fail_to_send()
    desk.api(ADMIN, "POST", f"{T}/history/retry-failed")


def lacks_a_receipt(desk: Desk) -> None:
    desk.miss_receipt()


def waits(desk: Desk) -> None:
    desk.prepare_only()


def by(actor: str, *kinds: Kind) -> list[Written]:
    return [Written(kind, actor) for kind in kinds]


NONE: list[Written] = []
WHY = {"reason": "Reviewed"}
TOKEN: dict[str, Any] = {"name": "another", "scopes": ["read"]}
DECIDE = f"{TAB}/history/{{transmission_id}}/decide/{{decision}}"
PATCH = ("PATCH", f"{T}/config")
CONFIG, KEY, REVEAL = ("PUT", f"{T}/config"), ("PUT", f"{T}/config/api-key"), ("POST", f"{T}/config/api-key/reveal")
REGISTRY = ("PUT", "/api/v1/bouncers")
BOUNCERS, BOUNCER_GONE = ("PUT", "/api/v1/bouncers/{bouncer_id}"), ("DELETE", "/api/v1/bouncers/{bouncer_id}")
LICENSE, CODES = ("PUT", "/api/v1/license"), ("POST", "/api/v1/extension-codes")
KEY_GONE, TEST = ("DELETE", f"{T}/config/api-key"), ("POST", f"{T}/test-connection")
CODE = {"code_id": "EXT-2026-11", "redeemed_at": "2026-11-03T10:00:00Z"}
TIER = {"tier": "starter"}
WRONG = {"Authorization": "Bearer cct_" + "a" * 12 + "_" + "A" * 43}
ADMINS = token(ADMIN)
SENT = f"{paths.HISTORY}/{{transmission_id}}/attempts/{{number}}/{{part}}"

ACTS: dict[tuple[str, str], dict[str, Act]] = {
    BOUNCERS: {
        "new": Act(calls(REPORT, *BOUNCERS, json=BOUNCER), by(REPORTED, Kind.FACTS), is_gone),
        "the same": Act(calls(REPORT, *BOUNCERS, json=BOUNCER), NONE, is_registered),
        "other": Act(
            calls(REPORT, *BOUNCERS, json=BOUNCER | {"pair_id": "2"}), by(REPORTED, Kind.FACTS), is_registered
        ),
    },
    REGISTRY: {
        "other": Act(calls(REPORT, *REGISTRY, json=ALL), by(REPORTED, Kind.FACTS), is_gone),
        "the same": Act(calls(REPORT, *REGISTRY, json=ALL), NONE, calls(REPORT, *REGISTRY, json=ALL)),
        "only tried": Act(calls(REPORT, "PUT", f"{REGISTRY[1]}?dry_run=true", json={"bouncers": []}), NONE),
    },
    BOUNCER_GONE: {
        "there": Act(calls(REPORT, *BOUNCER_GONE), by(REPORTED, Kind.FACTS), is_registered),
        "gone": Act(calls(REPORT, *BOUNCER_GONE), NONE, is_gone),
    },
    ("POST", "/api/v1/usage"): {"usage": Act(reports, NONE)},
    LICENSE: {
        "other": Act(calls(REPORT, *LICENSE, json=TIER), by(REPORTED, Kind.FACTS), has_license),
        "the same": Act(calls(REPORT, *LICENSE, json={"tier": "trial"}), NONE, has_license),
    },
    CODES: {
        "new": Act(calls(REPORT, *CODES, json=CODE), by(REPORTED, Kind.FACTS)),
        "the same": Act(calls(REPORT, *CODES, json=CODE), NONE, calls(REPORT, *CODES, json=CODE)),
    },
    CONFIG: {
        "other": Act(saves(frequency="daily"), by(ADMINS, Kind.SETTINGS), frequency_is("weekly")),
        "the same": Act(saves(), NONE),
    },
    PATCH: {
        "other": Act(patches(frequency="daily"), by(ADMINS, Kind.SETTINGS), frequency_is("weekly")),
        "the same": Act(patches(frequency="weekly"), NONE, frequency_is("weekly")),
    },
    KEY: {
        "nothing waits": Act(calls(ADMIN, *KEY, json=ALONE), by(ADMINS, Kind.KEY_SET), nothing_failed),
        "one waits": Act(
            calls(ADMIN, *KEY, json=ALONE),
            by(ADMINS, Kind.PREPARED, Kind.KEY_SET),
            fails,
        ),
        "the same": Act(has_key, NONE, has_key),
    },
    KEY_GONE: {
        "there": Act(calls(ADMIN, *KEY_GONE), by(ADMINS, Kind.KEY_REMOVED), has_key),
        "gone": Act(calls(ADMIN, *KEY_GONE), NONE, has_none),
    },
    REVEAL: {
        "shown": Act(calls(ADMIN, *REVEAL), by(ADMINS, Kind.KEY_REVEALED), has_key),
        "scope missing": Act(calls(READ, *REVEAL), by(token(READ), Kind.REVEAL_REFUSED)),
        "wrong token": Act(calls(None, *REVEAL, headers=WRONG), by(NOBODY, Kind.TOKEN_REFUSED)),
        "no token": Act(calls(None, *REVEAL), NONE),
    },
    TEST: {
        "saved key": Act(calls(ADMIN, *TEST), by(ADMINS, Kind.CONNECTION_TESTED), has_key),
        "typed key": Act(calls(ADMIN, *TEST, json={"api_key": OTHER_KEY}), by(ADMINS, Kind.CONNECTION_TESTED)),
    },
    ("POST", f"{T}/send-now"): {
        "sent": Act(calls(ADMIN, "POST", f"{T}/send-now"), sent(ADMINS), has_key),
        "the same key": Act(sends_twice, NONE, sends_twice),
    },
    ("GET", f"{T}/history/export"): {
        "first": Act(calls(READ, "GET", f"{T}/history/export?format=csv"), by(token(READ), Kind.EXPORTED)),
        "again": Act(
            calls(READ, "GET", f"{T}/history/export?format=csv"),
            NONE,
            calls(READ, "GET", f"{T}/history/export?format=csv"),
        ),
    },
    ("GET", "/api/v1/ledger/entries/export"): {
        "first": Act(calls(READ, "GET", ENTRIES), by(token(READ), Kind.EXPORTED)),
        "again": Act(calls(READ, "GET", ENTRIES), NONE, calls(READ, "GET", ENTRIES)),
    },
    ("GET", "/api/v1/ledger/export"): {
        "first": Act(calls(READ, "GET", "/api/v1/ledger/export"), by(token(READ), Kind.EXPORTED)),
        "again": Act(calls(READ, "GET", "/api/v1/ledger/export"), NONE, calls(READ, "GET", "/api/v1/ledger/export")),
    },
    ("POST", "/api/v1/ledger/verify"): {"now": Act(calls(READ, "POST", "/api/v1/ledger/verify"), NONE)},
    ("POST", paths.VERIFY): {"now": Act(clicks("POST", paths.VERIFY), NONE)},
    ("GET", f"{H}/attempts/{{number}}/payload"): {
        "first": Act(calls(READ, "GET", f"{H}/attempts/{{number}}/payload"), by(token(READ), Kind.EXPORTED)),
    },
    ("GET", f"{H}/attempts/{{number}}/body"): {
        "first": Act(calls(READ, "GET", f"{H}/attempts/{{number}}/body"), by(token(READ), Kind.EXPORTED)),
    },
    ("GET", f"{H}/attempts/{{number}}/message"): {
        "first": Act(calls(READ, "GET", f"{H}/attempts/{{number}}/message"), by(token(READ), Kind.PROVED)),
    },
    ("GET", SENT): {"first": Act(clicks("GET", SENT), by(PERSON, Kind.EXPORTED))},
    ("DELETE", "/api/v1/sessions"): {
        "all": Act(deletes_sessions(""), by(PERSON, Kind.SESSIONS_ENDED), Desk.log_in),
        "no others": Act(deletes_sessions("?others=true"), NONE, is_alone),
    },
    ("DELETE", "/api/v1/sessions/{session_id}"): {
        "there": Act(ends_another_session, by(PERSON, Kind.SESSIONS_ENDED), is_elsewhere),
        "no such": Act(deletes_sessions("/00000000-0000-0000-0000-000000000008"), NONE),
    },
    ("POST", paths.END_SESSIONS): {
        "all": Act(clicks("POST", paths.END_SESSIONS, which="all"), by(PERSON, Kind.SESSIONS_ENDED), Desk.log_in),
        "others": Act(
            clicks("POST", paths.END_SESSIONS, which="others"), by(PERSON, Kind.SESSIONS_ENDED), is_elsewhere
        ),
        "no others": Act(clicks("POST", paths.END_SESSIONS, which="others"), NONE, is_alone),
        "no such": Act(clicks("POST", paths.END_SESSIONS, which="x"), NONE, Desk.log_in),
    },
    ("POST", paths.END_OTHERS): {
        "no one": Act(clicks("POST", paths.END_OTHERS, which="all"), NONE, Desk.log_in),
        "no such": Act(clicks("POST", paths.END_OTHERS, which="x"), NONE, Desk.log_in),
        "everyone": Act(clicks("POST", paths.END_OTHERS, which="all"), by(PERSON, Kind.SESSIONS_ENDED), is_visited),
    },
    ("POST", paths.PASSWORD): {
        "changed": Act(
            clicks("POST", paths.PASSWORD, present=PASSWORD, new=PASSWORD, again=PASSWORD),
            by(PERSON, Kind.PASSWORD_SET),
            Desk.log_in,
        ),
        "wrong": Act(
            clicks("POST", paths.PASSWORD, present="wrong", new=PASSWORD, again=PASSWORD),
            by(PERSON, Kind.PASSWORD_REFUSED),
            Desk.log_in,
        ),
        "common": Act(
            clicks("POST", paths.PASSWORD, present=PASSWORD, new="password1234", again="password1234"),
            NONE,
            Desk.log_in,
        ),
        "different": Act(clicks("POST", paths.PASSWORD, present=PASSWORD, new=PASSWORD, again="x"), NONE, Desk.log_in),
    },
    ("POST", "/api/v1/tokens"): {
        "new": Act(calls(ADMIN, "POST", "/api/v1/tokens", json=TOKEN), by(ADMINS, Kind.TOKEN_CREATED)),
        "taken": Act(calls(ADMIN, "POST", "/api/v1/tokens", json=TOKEN), NONE, has_token),
    },
    ("DELETE", "/api/v1/tokens/{token_id}"): {
        "there": Act(revokes, by(ADMINS, Kind.TOKEN_REVOKED), has_token),
        "gone": Act(calls(ADMIN, "DELETE", "/api/v1/tokens/aaaaaaaaaaaa"), NONE),
    },
    ("POST", f"{T}/history/retry-failed"): {
        "failed": Act(
            calls(ADMIN, "POST", f"{T}/history/retry-failed"), [*by(ADMINS, Kind.RETRIED), *answered()], fails
        ),
        "none": Act(calls(ADMIN, "POST", f"{T}/history/retry-failed"), NONE, nothing_failed),
    },
    ("POST", f"{H}/retry"): {
        "failed": Act(calls(ADMIN, "POST", f"{H}/retry"), [*by(ADMINS, Kind.RETRIED), *answered()], fails),
        "delivered": Act(calls(ADMIN, "POST", f"{H}/retry"), NONE, nothing_failed),
    },
    ("POST", f"{T}/restored"): {
        "restored": Act(
            calls(ADMIN, "POST", f"{T}/restored", json={"open_period": "unsent"}),
            by(ADMINS, Kind.RESTORED),
            is_restored,
        ),
        "not restored": Act(calls(ADMIN, "POST", f"{T}/restored", json={"open_period": "sent"}), NONE),
    },
    ("POST", paths.RESTORED): {
        "restored": Act(clicks("POST", paths.RESTORED, open_period="unsent"), by(PERSON, Kind.RESTORED), is_restored),
        "not restored": Act(clicks("POST", paths.RESTORED, open_period="sent"), NONE),
    },
    ("POST", f"{T}/bundles"): {"online": Act(calls(ADMIN, "POST", f"{T}/bundles"), NONE, fails)},
    ("POST", f"{T}/bundles/receipts"): {
        "no key": Act(calls(ADMIN, "POST", f"{T}/bundles/receipts", json={"receipts": []}), NONE)
    },
    ("POST", paths.BUNDLES): {"online": Act(clicks("POST", paths.BUNDLES), NONE, fails)},
    ("POST", paths.RECEIPTS): {"no file": Act(clicks("POST", paths.RECEIPTS), NONE)},
    ("POST", f"{H}/release"): {
        "waits": Act(calls(ADMIN, "POST", f"{H}/release", json=WHY), [*by(ADMINS, Kind.RELEASED), *answered()], waits),
        "never waited": Act(calls(ADMIN, "POST", f"{H}/release", json=WHY), NONE, fails),
    },
    ("POST", f"{H}/withdraw"): {
        "waits": Act(calls(ADMIN, "POST", f"{H}/withdraw", json=WHY), by(ADMINS, Kind.WITHDRAWN), waits),
        "refused": Act(calls(ADMIN, "POST", f"{H}/withdraw", json=WHY), by(ADMINS, Kind.WITHDRAWN), fails),
        "delivered": Act(calls(ADMIN, "POST", f"{H}/withdraw", json=WHY), NONE, nothing_failed),
    },
    ("POST", f"{H}/accept-without-receipt"): {
        "one is missing": Act(
            calls(ADMIN, "POST", f"{H}/accept-without-receipt", json=WHY),
            by(ADMINS, Kind.ACCEPTED_WITHOUT_RECEIPT),
            lacks_a_receipt,
        ),
        "none is missing": Act(calls(ADMIN, "POST", f"{H}/accept-without-receipt", json=WHY), NONE, fails),
    },
    ("POST", DECIDE): {
        "release": Act(
            clicks("POST", DECIDE.replace("{decision}", "release"), **WHY),
            [*by(PERSON, Kind.RELEASED), *answered()],
            waits,
        ),
        "withdraw": Act(clicks("POST", DECIDE, **WHY), by(PERSON, Kind.WITHDRAWN), waits),
        "no reason": Act(clicks("POST", DECIDE), NONE, waits),
    },
    ("POST", paths.LOGIN): {
        "in the place of a session": Act(
            clicks("POST", paths.LOGIN, name="admin", password=PASSWORD), by(PERSON, Kind.LOGIN, Kind.LOGOUT)
        ),
        "wrong": Act(clicks("POST", paths.LOGIN, name="admin", password="wrong"), by(NOBODY, Kind.LOGIN_FAILED)),
        "blocked": Act(
            clicks("POST", paths.LOGIN, name="admin", password=PASSWORD), by(NOBODY, Kind.LOGIN_BLOCKED), is_blocked
        ),
    },
    ("GET", paths.PROVIDER_LOGIN): {
        "from another site": Act(
            calls(None, "GET", paths.PROVIDER_LOGIN, headers={"Sec-Fetch-Site": "cross-site"}), NONE
        ),
    },
    ("GET", paths.PROVIDER_RETURN): {
        "not begun": Act(clicks("GET", paths.PROVIDER_RETURN), by(NOBODY, Kind.LOGIN_FAILED)),
    },
    ("GET", paths.PROVIDER_ENDED): {"silent provider": Act(clicks("GET", paths.PROVIDER_ENDED), NONE)},
    ("POST", paths.PROVIDER_LOGOUT): {
        "not signed": Act(
            clicks("POST", paths.PROVIDER_LOGOUT, logout_token="x"),
            by(NOBODY, Kind.LOGIN_FAILED),
        ),
    },
    ("POST", paths.LOGOUT): {"out": Act(clicks("POST", paths.LOGOUT), by(PERSON, Kind.LOGOUT), Desk.log_in)},
    ("POST", paths.APPEARANCE): {"theme": Act(clicks("POST", paths.APPEARANCE, theme="dark"), NONE)},
    ("POST", paths.SAVE): {
        "other": Act(saves_form(frequency="daily"), by(PERSON, Kind.SETTINGS), frequency_is("weekly")),
        "key and settings": Act(
            saves_form(frequency="monthly", api_key=OTHER_KEY),
            by(PERSON, Kind.KEY_SET, Kind.SETTINGS),
            frequency_is("weekly"),
        ),
        "the same": Act(saves_form(frequency="weekly"), NONE, frequency_is("weekly")),
    },
    ("POST", paths.TEST_CONNECTION): {
        "saved key": Act(clicks("POST", paths.TEST_CONNECTION), by(PERSON, Kind.CONNECTION_TESTED), has_key),
        "no key": Act(clicks("POST", paths.TEST_CONNECTION), NONE, has_none),
    },
    ("POST", paths.REVEAL): {
        "shown": Act(clicks("POST", paths.REVEAL), by(PERSON, Kind.KEY_REVEALED), has_key),
        "long ago": Act(clicks("POST", paths.REVEAL), by(PERSON, Kind.REVEAL_REFUSED), was_long_ago),
        "wrong password": Act(
            clicks("POST", paths.REVEAL, password="wrong"),
            by(PERSON, Kind.REVEAL_REFUSED),
            was_long_ago,
        ),
        "password": Act(
            clicks("POST", paths.REVEAL, password=PASSWORD), by(PERSON, Kind.LOGIN, Kind.KEY_REVEALED), was_long_ago
        ),
    },
    ("POST", paths.API_KEY): {
        "new": Act(clicks("POST", paths.API_KEY, api_key=API_KEY), by(PERSON, Kind.KEY_SET), has_none),
        "present": Act(clicks("POST", paths.API_KEY, api_key=API_KEY), NONE, has_key),
        "malformed": Act(clicks("POST", paths.API_KEY, api_key="short"), NONE, has_key),
    },
    ("POST", paths.REPLACE_KEY): {"asked": Act(clicks("POST", paths.REPLACE_KEY), NONE, has_key)},
    ("POST", paths.REMOVE_KEY): {
        "there": Act(clicks("POST", paths.REMOVE_KEY), by(PERSON, Kind.KEY_REMOVED), has_key),
        "gone": Act(clicks("POST", paths.REMOVE_KEY), NONE, has_none),
    },
    ("POST", paths.SEND_NOW): {"sent": Act(sends_by_click, sent(PERSON), has_key)},
    ("POST", paths.RETRY_FAILED): {
        "failed": Act(clicks("POST", paths.RETRY_FAILED), [*by(PERSON, Kind.RETRIED), *answered()], fails)
    },
    ("POST", f"{TAB}/history/{{transmission_id}}/retry"): {
        "failed": Act(
            clicks("POST", f"{TAB}/history/{{transmission_id}}/retry"),
            [*by(PERSON, Kind.RETRIED), *answered()],
            fails,
        )
    },
}
"""What each of these routes writes, in each case that differs. What bundles write, where payloads leave in them, is
tested in ``api/test_bundles.py``; what logins at a provider write, in ``security/test_hostile_issuer.py``."""

WITHOUT_AN_ENTRY = {
    ("POST", "/api/v1/usage"): {"reporting_periods", "usage_bouncers", "usage_counters", "usage_report_ids"},
    ("POST", "/api/v1/ledger/verify"): {"ledger_verification"},
    ("POST", paths.VERIFY): {"ledger_verification"},
}
"""What else the design lets a route change without one: usage has counters, and a verification a verdict."""

READS = {
    "/api/v1/bouncers",
    "/api/v1/bouncers/{bouncer_id}",
    "/api/v1/license",
    "/api/v1/openapi.json",
    "/api/v1/tokens",
    "/api/v1/sessions",
    paths.ACCESS,
    f"{T}/config",
    f"{T}/preview",
    f"{T}/health",
    f"{T}/dictionary",
    f"{T}/source",
    f"{T}/history",
    H,
    "/api/v1/ledger",
    "/api/v1/ledger/verifier",
    "/metrics",
    "/healthz",
    "/readyz",
    "/static/{digest}/{name}",
    "/static/{name}",
    "/",
    paths.LOGIN,
    paths.LOGGED_IN,
    paths.REMOVE_KEY,
    paths.SEND_NOW,
    TAB,
    *paths.ABOVE,
    paths.SETTINGS,
    paths.HISTORY,
    paths.LIVE,
    paths.RETRY_FAILED,
    f"{paths.HISTORY}/{{transmission_id}}",
    f"{paths.HISTORY}/{{transmission_id}}/evidence",
    DECIDE,
    paths.ACTIVITY,
    paths.ACTIVITY_LIVE,
    paths.COMPONENTS,
    paths.PROOF,
    paths.PROOF_LIVE,
    paths.PAYLOAD,
    paths.PAYLOAD_FILE,
}
"""What is only read, with ``GET``."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def desk(
    request: pytest.FixtureRequest, run_databases: RunDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """A service behind a trusted proxy, which has sent something."""
    folder, clock = tmp_path_factory.mktemp("desk"), FrozenClock()
    with LicenseServer(folder / "license-server", clock) as license_server:
        environment = settings(license_server)
        if request.param == "sqlite":
            yield from at_work(
                Running(run_databases.sqlite(folder), environment, clock, proxies=(PROXY,)), license_server
            )
            return
        with run_databases.postgresql() as url:
            yield from at_work(Running(url, environment, clock, proxies=(PROXY,)), license_server)


def settings(license_server: LicenseServer) -> dict[str, str]:
    ca_file: Path = license_server.server.ca_pem_path
    return {
        "TELEMETRY_LICENSE_SERVER_URL": license_server.server.url,
        "TELEMETRY_LICENSE_SERVER_CA_FILE": str(ca_file),
        "TELEMETRY_CUSTOMER_ID": CUSTOMER,
        **PROVIDED,
    }


def at_work(service: Running, license_server: LicenseServer) -> Iterator[Desk]:
    with service:
        desk = Desk(service, license_server)
        desk.fail_to_send()
        yield desk


def test_every_route_of_the_application_is_called(desk: Desk) -> None:
    found = iter_route_contexts(desk.service.app.routes)
    routes = {(method, route.path_format) for route in found for method in route.methods or ()}
    assert routes == set(ACTS) | {("GET", path) for path in READS}


@each("route", ACTS)
def test_a_route_that_changes_something_writes_exactly_its_entries(desk: Desk, route: tuple[str, str]) -> None:
    for name, act in ACTS[route].items():
        desk.service.clock.advance(timedelta(hours=1))  # No block of an earlier case lasts as long.
        desk.log_in()
        desk.forget_counts()
        act.after(desk)
        if act.writes:
            assert desk.written_by(act.do) == act.writes, (route, name)
        else:
            changed = changed_without_an_entry(desk, act.do)
            assert changed <= WITHOUT_AN_ENTRY.get(route, set()), (route, name, changed)


def changed_without_an_entry(desk: Desk, do: Call) -> set[str]:
    """Return the tables that a call changes although it writes no entry."""
    written: list[Written] = []
    changed = desk.changed_by(lambda desk: written.extend(desk.written_by(do)))
    assert written == NONE
    return changed


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_a_route_that_only_reads_changes_nothing(desk: Desk) -> None:
    desk.log_in()
    is_registered(desk)
    for path in sorted(READS):
        worked: list[httpx.Response] = []

        def read(desk: Desk, path: str = path, worked: list[httpx.Response] = worked) -> None:
            for call in (*(calls(scope, "GET", path) for scope in Scope), clicks("GET", path)):
                assert desk.written_by(heard(call, worked)) == NONE, path

        assert desk.changed_by(read) == set(), path
        if "static" not in path and path != paths.COMPONENTS:  # A page of demo mode alone.
            assert any(response.status_code < 400 for response in worked), (path, [it.text for it in worked])


def heard(call: Call, responses: list[httpx.Response]) -> Call:
    """Return a call whose response is kept."""

    def do(desk: Desk) -> httpx.Response:
        responses.append(call(desk))
        return responses[-1]

    return do
