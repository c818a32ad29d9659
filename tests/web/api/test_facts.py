"""The facts that other Control Plane services report."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from httpx import Response

from telemetry_service.domain.facts import MAX_REPORT_COUNT, UsageReport
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.stages.record import record
from telemetry_service.storage.database import Database
from tests.support.databases import ON_BOTH
from tests.support.running import Running, code_in, fields_in, problem_in

LICENSE = {"customer_id": "cus_Nq4Rz7WkX2", "tier": "trial", "license_status": "active"}


def report(**values: object) -> dict[str, object]:
    return {
        "report_id": str(uuid4()),
        "bouncer_id": "bouncer-1",
        "environment": "production",
        "audit_events": 10,
        "policy_decisions": 5,
        "successful_decisions": 4,
        **values,
    }


def posted(service: Running, *reports: dict[str, object]) -> Response:
    return service.call(Scope.REPORT, "POST", "usage", json={"reports": reports})


def send(service: Running, *reports: dict[str, object]) -> object:
    """Return how many were counted now, and how many before."""
    found = posted(service, *reports).json()
    return {name: found[name] for name in ("accepted", "duplicates")}


def figures(service: Running) -> dict[str, object]:
    found: dict[str, object] = service.call(Scope.READ, "GET", "telemetry/preview").json()["figures"]
    return found


def test_a_bouncer_is_registered_changed_listed_and_removed(service: Running) -> None:
    assert service.call(Scope.REPORT, "DELETE", "bouncers/b:1").status_code == 404
    for environment in ("sandbox", "production"):
        body = {"environment": environment, "pair_id": "pair.1"}
        made = service.call(Scope.REPORT, "PUT", "bouncers/b:1", json=body)
        assert made.status_code == 200
        expected = {"bouncer_id": "b:1", "registered_at": "", "warnings": [], **body}
        assert made.json() | {"registered_at": ""} == expected
    assert [one["bouncer_id"] for one in service.call(Scope.READ, "GET", "bouncers").json()["bouncers"]] == ["b:1"]
    removed = service.call(Scope.REPORT, "DELETE", "bouncers/b:1")
    assert (removed.status_code, removed.content) == (204, b"")
    assert service.call(Scope.READ, "GET", "bouncers").json() == {"bouncers": []}


def test_usage_is_counted_once_however_often_it_is_reported(service: Running) -> None:
    first, second = report(), report(environment="sandbox")
    assert send(service, first) == {"accepted": 1, "duplicates": 0}
    assert send(service, first, second, second) == {"accepted": 1, "duplicates": 2}
    assert figures(service)["total_events"] == 20


@ON_BOTH
def test_an_acknowledged_report_is_on_disk(service: Running) -> None:
    send(service, report())
    other = Database(service.database_url)
    with other.read() as tx:
        days = tx.periods.day_counts(tx.periods.open().period_id)
    other.close()
    assert [day.production_events for day in days] == [10]


@ON_BOTH
def test_many_callers_at_once_are_all_counted(service: Running) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: send(service, *[report(audit_events=6) for _ in range(5)]), range(40)))
    assert responses == [{"accepted": 5, "duplicates": 0}] * 40
    assert figures(service)["total_events"] == 1_200


@ON_BOTH
def test_ten_thousand_reports_with_the_longest_ids_fit_into_one_call(service: Running) -> None:
    longest = {
        "bouncer_id": "x" * 64,
        "audit_events": MAX_REPORT_COUNT,
        "policy_decisions": MAX_REPORT_COUNT,
        "successful_decisions": MAX_REPORT_COUNT,
    }
    assert send(service, *[report(**longest) for _ in range(8_000)]) == {"accepted": 8_000, "duplicates": 0}
    rest = {"accepted": 10_000, "duplicates": 0}
    assert send(service, *[report(bouncer_id="x" * 64) for _ in range(10_000)]) == rest


@pytest.mark.parametrize("number", [0, 10_001])
def test_a_call_holds_one_to_ten_thousand_reports(shared: Running, number: int) -> None:
    response = shared.call(Scope.REPORT, "POST", "usage", json={"reports": [report() for _ in range(number)]})
    assert response.status_code == 422
    assert fields_in(response) == ["reports"]


def test_a_report_that_contradicts_itself_is_refused_with_its_place(shared: Running) -> None:
    wrong = [report(policy_decisions=4, successful_decisions=5), report(audit_events=4, policy_decisions=5)]
    response = shared.call(Scope.REPORT, "POST", "usage", json={"reports": [report(), report(), *wrong]})
    assert response.status_code == 422
    assert fields_in(response) == ["reports[2].successful_decisions", "reports[3].policy_decisions"]
    for one in wrong:
        assert posted(shared, one).status_code == 422, "alone, too"


def test_usage_of_an_unregistered_bouncer_is_counted(service: Running) -> None:
    send(service, report(bouncer_id="nobody.knows-me"))
    found = service.call(Scope.READ, "GET", "telemetry/preview").json()
    assert found["figures"]["active_bouncers"] == 1
    assert found["payload"]["deployed_bouncer_count"] == 0


def test_the_license_is_reported_and_read(service: Running) -> None:
    unknown = service.call(Scope.READ, "GET", "license").json()
    assert (unknown["tier"], unknown["customer_id"]) == ("unknown", None)
    moments = {"expires_at": "2027-01-01T01:00:00+01:00", "token_issued_at": "2026-11-01T00:00:00Z"}
    response = service.call(Scope.REPORT, "PUT", "license", json={**LICENSE, **moments})
    reported = service.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert response.json() == {
        **LICENSE,
        "source": "reported",
        "updated_at": reported,
        "expires_at": "2027-01-01T00:00:00.000Z",
        "token_issued_at": "2026-11-01T00:00:00.000Z",
        "token_expires_at": None,
        "token_refreshed_at": None,
        "feature_gating_active": True,
    }
    assert service.call(Scope.REPORT, "GET", "license").json() == response.json()


def test_a_license_without_an_end_may_end_in_the_last_year_of_the_calendar(service: Running) -> None:
    last = "9999-12-31T23:59:59Z"
    response = service.call(Scope.REPORT, "PUT", "license", json={**LICENSE, "expires_at": last})
    assert response.status_code == 200
    assert service.call(Scope.READ, "GET", "license").json()["expires_at"].startswith("9999-12-31")
    assert service.call(Scope.READ, "GET", "telemetry/preview").status_code == 200


def test_an_omitted_customer_id_stays_and_null_removes_it(service: Running) -> None:
    """So no token of the scope report stops delivery by leaving something out (I6)."""
    moments = {"expires_at": "2027-01-01T00:00:00Z", "token_expires_at": "2027-02-01T00:00:00Z"}
    first = service.call(Scope.REPORT, "PUT", "license", json={**LICENSE, **moments})
    changed = {"tier": "starter", "license_status": "active"}
    response = service.call(Scope.REPORT, "PUT", "license", json=changed)
    assert response.json() == {**first.json(), **changed}
    assert response.headers["etag"] != first.headers["etag"]
    assert service.call(Scope.READ, "GET", "license").headers["etag"] == response.headers["etag"]
    removed = service.call(Scope.REPORT, "PUT", "license", json={**changed, "customer_id": None})
    assert (removed.json()["customer_id"], removed.json()["token_expires_at"]) == (None, "2027-02-01T00:00:00.000Z")


MEMBERS = {
    "customer_id": "cus_Nq4Rz7WkX2",
    "tier": "starter",
    "license_status": "active",
    "expires_at": "2027-01-01T00:00:00.000Z",
    "token_issued_at": "2026-11-01T00:00:00.000Z",
    "token_expires_at": "2027-02-01T00:00:00.000Z",
    "token_refreshed_at": "2026-11-02T00:00:00.000Z",
}
ALWAYS_SOMETHING = {"tier", "license_status"}


def posture_in(response: Response) -> dict[str, object]:
    return {name: response.json()[name] for name in MEMBERS}


def test_every_member_of_the_license_changes_alone(service: Running) -> None:
    before = service.call(Scope.REPORT, "PUT", "license", json=MEMBERS)
    assert posture_in(before) == MEMBERS
    assert service.call(Scope.REPORT, "PUT", "license", json={}).json() == before.json()
    for name, value in MEMBERS.items():
        removed = service.call(Scope.REPORT, "PUT", "license", json={name: None})
        if name in ALWAYS_SOMETHING:
            assert removed.status_code == 422
            removed = service.call(Scope.REPORT, "PUT", "license", json={name: "unknown"})
        nothing = "unknown" if name in ALWAYS_SOMETHING else None
        assert posture_in(removed) == MEMBERS | {name: nothing}
        reported = service.call(Scope.REPORT, "PUT", "license", json={name: value})
        assert posture_in(reported) == MEMBERS


def test_a_change_of_the_license_that_names_another_version_is_refused(service: Running) -> None:
    def put(tag: str, tier: str) -> Response:
        changed = {"tier": tier, "license_status": "active"}
        return service.call(Scope.REPORT, "PUT", "license", json=changed, headers={"If-Match": tag})

    unknown = service.call(Scope.READ, "GET", "license").headers["etag"]
    first = put(unknown, "starter")
    assert (first.status_code, first.json()["tier"]) == (200, "starter")
    for stale in (unknown, f"W/{first.headers['etag']}", f'{unknown}, "7"'):
        refused = put(stale, "enterprise")
        assert (refused.status_code, code_in(refused)) == (412, "stale-license")
    assert put("starter", "enterprise").status_code == 422
    assert service.call(Scope.READ, "GET", "license").json() == first.json()
    assert put(f'"7", {first.headers["etag"]}', "enterprise").status_code == 200
    assert put("*", "professional").status_code == 200


def test_a_tier_or_a_status_of_a_newer_control_plane_is_taken_as_unknown(shared: Running) -> None:
    for name in ("tier", "license_status"):
        response = shared.call(Scope.REPORT, "PUT", "license", json=LICENSE | {name: "gold-2"})
        assert response.status_code == 200
        assert response.json() == response.json() | LICENSE | {name: "unknown"}


def test_what_is_reported_of_the_license_is_never_free_text(shared: Running) -> None:
    for refused in ({"tier": "<gold>"}, {"license_status": ""}, {"tier": "g" * 33}, {"tier": 7}, {"customer_id": ""}):
        response = shared.call(Scope.REPORT, "PUT", "license", json=LICENSE | refused)
        assert response.status_code == 422, refused
        assert fields_in(response) == list(refused)


@pytest.fixture
def deployed_for_another(sqlite_url: str) -> Iterator[Running]:
    with Running(sqlite_url, {"TELEMETRY_CUSTOMER_ID": "cus_SomebodyElse"}) as running:
        yield running


def test_a_customer_that_contradicts_the_deployment_is_refused(deployed_for_another: Running) -> None:
    response = deployed_for_another.call(Scope.REPORT, "PUT", "license", json=LICENSE)
    assert (response.status_code, code_in(response)) == (409, "customer-contradiction")
    assert "cus_" not in response.text


def test_feature_gating_is_not_active_while_telemetry_is_off(service: Running) -> None:
    etag = service.call(Scope.READ, "GET", "telemetry/config").headers["etag"]
    off = {
        "enabled": False,
        "frequency": "daily",
        "encrypt_payload": True,
        "anonymize_pii": True,
        "retention_days": 30,
    }
    assert service.call(Scope.ADMIN, "PUT", "telemetry/config", json=off, headers={"If-Match": etag}).is_success
    assert service.call(Scope.READ, "GET", "license").json()["feature_gating_active"] is False


def test_an_extension_code_is_recorded_once(service: Running) -> None:
    code = {"code_id": "EXT-30D-7Q2M", "redeemed_at": "2026-11-01T00:00:00Z"}
    responses = [service.call(Scope.REPORT, "POST", "extension-codes", json=code).json() for _ in range(2)]
    assert [response["recorded"] for response in responses] == [True, False]
    other = service.call(Scope.REPORT, "POST", "extension-codes", json={**code, "redeemed_at": "2026-11-02T00:00:00Z"})
    assert (other.status_code, code_in(other)) == (409, "extension-code-conflict")


@pytest.fixture
def bounded(sqlite_url: str) -> Iterator[Running]:
    """A service that takes two bouncers."""
    with Running(sqlite_url, {"TELEMETRY_MAX_BOUNCERS": "2"}) as running:
        yield running


def test_one_bouncer_too_many_is_refused_with_its_place_and_the_rest_can_be_sent(bounded: Running) -> None:
    reports = [report(bouncer_id=f"bouncer-{number}") for number in range(4)]
    refused = bounded.call(Scope.REPORT, "POST", "usage", json={"reports": reports})
    assert (refused.status_code, code_in(refused)) == (409, "too-many-bouncers")
    assert fields_in(refused) == ["reports[2].bouncer_id", "reports[3].bouncer_id"]
    assert figures(bounded)["total_events"] == 0
    assert send(bounded, *reports[:2]) == {"accepted": 2, "duplicates": 0}
    body = {"environment": "sandbox", "pair_id": "pair-1"}
    registered = [bounded.call(Scope.REPORT, "PUT", f"bouncers/{name}", json=body) for name in ("a", "b", "c")]
    assert [response.status_code for response in registered] == [200, 200, 409]
    assert code_in(registered[2]) == "registry-full"


def test_a_report_beyond_the_largest_sum_is_refused_with_its_place(shared: Running) -> None:
    almost = UsageReport(
        report_id=uuid4(),
        bouncer_id="bouncer-1",
        environment="sandbox",
        audit_events=2**53 - 1 - 30,
        policy_decisions=0,
        successful_decisions=0,
    )
    record(shared.context.runtime, [[almost]])
    reports = [report(audit_events=20) for _ in range(2)]
    refused = shared.call(Scope.REPORT, "POST", "usage", json={"reports": reports})
    assert (refused.status_code, code_in(refused)) == (409, "period-full")
    assert problem_in(refused)["errors"] == [
        {
            "field": "reports[1].audit_events",
            "problem": "would make a total of the open period exceed 2^53-1",
            "index": 1,
            "report_id": reports[1]["report_id"],
        }
    ]


def test_a_refusal_names_the_first_hundred_reports(bounded: Running) -> None:
    reports = [report(bouncer_id=f"bouncer-{number}") for number in range(150)]
    refused = bounded.call(Scope.REPORT, "POST", "usage", json={"reports": reports})
    assert fields_in(refused) == [f"reports[{number}].bouncer_id" for number in range(2, 102)]


@pytest.fixture
def narrowed(sqlite_url: str) -> Iterator[Running]:
    """A service that takes extension codes of one form only."""
    with Running(sqlite_url, {"TELEMETRY_EXTENSION_CODE_PATTERN": "EXT-[0-9]+|TRIAL"}) as running:
        yield running


@pytest.mark.parametrize(
    ("code_id", "status"),
    [("EXT-1234", 200), ("TRIAL", 200), ("EXT-1234a", 422), ("xEXT-1234", 422), ("call_me_at_555-1234", 422)],
)
def test_a_deployment_narrows_the_extension_codes_that_are_taken(narrowed: Running, code_id: str, status: int) -> None:
    code = {"code_id": code_id, "redeemed_at": "2026-11-01T00:00:00Z"}
    response = narrowed.call(Scope.REPORT, "POST", "extension-codes", json=code)
    assert response.status_code == status
    taken = narrowed.call(Scope.READ, "GET", "telemetry/preview").json()["payload"]["redeemed_extension_codes"]
    assert taken == ([code_id] if status == 200 else [])
    if status == 422:
        assert code_in(response) == "extension-code-refused"
        assert code_id not in response.text


def test_the_tab_shows_the_extension_codes_that_wait(service: Running) -> None:
    cookies, _ = service.log_in()
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    assert "waiting-codes" not in service.call(None, "GET", "/settings/general/telemetry", headers=headers).text
    for number in range(7):
        code = {"code_id": f"EXT-{number}", "redeemed_at": "2026-11-01T00:00:00Z"}
        assert service.call(Scope.REPORT, "POST", "extension-codes", json=code).is_success
    page = service.call(None, "GET", "/settings/general/telemetry", headers=headers).text
    assert "EXT-0, EXT-1, EXT-2, EXT-3, EXT-4 and 2 more" in page
