"""The quick look at a body of usage finds exactly what the slow one finds."""

import json
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.facts import MAX_REPORT_COUNT
from telemetry_service.web.errors.request_errors import InputRefusedError
from telemetry_service.web.http.body import validated_usage
from telemetry_service.web.http.strict_json import check_json

counts = st.integers(0, MAX_REPORT_COUNT)
ids = st.text("aZ09._:-", min_size=1, max_size=64)


ways_of_writing = st.sampled_from(["plain", "escaped at the start", "escaped throughout"])


def _written(text: str, way: str) -> str:
    """Write a string as JSON, its characters plainly or escaped."""
    escaped = {"plain": 0, "escaped at the start": 1, "escaped throughout": len(text)}[way]
    return '"' + "".join(f"\\u{ord(one):04x}" for one in text[:escaped]) + text[escaped:] + '"'


@st.composite
def members(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Return the members of a valid report, in any order and any way of writing them."""
    events, way = draw(counts), draw(ways_of_writing)
    decisions = draw(st.integers(0, events))
    values = {
        "report_id": _written(str(draw(st.uuids())), way),
        "bouncer_id": _written(draw(ids), way),
        "environment": _written(draw(st.sampled_from(["sandbox", "production"])), way),
        "audit_events": str(events),
        "policy_decisions": str(decisions),
        "successful_decisions": str(draw(st.integers(0, decisions))),
    }
    return [(_written(name, way), value) for name, value in draw(st.permutations(sorted(values.items())))]


def _body(reports: list[list[tuple[str, str]]], blank: str) -> str:
    written = ["{" + ("," + blank).join(f"{name}{blank}:{value}" for name, value in one) + "}" for one in reports]
    return f'{blank}{{"reports":{blank}[' + ",".join(written) + f"]{blank}}}"


@given(st.lists(members(), min_size=1, max_size=5), st.sampled_from(["", " ", "\n\t"]))
def test_a_valid_body_passes_whichever_way_it_is_written(reports: list[list[tuple[str, str]]], blank: str) -> None:
    raw = _body(reports, blank).encode()
    found = validated_usage(raw)
    assert found is not None
    assert len(found) == len(reports)
    check_json(raw)


@given(st.lists(members(), min_size=1, max_size=5), st.data())
def test_a_name_that_is_there_twice_never_passes(reports: list[list[tuple[str, str]]], data: st.DataObject) -> None:
    report = data.draw(st.sampled_from(reports))
    again = data.draw(st.sampled_from(report))
    value = data.draw(st.sampled_from([again[1], '"x"', "1", "null", '{"a":1}', '"\\""']))
    report.insert(data.draw(st.integers(0, len(report))), (again[0], value))
    raw = _body(reports, "").encode()
    assert validated_usage(raw) is None
    with pytest.raises(InputRefusedError):
        check_json(raw)


@given(st.lists(members(), min_size=1, max_size=2), st.lists(members(), min_size=1, max_size=2))
def test_reports_that_are_there_twice_never_pass(
    first: list[list[tuple[str, str]]], second: list[list[tuple[str, str]]]
) -> None:
    raw = (_body(first, "")[:-1] + "," + _body(second, "")[1:]).encode()
    assert validated_usage(raw) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(members(), min_size=1, max_size=2), json_values, st.data())
def test_the_quick_look_takes_nothing_that_the_slow_one_refuses(
    reports: list[list[tuple[str, str]]], value: object, data: st.DataObject
) -> None:
    report = data.draw(st.sampled_from(reports))
    place = data.draw(st.integers(0, len(report) - 1))
    report[place] = (report[place][0], json.dumps(value))
    raw = _body(reports, "").encode()
    if validated_usage(raw) is not None:
        check_json(raw)


def test_a_report_has_eighteen_quotation_marks() -> None:
    report = {
        "report_id": str(uuid4()),
        "bouncer_id": "b",
        "environment": "sandbox",
        "audit_events": 1,
        "policy_decisions": 1,
        "successful_decisions": 1,
    }
    assert json.dumps({"reports": [report]}).count('"') == 20
