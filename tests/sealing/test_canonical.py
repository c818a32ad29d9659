"""Canonical JSON is JSON, has one form for each value, and says nothing of what it refuses."""

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from telemetry_service.sealing.canonical import canonical_json
from tests.support.each import each

EXACT = st.integers(-(2**53) + 1, 2**53 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | EXACT | TEXT, lambda v: st.lists(v) | st.dictionaries(TEXT, v), max_leaves=8
)


@given(st.dictionaries(TEXT, VALUES, max_size=6))
def test_it_says_the_same_value_and_the_order_of_members_does_not_matter(members: dict[str, JsonValue]) -> None:
    canonical = canonical_json(members)
    assert json.loads(canonical) == members
    assert canonical_json(dict(reversed(members.items()))) == canonical


@each("value", [2**53, -(2**53), float("nan"), float("inf"), "secret \ud800", {1: 2}, object()])
def test_what_it_cannot_say_is_refused_and_not_quoted(value: JsonValue) -> None:
    with pytest.raises(ValueError, match="no canonical JSON form") as raised:
        canonical_json({"field": value})
    shown = "".join(traceback.format_exception(raised.value))
    assert "secret" not in shown
    assert str(2**53) not in shown
