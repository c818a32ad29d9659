"""A check by the current schema accepts exactly what the model accepts, and no input makes it fail."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from telemetry_service.domain.dictionary import field_dictionary
from telemetry_service.domain.payload import (
    CODE_ID_PATTERN,
    MAX_CODES,
    MAX_DAYS,
    MAX_INTEGER,
    PreparedPayload,
    TelemetryAggregatePayload,
)
from telemetry_service.domain.payload_schemas.check import Problem, Violation, check, check_prepared
from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.domain.payload_schemas.schema import (
    BooleanType,
    EnumType,
    IntegerType,
    ListType,
    ObjectType,
    SchemaField,
    TextType,
    ValueType,
)
from tests.support.altered_schema import NEW_FIELD, add_a_field, altered, change, remove
from tests.support.each import each

Json = dict[str, Any]

RIGHT: Json = {entry.name: entry.example for entry in field_dictionary() if "." not in entry.name}
EDGES = [-1, 0, 1, MAX_DAYS, MAX_DAYS + 1, -MAX_DAYS, -MAX_DAYS - 1, MAX_INTEGER, MAX_INTEGER + 1, 10**30]
leaves = (
    st.none()
    | st.booleans()
    | st.sampled_from(EDGES)
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["", "healthy", "trial\n", "unknown", "4.2.0", "1.2.3-rc.1", "00000.00000.00000-alpha.00000"])
    | st.from_regex(CODE_ID_PATTERN)
)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=6
)


def values_of(allowed: ValueType) -> st.SearchStrategy[Any]:
    """Values that a type allows, apart from the rules of an object."""
    match allowed:
        case ObjectType():
            return st.fixed_dictionaries({field.name: values_of_field(field) for field in allowed.fields})
        case ListType():
            return st.lists(values_of(allowed.items), max_size=4)
        case IntegerType():
            return st.integers(allowed.minimum, allowed.maximum)
        case TextType():
            return st.one_of(*(st.from_regex(pattern) for pattern in allowed.patterns))
        case EnumType():
            return st.sampled_from(allowed.values)
        case BooleanType():
            return st.booleans()


def values_of_field(field: SchemaField) -> st.SearchStrategy[Any]:
    return values_of(field.type) | st.none() if field.nullable else values_of(field.type)


@st.composite
def payloads(draw: st.DrawFn) -> Json:
    """Payloads that keep the rules, most of them valid: a generated text may end in a line break."""
    document: Json = draw(values_of(current_schema().root))
    half = st.integers(0, MAX_INTEGER // 3)
    parts = [draw(half) for _ in range(5)]
    document |= {"sandbox_events": parts[0], "production_events": parts[1], "total_events": parts[0] + parts[1]}
    document |= {"successful_decisions": parts[2], "policy_decision_count": parts[2] + parts[3]}
    document |= {"active_reporting_bouncer_count": parts[3], "bouncer_count": parts[3] + parts[4]}
    pairs = {"sandbox_only_count": parts[0], "production_only_count": parts[1], "paired_count": parts[2]}
    return document | {"bouncer_pairs": pairs | {"total_pairs": sum(pairs.values())}}


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    """Payloads after one to three changes: a member replaced, dropped, or added, at any level."""
    document: Json = json.loads(json.dumps(draw(payloads() | st.just(RIGHT))))
    for _ in range(draw(st.integers(1, 3))):
        inner = [value for value in document.values() if isinstance(value, dict)]
        target = draw(st.sampled_from([document, *inner]))
        name = draw(st.sampled_from(sorted(target) or ["total_events"]) | st.text())
        if draw(st.booleans()):
            target[name] = draw(anything)
        else:
            target.pop(name, None)
    return document


def model_accepts(model: type[BaseModel], document: object) -> bool:
    try:
        model.model_validate_json(json.dumps(document))
    except ValidationError:
        return False
    return True


def assert_agreement(document: Any) -> None:  # noqa: ANN401 - any JSON value
    value = json.loads(json.dumps(document))
    assert (not check(current_schema(), value)) == model_accepts(TelemetryAggregatePayload, document)
    assert (not check_prepared(current_schema(), value)) == model_accepts(PreparedPayload, document)
    if isinstance(value, dict):
        stored = {name: member for name, member in value.items() if name != "transmitted_at"}
        assert (not check_prepared(current_schema(), stored)) == model_accepts(PreparedPayload, stored)


@given(document=payloads())
def test_it_agrees_with_the_model_about_payloads(document: Json) -> None:
    assert_agreement(document)


@given(document=mutated())
def test_it_agrees_with_the_model_about_payloads_that_were_changed(document: Json) -> None:
    assert_agreement(document)


@given(document=anything)
def test_it_agrees_with_the_model_about_anything_at_all(document: object) -> None:
    assert_agreement(document)


@each("name", RIGHT)
@each("value", [*EDGES, None, True, 1.0, "", [], {}, ["abc", "abc"], ["abc"] * 1001, [f"{n:04}" for n in range(1000)]])
def test_it_agrees_with_the_model_about_each_field_and_awkward_values(name: str, value: object) -> None:
    assert_agreement(RIGHT | {name: value})


def test_the_examples_are_a_valid_payload() -> None:
    assert check(current_schema(), RIGHT) == ()
    stored = {name: value for name, value in RIGHT.items() if name != "transmitted_at"}
    assert check_prepared(current_schema(), stored) == ()


@each(
    ("changes", "problem"),
    [
        ({"canary": "canary"}, Problem("", Violation.EXTRA)),
        ({"bouncer_pairs": RIGHT["bouncer_pairs"] | {"canary": 1}}, Problem("bouncer_pairs", Violation.EXTRA)),
        ({"bouncer_pairs": {}}, Problem("bouncer_pairs.total_pairs", Violation.MISSING)),
        ({"bouncer_count": True}, Problem("bouncer_count", Violation.TYPE)),
        ({"bouncer_count": -1}, Problem("bouncer_count", Violation.RANGE)),
        ({"tier": "canary"}, Problem("tier", Violation.ENUM)),
        ({"date": "2026-11-15\n"}, Problem("date", Violation.PATTERN)),
        ({"deployment_version": "1.0.0-" + "0" * 32}, Problem("deployment_version", Violation.LENGTH)),
        ({"redeemed_extension_codes": ["abc", "a b"]}, Problem("redeemed_extension_codes.1", Violation.PATTERN)),
        ({"redeemed_extension_codes": ["x"] * (MAX_CODES + 1)}, Problem("redeemed_extension_codes", Violation.LENGTH)),
        ({"total_events": 0}, Problem("", Violation.RULE)),
    ],
)
def test_a_problem_says_where_it_is_and_repeats_nothing(changes: Json, problem: Problem) -> None:
    assert check(current_schema(), RIGHT | changes)[0] == problem


def test_a_schema_of_another_version_has_its_own_closed_world() -> None:
    newer = altered(add_a_field)
    assert check(newer, RIGHT) == (Problem(NEW_FIELD, Violation.MISSING),)
    assert check(newer, RIGHT | {NEW_FIELD: 3}) == ()
    older = altered(remove("sandbox_events"), change("bouncer_count", maximum=20))
    lacking = {name: value for name, value in RIGHT.items() if name != "sandbox_events"}
    assert check(older, lacking) == (Problem("bouncer_count", Violation.RANGE),)
    assert check(older, lacking | {"bouncer_count": 20}) == ()


def test_a_nest_of_any_depth_is_refused() -> None:
    nest: object = {}
    for _ in range(100_000):
        nest = [nest]
    assert check(current_schema(), RIGHT | {"tier": nest}) == (Problem("tier", Violation.ENUM),)


def test_a_text_may_be_as_long_as_its_schema_says() -> None:
    assert RIGHT["deployment_version"] == "4.2.0"
    assert check(altered(change("deployment_version", max_length=5)), RIGHT) == ()
    short = altered(change("deployment_version", max_length=4))
    assert check(short, RIGHT) == (Problem("deployment_version", Violation.LENGTH),)


def test_a_rule_about_what_an_attempt_adds_waits_for_the_attempt() -> None:
    late = altered(lambda document: document["attempt_fields"].append("total_events"))
    stored = {name: value for name, value in RIGHT.items() if name not in {"transmitted_at", "total_events"}}
    assert check_prepared(late, stored) == ()
    assert check(late, RIGHT | {"total_events": 0}) == (Problem("", Violation.RULE),)
