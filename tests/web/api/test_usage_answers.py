"""What a reporter needs to know of each call: what to repeat, what to set aside, and what is probably not meant."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from telemetry_service.domain.periods import PeriodSums
from telemetry_service.identity.scopes import Scope
from tests.support.databases import ON_BOTH
from tests.support.running import Running, code_in, problem_in
from tests.web.api.test_facts import posted, report, send


def listed(problem: dict[str, Any]) -> dict[int, Any]:
    """Return the ID of each report that a refusal lists, by its place."""
    return {one["index"]: one.get("report_id") for one in problem["errors"]}


def test_every_invalid_report_is_listed_so_that_the_others_can_be_sent(shared: Running) -> None:
    """In one refusal: contradictions, wrong types, fields that do not exist, and what is no report."""
    wrong = {
        1: report(policy_decisions=1, successful_decisions=2),
        3: report(audit_events=-1, environment="staging"),
        4: report(policy="x"),
        6: report(audit_events=4),
        7: report(report_id="no-id"),
        8: 8,
        9: report(bouncer_id="with\0nul"),
    }
    reports: list[Any] = [wrong.get(place, report()) for place in range(11)]
    problem = problem_in(posted(shared, *reports))
    ids = {place: None if place in {7, 8} else wrong[place]["report_id"] for place in wrong}  # type: ignore[index]
    assert (problem["status"], problem["retryable"], listed(problem)) == (422, False, ids)
    fields = [one["field"] for one in problem["errors"] if one["index"] == 3]
    assert sorted(fields) == ["reports[3].audit_events", "reports[3].environment", "reports[3].policy_decisions"]
    rest = [one for place, one in enumerate(reports) if place not in listed(problem)]
    assert send(shared, *rest) == {"accepted": 4, "duplicates": 0}


def test_the_first_hundred_invalid_reports_are_listed_and_then_the_next(shared: Running) -> None:
    reports = [report(audit_events=-1, policy_decisions="x") for _ in range(130)]
    problem = problem_in(posted(shared, *reports))
    assert sorted(listed(problem)) == list(range(100))
    assert sorted(listed(problem_in(posted(shared, *reports[100:])))) == list(range(30))


def test_a_name_that_stands_twice_is_found_beside_other_errors(shared: Running) -> None:
    good = report()
    raw = (
        f'{{"reports": [{{"report_id": "{uuid4()}", "report_id": "{good["report_id"]}"}}, {{"audit_events": 1.5}}]}}'
    ).encode()
    problem = problem_in(shared.send_raw(Scope.REPORT, "POST", "usage", raw))
    assert listed(problem) == {0: good["report_id"], 1: None}
    assert {"field", "problem", "index", "report_id"} == set(problem["errors"][0])


def test_an_error_of_the_body_itself_names_no_report(shared: Running) -> None:
    bodies: tuple[Any, ...] = ({}, {"reports": []}, {"reports": [report()], "more": 1}, [])
    for body in bodies:
        problem = problem_in(shared.call(Scope.REPORT, "POST", "usage", json=body))
        assert {one.get("index") for one in problem["errors"]} == {None}


def test_a_report_that_does_not_fit_is_listed_with_its_id_and_may_be_repeated_later(service: Running) -> None:
    last = report(audit_events=60)
    with service.context.runtime.database.write() as tx:
        tx.usage_bounds.add(tx.periods.open().period_id, PeriodSums(2**53 - 60, 0, 0), 10)
    problem = problem_in(posted(service, report(audit_events=5), last))
    assert (problem["status"], problem["retryable"], listed(problem)) == (409, True, {1: last["report_id"]})


def test_usage_is_not_reportable_while_telemetry_is_off(service: Running) -> None:
    def switch(*, on: bool) -> None:
        body = f'{{"enabled": {str(on).lower()}}}'
        headers = {"Content-Type": "application/merge-patch+json"}
        assert service.call(
            Scope.ADMIN, "PATCH", "telemetry/config?confirm=true", content=body, headers=headers
        ).is_success

    assert posted(service, report()).json()["reportable"] is True
    switch(on=False)
    assert posted(service, report()).json()["reportable"] is False
    switch(on=True)
    assert posted(service, report()).json()["reportable"] is True


@ON_BOTH
def test_usage_of_another_environment_than_registered_is_counted_with_a_warning(service: Running) -> None:
    service.call(Scope.REPORT, "PUT", "bouncers/bouncer-1", json={"environment": "sandbox", "pair_id": "p"})
    first, second = report(), report()
    found = posted(service, report(environment="sandbox"), first, second, report(bouncer_id="unknown")).json()
    (said,) = found["warnings"]
    assert found["accepted"] == 4
    assert {name: said[name] for name in ("code", "bouncer_id", "index", "report_id")} == {
        "code": "environment-differs",
        "bouncer_id": "bouncer-1",
        "index": 1,
        "report_id": first["report_id"],
    }


@ON_BOTH
def test_an_id_with_other_content_is_a_duplicate_with_a_warning_in_one_call_or_two(service: Running) -> None:
    first = report()
    other = {**first, "audit_events": 11}
    elsewhere = {**first, "bouncer_id": "bouncer-2"}
    found = posted(service, first, first, other).json()
    assert (found["accepted"], found["duplicates"]) == (1, 2)
    assert [(said["code"], said["index"]) for said in found["warnings"]] == [("report-id-reused", 2)]
    again = posted(service, first, other, elsewhere).json()
    assert (again["accepted"], again["duplicates"]) == (0, 3)
    assert [(said["index"], UUID(said["report_id"])) for said in again["warnings"]] == [
        (1, UUID(str(first["report_id"]))),
        (2, UUID(str(first["report_id"]))),
    ]
    assert service.call(Scope.READ, "GET", "telemetry/preview").json()["figures"]["total_events"] == 10


@pytest.mark.parametrize(
    ("method", "path", "retryable"),
    [("GET", "telemetry/history?cursor=x", False), ("POST", "telemetry/send-now", False), ("GET", "none", False)],
)
def test_a_problem_says_whether_to_repeat_the_call(shared: Running, method: str, path: str, *, retryable: bool) -> None:
    refused = shared.call(Scope.ADMIN, method, path)
    assert code_in(refused)
    assert problem_in(refused)["retryable"] is retryable
