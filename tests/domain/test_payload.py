"""Nothing leaves that is not on the list: the payload is a closed world."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from telemetry_service.domain.dictionary import field_dictionary
from telemetry_service.domain.payload import MAX_INTEGER, TelemetryAggregatePayload
from tests.support.each import each

RIGHT: dict[str, Any] = {entry.name: entry.example for entry in field_dictionary() if "." not in entry.name}
STRINGS = {
    "customer_id": r"cus_[A-Za-z0-9]{6,64}|anon_[0-9a-f]{64}",
    "instance_id": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "date": r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    "deployment_version": r"(?=.{1,32}\Z)[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}(-(alpha|beta|rc|dev)\.?[0-9]{1,5})?",
    "health_status": "healthy|warning|unhealthy|disabled|not_configured",
    "tier": "trial|starter|professional|enterprise|unknown",
    "license_status": "trial|active|grace|expired|suspended|unknown",
    "telemetry_availability": "available|degraded|unavailable",
    "transmitted_at": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",
}
INTEGERS = [name for name, value in RIGHT.items() if isinstance(value, int)]
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)


def accepts(**changes: object) -> bool:
    try:
        TelemetryAggregatePayload.model_validate_json(json.dumps(RIGHT | changes))
    except ValidationError:
        return False
    return True


def test_the_examples_are_right() -> None:
    assert accepts()


def test_every_string_is_one_of_those_that_this_test_knows() -> None:
    assert {name for name, value in RIGHT.items() if isinstance(value, str)} == set(STRINGS)


@pytest.mark.parametrize("name", STRINGS)
@given(text=st.text() | st.text("0123456789abcdefTZ-:._ \n", max_size=40))
def test_no_text_travels_outside_its_pattern(name: str, text: str) -> None:
    allowed = re.fullmatch(STRINGS[name], text, re.ASCII) is not None
    assert not accepts(**{name: text}) or allowed


@each("name", STRINGS)
@each("tail", ["\n", " ", "\0", "\u2028", "/../secret", "@host", "%00"])
def test_nothing_hangs_on_to_a_string(name: str, tail: str) -> None:
    assert not accepts(**{name: RIGHT[name] + tail})
    assert not accepts(**{name: tail + RIGHT[name]})


@pytest.mark.parametrize("outer", ["", "bouncer_pairs", "license_metrics"])
@given(name=st.text(), value=anything)
def test_no_field_can_be_added_at_any_level(outer: str, name: str, value: object) -> None:
    target = RIGHT[outer] if outer else RIGHT
    if name in target:
        return
    more = {name: value}
    assert not (accepts(**{outer: target | more}) if outer else accepts(**more))


@each("name", RIGHT)
def test_no_field_can_be_left_out(name: str) -> None:
    less = {field: value for field, value in RIGHT.items() if field != name}
    with pytest.raises(ValidationError):
        TelemetryAggregatePayload.model_validate_json(json.dumps(less))


@each("name", INTEGERS)
@each("value", [1.5, "1", True, [1], MAX_INTEGER + 1, -(2**63)])
def test_a_count_is_an_integer_that_every_reader_keeps_exact(name: str, value: object) -> None:
    assert not accepts(**{name: value})


@each("codes", [["x"], ["a b"], ["-abc"], ["abc\n"], ["a" * 65], ["abc", "abc"], [f"code-{n}" for n in range(1_001)]])
def test_an_extension_code_is_a_bare_id_and_stands_once(codes: list[str]) -> None:
    assert not accepts(redeemed_extension_codes=codes)


@pytest.mark.parametrize(
    "changes",
    [
        {"sandbox_events": 1, "production_events": 1, "total_events": 3},
        {"policy_decision_count": 1, "successful_decisions": 2},
        {"bouncer_count": 1, "active_reporting_bouncer_count": 2},
        {"bouncer_pairs": RIGHT["bouncer_pairs"] | {"total_pairs": 13}},
    ],
)
def test_numbers_that_contradict_each_other_are_refused(changes: dict[str, object]) -> None:
    assert not accepts(**changes)


def test_a_payload_does_not_change_once_it_is_made() -> None:
    payload = TelemetryAggregatePayload.model_validate_json(json.dumps(RIGHT))
    with pytest.raises(ValidationError):
        payload.total_events = 0  # type: ignore[misc]
