"""Each published schema allows what the code takes and nothing else: each member is walked with all the rubbish."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, Note
from telemetry_service.domain.payload import TelemetryAggregatePayload
from telemetry_service.domain.receipt import ReceiptClaims, ReceiptHeader, RefusalClaims
from telemetry_service.domain.receipts_file import ReceiptsFile
from telemetry_service.license_server.response import Response, failure_of_ping, outcome_of_transmission
from telemetry_service.reference.intake import read_bundle
from telemetry_service.reference.refusals import Reason, RefusalError, problem
from telemetry_service.sealing.sealer import seal_ping
from tests.protocol.files import FOLDER, PAGE, VECTORS, validator

SENT = VECTORS["transmission"]
NOW = datetime(2026, 11, 15, tzinfo=UTC)
MESSAGE: SealedMessage = seal_ping(UUID(VECTORS["transmission_id"]), VECTORS["timestamp"], VECTORS["api_key"])
RUBBISH: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    "",
    "x",
    "https://license.example",
    "ä" * 70,
    "0" * 64,
    "2026-11-15T02:03:18",
    "2026-11-15T25:03:18Z",
    "1969-12-31T23:59:59Z",
    "a.b.c",
    "b" * 5000,
    [],
    ["x"],
    {},
    {"a": 1},
)


def altered(document: Any, place: tuple[Any, ...] = ()) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """Yield copies in which one member, at any depth, is missing, rubbish, or one more."""
    inner = document
    for step in place:
        inner = inner[step]
    if not isinstance(inner, dict):
        return
    for name in inner:
        for value in (..., *RUBBISH):
            yield with_member(document, (*place, name), value)
        yield from altered(document, (*place, name))
    yield with_member(document, (*place, "one_more"), "x")


def with_member(document: Any, place: tuple[Any, ...], value: object) -> Any:  # noqa: ANN401 - any JSON
    changed = copy.deepcopy(document)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return changed


def of_model(model: type[BaseModel]) -> Callable[[Any], bool]:
    def reads(document: Any) -> bool:  # noqa: ANN401 - any JSON
        try:
            model.model_validate_json(json.dumps(document))
        except ValidationError:
            return False
        return True

    return reads


def accepts(document: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether the service takes a response as it is: accepted, and nothing of it left out."""
    response = Response(200, None, None, json.dumps(document).encode())
    outcome = outcome_of_transmission(response, MESSAGE, (), NOW)
    return isinstance(outcome, Accepted) and not set(outcome.notes) - {Note.LICENSE_VALUE_UNKNOWN}


def is_pong(document: Any) -> bool:  # noqa: ANN401 - any JSON
    return failure_of_ping(Response(200, None, None, json.dumps(document).encode()), MESSAGE) is None


def is_bundle(document: Any) -> bool:  # noqa: ANN401 - any JSON
    try:
        read_bundle(json.dumps(document).encode())
    except RefusalError:
        return False
    return True


def as_object(schema: object) -> Mapping[str, Any]:
    assert isinstance(schema, Mapping)
    return schema


def holds(rule: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """What a License Server makes of a rule in the schema."""
    match rule["kind"]:
        case "sum":
            return bool(sum(values[part] for part in rule["parts"]) == values[rule["total"]])
        case "not_above":
            return bool(values[rule["smaller"]] <= values[rule["larger"]])
        case kind:
            assert kind == "distinct"
            return len(set(values[rule["name"]])) == len(values[rule["name"]])


def keeps_rules(schema: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    inner = ((part, document.get(name)) for name, part in schema.get("properties", {}).items())
    return all(holds(rule, document) for rule in schema.get("x-rules", [])) and all(
        keeps_rules(part, value) for part, value in inner if isinstance(value, Mapping)
    )


CLAIMS = SENT["receipt_claims"]
AGREEMENTS: dict[str, tuple[Any, Callable[[Any], bool]]] = {
    "payload": (json.loads(SENT["payload"]), of_model(TelemetryAggregatePayload)),
    "pong": ({"status": "ok"}, is_pong),
    "receipt-header": ({"alg": "EdDSA", "kid": "2026", "typ": "JWT"}, of_model(ReceiptHeader)),
    "receipt-claims": (CLAIMS, of_model(ReceiptClaims)),
    "refusal-claims": (VECTORS["refusal"]["claims"] | {"iat": 7}, of_model(RefusalClaims)),
    "receipts-file": (VECTORS["receipts_file"], of_model(ReceiptsFile)),
    "bundle": (json.loads(VECTORS["bundle"]), is_bundle),
}


@pytest.mark.parametrize("name", AGREEMENTS)
def test_the_schema_allows_what_the_code_reads_and_nothing_else(name: str) -> None:
    schema, (right, reads) = validator(name), AGREEMENTS[name]
    assert schema.is_valid(right)
    assert reads(right)
    for document in altered(right):
        allowed = schema.is_valid(document) and keeps_rules(as_object(schema.schema), document)
        assert allowed is reads(document), document


def test_a_response_that_the_schema_allows_is_taken_as_it_is() -> None:
    """What it does not allow is no acceptance, or it is noted; an optional member never undoes one."""
    schema = validator("acceptance")
    checked = 0
    for document in altered(SENT["response"]):
        if schema.is_valid(document):
            assert accepts(document), document
            checked += 1
        elif not _one_value_for_another(document):
            assert not accepts(document), document
            checked += 1
    assert checked > 100


def _one_value_for_another(document: dict[str, Any]) -> bool:
    """Whether it differs in a tier or a status: the service takes any text there, perhaps as unknown."""
    block = document.get("license")
    texts = [block.get(name) for name in ("tier", "license_status")] if isinstance(block, dict) else []
    return any(isinstance(text, str) and text not in {"", "professional", "active"} for text in texts)


def test_an_optional_member_of_any_kind_leaves_an_acceptance_one() -> None:
    for name in ("receipt", "license", "one_more"):
        for value in RUBBISH:
            body = json.dumps(SENT["response"] | {name: value}).encode()
            assert isinstance(outcome_of_transmission(Response(200, None, None, body), MESSAGE, (), NOW), Accepted)


def test_every_problem_and_conflict_of_the_reference_is_as_the_schemas_say() -> None:
    for reason in Reason:
        assert validator("problem").is_valid(json.loads(bytes(problem(reason).body)))
    assert validator("conflict").is_valid(SENT["conflict"])
    assert not validator("conflict").is_valid(SENT["conflict"] | {"body_sha256": None})


def test_the_page_links_everything_that_is_published() -> None:
    page = PAGE.read_text()
    published = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert len(published) >= len(AGREEMENTS)
    for file in published:
        assert f"({file.relative_to(FOLDER.parent)})" in page, file.name


def test_what_json_schema_cannot_say_of_the_payload_stands_in_its_rules() -> None:
    document = json.loads(SENT["payload"])
    wrong = document | {"total_events": document["total_events"] + 1}
    assert validator("payload").is_valid(wrong)
    assert not of_model(TelemetryAggregatePayload)(wrong)
    rules = as_object(validator("payload").schema)["x-rules"]
    assert [rule["kind"] for rule in rules if not holds(rule, wrong)] == ["sum"]
