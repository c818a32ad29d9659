"""Alive, ready, metrics, and the description of the API."""

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.heartbeat import HeartbeatLimits
from telemetry_service.storage.migrate import migrate
from telemetry_service.web.api.openapi import Description
from telemetry_service.web.errors.statuses import STATUS
from tests.support.databases import ON_BOTH
from tests.support.json_schema import validator
from tests.support.postgres import PostgresServer
from tests.support.running import Running, code_in
from tests.support.statements import counted_statements
from tests.web.api.test_facts import report, send

QUICK = HeartbeatLimits(every=0.2, stale_after=3)
"""A deployment's are 15 and 60 seconds; a test has less time."""

_PATIENCE_SECONDS = 60


def await_ready(service: Running, *, ready: bool) -> dict[str, Any]:
    """Return what is said of the parts, once the service says that it is ready, or is not."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while (response := service.call(None, "GET", "/readyz")).status_code != (200 if ready else 503):
        assert time.monotonic() < until, response.text
        time.sleep(0.05)
    return {name: value for name, value in response.json().items() if not name.endswith("_age_seconds")}


def test_the_process_is_alive_and_ready(service: Running) -> None:
    alive = service.call(None, "GET", "/healthz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive", "ended_threads": []})
    ready = service.call(None, "GET", "/readyz")
    readiness = ready.json()
    assert 0 <= readiness.pop("last_waking_age_seconds") <= readiness.pop("last_heartbeat_age_seconds") < 60
    assert (ready.status_code, readiness) == (200, {"ready": True, "database": True, "scheduler": True})


def test_the_description_is_built_once_also_for_those_who_ask_at_once(service: Running) -> None:
    description = Description()

    async def ask() -> list[bytes]:
        at_once = await asyncio.gather(*(description.of(service.app) for _ in range(5)))
        return [*at_once, await description.of(service.app)]

    responses = asyncio.run(ask())
    assert len({id(response) for response in responses}) == 1
    kept = []
    for _ in range(2):
        assert service.call(None, "GET", "openapi.json").content == responses[0]
        kept.append(service.app.state.description._built)  # noqa: SLF001 - what is kept is what is served
    assert kept[0] is kept[1]


def test_a_service_without_its_database_is_alive_but_not_ready_and_recovers(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database("telemetry")
    migrate(url)
    with Running(url, heartbeat=QUICK) as service:
        send(service, report())
        postgres_server.stop()
        assert service.call(None, "GET", "/healthz").status_code == 200
        assert await_ready(service, ready=False) == {"ready": False, "database": False, "scheduler": True}
        refused = service.call(Scope.REPORT, "POST", "usage", json={"reports": [report()]})
        assert (refused.status_code, code_in(refused)) == (503, "storage-unavailable")
        assert refused.headers["retry-after"] == "5"
        postgres_server.start()
        await_ready(service, ready=True)
        assert send(service, report()) == {"accepted": 1, "duplicates": 0}


@ON_BOTH
@pytest.mark.parametrize(
    ("statement", "ready"), [("DROP TABLE usage_counters", True), ("DROP TABLE telemetry_alembic_version", False)]
)
def test_a_database_without_a_table_is_named_whichever_it_is(database_url: str, statement: str, *, ready: bool) -> None:
    with Running(database_url, heartbeat=QUICK) as service:
        engine = create_engine(service.database_url)
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()
        if not ready:
            await_ready(service, ready=False)
        response = service.call(Scope.REPORT, "POST", "usage", json={"reports": [report()]})
        assert response.status_code == (503 if ready else 200)
        if ready:
            assert code_in(response) == "schema-incomplete"
            assert "usage_counters" not in response.text


def test_readiness_waits_for_no_writer_and_says_when_nothing_could_be_written_for_too_long(sqlite_url: str) -> None:
    file = sqlite_url.removeprefix("sqlite:///")
    with Running(sqlite_url, heartbeat=QUICK) as service, closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert service.call(None, "GET", "/readyz").status_code == 200
        readiness = await_ready(service, ready=False)
        assert readiness == {"ready": False, "database": False, "scheduler": True}
        other.execute("ROLLBACK")
        await_ready(service, ready=True)


def test_a_database_that_is_overwritten_is_named_and_nothing_is_acknowledged(sqlite_url: str) -> None:
    file = sqlite_url.removeprefix("sqlite:///")
    with Running(sqlite_url, heartbeat=QUICK) as service:
        with closing(sqlite3.connect(file)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # What is in the log is still whole, and is read there.
        Path(file).write_bytes(b"This is a letter and no database. " * 4_000)
        await_ready(service, ready=False)
        response = service.call(Scope.REPORT, "POST", "usage", json={"reports": [report()]})
        assert (response.status_code, code_in(response)) == (503, "storage-damaged")


@ON_BOTH
def test_metrics_tell_what_was_recorded_and_how_delivery_stands(service: Running) -> None:
    one = report()
    send(service, one, report())
    send(service, one)
    response = service.call(Scope.READ, "GET", "/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = response.text.splitlines()
    assert 'telemetry_usage_reports_total{result="accepted"} 2.0' in lines
    assert 'telemetry_usage_reports_total{result="duplicate"} 1.0' in lines
    assert 'telemetry_health{status="not_configured"} 1.0' in lines
    assert 'telemetry_health{status="healthy"} 0.0' in lines
    assert "telemetry_transmissions_waiting 0.0" in lines
    assert any(line.startswith("telemetry_next_run_timestamp_seconds ") for line in lines)


def test_metrics_hold_no_id_and_no_address(service: Running) -> None:
    send(service, report())
    text = service.call(Scope.READ, "GET", "/metrics").text
    with service.context.runtime.database.read() as tx:
        assert str(tx.installation.instance_id()) not in text
    assert "bouncer-1" not in text
    assert "://" not in re.sub(r"# HELP.*", "", text)


def test_the_description_of_the_api_is_openapi_3_1(shared: Running) -> None:
    description = shared.call(None, "GET", "openapi.json").json()
    assert description["openapi"].startswith("3.1")
    assert all(path.startswith(("/api/v1/", "/healthz", "/readyz", "/metrics")) for path in description["paths"])
    for path, calls in description["paths"].items():
        for call in calls.values():
            assert call["description"], path
            assert "application/problem+json" in call["responses"]["default"]["content"]


def test_the_description_says_which_scope_a_call_needs(shared: Running) -> None:
    description = shared.call(None, "GET", "openapi.json").json()
    assert description["components"]["securitySchemes"]["serviceToken"]["scheme"] == "bearer"
    paths = description["paths"]
    session: dict[str, list[str]] = {"browserSession": []}
    assert paths["/api/v1/usage"]["post"]["security"] == [{"serviceToken": ["report"]}]
    either = [{"serviceToken": ["read"]}, {"serviceToken": ["report"]}, session]
    assert paths["/api/v1/license"]["get"]["security"] == either
    assert paths["/api/v1/telemetry/config"]["put"]["security"] == [{"serviceToken": ["admin"]}, session]
    assert paths["/healthz"]["get"]["security"] == []


def test_every_reference_in_the_description_leads_somewhere(shared: Running) -> None:
    description = shared.call(None, "GET", "openapi.json").json()
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(description))):
        node = description
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_a_valid_body_is_valid_by_its_description(shared: Running) -> None:
    description = shared.call(None, "GET", "openapi.json").json()
    schema = description["paths"]["/api/v1/usage"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    described = validator({**schema, "components": description["components"]})
    assert described.is_valid({"reports": [report()]})
    assert not described.is_valid({"reports": [report(policy="x")]})
    assert not described.is_valid({"reports": []})


def _calls(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, calls in description["paths"].items():
        yield from ((method, path, call) for method, call in calls.items())


def test_a_client_can_be_made_from_the_description(shared: Running) -> None:
    description = shared.call(None, "GET", "openapi.json").json()
    ids = [call["operationId"] for _method, _path, call in _calls(description)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z_]+", one) for one in ids), "they become the names of functions"
    for method, path, call in _calls(description):
        assert call["summary"] not in {"", call["operationId"].replace("_", " ").title()}, path
        for content in call.get("requestBody", {}).get("content", {}).values():
            assert content["schema"].keys() == {"$ref"}, "a body's type has a name"
        for status, response in call["responses"].items():
            assert response["description"], (method, path, status)
            for content in response.get("content", {}).values():
                assert content["schema"], (method, path, status)


_REFUSED_HERE = ("/test-connection", "/release", "/withdraw", "/accept-without-receipt", "/restored", "/receipts")
"""Nothing is connected, waits, was restored or exported; the bodies are read all the same."""


def test_the_examples_of_the_description_are_taken(service: Running) -> None:
    description = service.call(None, "GET", "openapi.json").json()
    tried = 0
    for method, path, call in _calls(description):
        if "requestBody" not in call:
            continue
        ((media_type, content),) = call["requestBody"]["content"].items()
        headers = {"Content-Type": media_type} | ({"If-Match": "*"} if path.endswith("/config") else {})
        scope = Scope(call["security"][0]["serviceToken"][0])
        names = {"bouncer_id": "b", "transmission_id": uuid4()}
        response = service.call(
            scope, method, path.format(**names), content=json.dumps(content["example"]), headers=headers
        )
        assert response.is_success or path.endswith(_REFUSED_HERE), response.text
        assert response.status_code not in {400, 422}, response.text
        tried += 1
    assert tried == 16


def test_forms_and_bounds_of_parameters_are_described(shared: Running) -> None:
    description = shared.call(None, "GET", "openapi.json").json()
    texts = {
        (path, p["name"]): p["schema"] for _m, path, call in _calls(description) for p in call.get("parameters", ())
    }
    for (path, name), schema in texts.items():
        [text] = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
        bounded = {"$ref", "enum", "pattern", "maxLength"} & set(text) or text.get("format") == "uuid"
        assert bounded or text["type"] == "boolean" or {"minimum", "maximum"} <= set(text), (path, name)
    schemas = description["components"]["schemas"]
    for name, member in schemas["ReportedLicense"]["properties"].items():
        moments = [one for one in member.get("anyOf", ()) if one.get("format") == "date-time"]
        assert all("pattern" in one for one in moments), name
        assert moments or not name.endswith("_at")
    assert "required" not in schemas["ApiKeyInput"], "an empty object stands for no body"
    assert schemas["ApiKeyToSave"]["required"] == ["api_key"]


def test_a_name_below_the_history_is_not_taken_for_an_id(shared: Running) -> None:
    path = "telemetry/history/retry-failed"
    for method in ("GET", "OPTIONS", "DELETE"):
        refused = shared.call(Scope.READ, method, path)
        assert (refused.status_code, refused.headers["Allow"]) == (405, "POST"), method
    assert shared.call(Scope.READ, "GET", "telemetry/history/7").status_code == 404


def test_every_refusal_is_described(shared: Running) -> None:
    description = shared.call(None, "GET", "openapi.json").json()
    problem = description["components"]["schemas"]["Problem"]
    codes = set(re.findall(r"^- `([a-z-]+)`", problem["properties"]["type"]["description"], re.MULTILINE))
    assert codes >= {kind.code for kind in STATUS} | {"storage-damaged", "schema-incomplete", "internal"}
    for method, path, call in _calls(description):
        if call["security"]:
            assert set(call["responses"]) >= {"400", "401", "403", "500", "503", "default"}, (method, path)
        for response in call["responses"].values():
            for name, example in (
                response.get("content", {}).get("application/problem+json", {}).get("examples", {}).items()
            ):
                validator(problem).validate(example["value"])
                assert name in codes
    save = description["paths"]["/api/v1/telemetry/config"]["put"]
    assert {"409", "412", "413", "415", "422", "428", "507"} <= set(save["responses"])
    parameters = {parameter["name"]: parameter for parameter in save["parameters"]}
    assert set(parameters) == {"If-Match", "confirm", "dry_run"}
    if_match = parameters["If-Match"]
    assert (if_match["name"], if_match["in"], if_match["required"]) == ("If-Match", "header", True)
    assert "ETag" in save["responses"]["200"]["headers"]


def test_a_refusal_has_no_member_that_its_description_lacks(shared: Running) -> None:
    components = shared.call(None, "GET", "openapi.json").json()["components"]
    refusal = shared.call(Scope.REPORT, "POST", "usage", json={"reports": []}).json()
    assert set(refusal) == set(components["schemas"]["Problem"]["properties"]) - {"consequences"}
    whole = {"$ref": "#/components/schemas/Problem", "components": components}
    validator(whole).validate(refusal)


def test_moments_are_said_to_be_moments(shared: Running) -> None:
    schemas = shared.call(None, "GET", "openapi.json").json()["components"]["schemas"]
    assert schemas["ConfigurationResponse"]["properties"]["updated_at"]["format"] == "date-time"
    assert schemas["ApiKeyResponse"]["properties"]["hint"]["description"] == "The last four characters."


@ON_BOTH
@pytest.mark.parametrize("kind", ["preview", "health", "dictionary", "config", "history"])
def test_a_response_is_valid_by_its_description(service: Running, kind: str) -> None:
    send(service, report())
    description = service.call(None, "GET", "openapi.json").json()
    call = description["paths"][f"/api/v1/telemetry/{kind}"]["get"]
    schema = call["responses"]["200"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": description["components"]}
    validator(whole).validate(service.call(Scope.READ, "GET", f"telemetry/{kind}").json())


def test_the_dictionary_has_every_field_of_the_payload(shared: Running) -> None:
    dictionary = shared.call(Scope.READ, "GET", "telemetry/dictionary").json()
    fields = dictionary["fields"]
    names = {field["name"] for field in fields}
    payload = shared.call(Scope.READ, "GET", "telemetry/preview").json()["payload"]
    assert set(payload) <= names
    assert all(field["meaning"] and field["why"] and field["source"] for field in fields)
    assert dictionary["schema_sha256"] == current_schema().sha256


def test_a_scrape_reads_one_moment(shared: Running) -> None:
    shared.call(Scope.READ, "GET", "/metrics")  # From now on the token is known.
    with counted_statements() as asked:
        assert shared.call(Scope.READ, "GET", "/metrics").status_code == 200
    assert asked.transactions == 1, asked
