"""The check of the API against its description notices when they differ. ``make check`` runs it over all calls."""

import json

from telemetry_service.identity.scopes import Scope
from tests.support.contract import contradictions
from tests.support.running import Running

ALIVE = "--include-operation-id=get_healthz"


def test_a_wrong_description_fails_and_so_does_a_call_that_admits_anyone(service: Running) -> None:
    description = service.call(None, "GET", "openapi.json").json()
    description["components"]["schemas"]["AliveResponse"]["properties"]["status"] = {"type": "integer"}
    description["paths"]["/healthz"]["get"]["security"] = [{"serviceToken": ["read"]}]
    service.app.state.description._built = json.dumps(description).encode()  # noqa: SLF001 - what is kept is served
    code, report = contradictions(service, service.tokens[Scope.READ], 13, ALIVE)
    assert code == 1, report
    assert "Response violates schema" in report
    assert "API accepts requests without authentication" in report
