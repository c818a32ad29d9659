"""What a save by REST would lose for good is said first, in numbers."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from telemetry_service.identity.scopes import Scope
from tests.support.running import Running

CONFIG = "telemetry/config"


def put(service: Running, query: str = "", **changes: object) -> tuple[int, dict[str, Any]]:
    seen = service.call(Scope.READ, "GET", CONFIG)
    names = ("enabled", "frequency", "encrypt_payload", "anonymize_pii", "retention_days")
    values = {name: seen.json()[name] for name in names} | changes
    headers = {"If-Match": seen.headers["etag"]}
    response = service.call(Scope.ADMIN, "PUT", CONFIG + query, json=values, headers=headers)
    return response.status_code, response.json()


def report(service: Running) -> None:
    one = {
        "report_id": str(uuid4()),
        "bouncer_id": "bouncer-1",
        "environment": "production",
        "audit_events": 7,
        "policy_decisions": 3,
        "successful_decisions": 1,
    }
    assert service.call(Scope.REPORT, "POST", "usage", json={"reports": [one]}).status_code == 200


def test_switching_off_with_counts_open_is_refused_with_the_numbers_until_confirmed(service: Running) -> None:
    report(service)
    status, problem = put(service, enabled=False)
    assert (status, str(problem["type"]).rpartition(":")[2]) == (409, "confirmation-required")
    assert "7 audit events and 3 policy decisions will never be sent" in str(problem["detail"])
    numbers = {"changes": ["enabled"], "events_never_sent": 7, "decisions_never_sent": 3, "rows_deleted": 0}
    assert {**problem["consequences"], "sentences": []} == {**numbers, "sentences": []}
    status, lost = put(service, "?dry_run=true", enabled=False)
    assert (status, lost["events_never_sent"], lost["decisions_never_sent"]) == (200, 7, 3)
    assert service.call(Scope.READ, "GET", CONFIG).json()["enabled"] is True
    status, saved = put(service, "?confirm=true", enabled=False)
    assert (status, saved["enabled"]) == (200, False)


def test_a_shorter_retention_is_refused_with_the_number_of_rows_until_confirmed(service: Running) -> None:
    report(service)
    service.clock.advance(timedelta(days=20))
    status, problem = put(service, retention_days=7)
    assert (status, str(problem["type"]).rpartition(":")[2]) == (409, "confirmation-required")
    assert "deleted at the next daily purge" in str(problem["detail"])
    status, lost = put(service, "?dry_run=true", retention_days=7)
    assert status == 200
    assert int(str(lost["rows_deleted"])) > 0
    status, saved = put(service, "?confirm=true", retention_days=7)
    assert (status, saved["retention_days"]) == (200, 7)


def test_what_loses_nothing_needs_no_confirmation(service: Running) -> None:
    assert put(service, enabled=False)[0] == 200
    assert put(service, enabled=True, retention_days=90, frequency="daily")[0] == 200
