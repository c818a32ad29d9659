"""A stored payload is read by the schema of its digest, and one that cannot be read is a value too."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.dictionary import field_dictionary
from telemetry_service.domain.payload_schemas.check import Problem, Violation
from telemetry_service.domain.payload_schemas.published import current_schema
from telemetry_service.domain.payload_schemas.reading import (
    ReadPayload,
    Reason,
    UnreadablePayload,
    read_prepared,
    read_sent,
)
from tests.support.altered_schema import NEW_FIELD, add_a_field, altered, remove, reword
from tests.support.each import each

RIGHT: dict[str, Any] = {entry.name: entry.example for entry in field_dictionary() if "." not in entry.name}
RAW = json.dumps(RIGHT).encode()


def test_the_fields_come_in_the_order_of_the_schema_with_their_entries() -> None:
    read = read_sent(RAW, current_schema())
    assert isinstance(read, ReadPayload)
    leaves = [entry for entry in field_dictionary() if not isinstance(entry.example, dict)]
    assert [field.entry for field in read.fields] == leaves
    assert [field.value for field in read.fields] == [entry.example for entry in leaves]


def test_a_stored_payload_lacks_what_an_attempt_adds() -> None:
    stored = json.dumps({name: value for name, value in RIGHT.items() if name != "transmitted_at"})
    read = read_prepared(stored, current_schema())
    assert isinstance(read, ReadPayload)
    assert "transmitted_at" not in {field.entry.name for field in read.fields}
    assert isinstance(read_prepared(RAW, current_schema()), UnreadablePayload)
    assert isinstance(read_sent(stored, current_schema()), UnreadablePayload)


def test_a_payload_of_another_version_is_shown_with_the_words_and_fields_of_that_version() -> None:
    read = read_sent(json.dumps(RIGHT | {NEW_FIELD: 7}), altered(add_a_field, reword))
    assert isinstance(read, ReadPayload)
    assert read.fields[4].entry.name == NEW_FIELD
    assert read.fields[4].value == 7
    assert {field.entry.meaning for field in read.fields if "." not in field.entry.name} == {"Otherwise."}
    lacking = {name: value for name, value in RIGHT.items() if name != "tier"}
    older = read_sent(json.dumps(lacking), altered(remove("tier")))
    assert isinstance(older, ReadPayload)
    assert "tier" not in {field.entry.name for field in older.fields}


def test_a_payload_of_an_unknown_schema_cannot_be_read() -> None:
    assert read_sent(RAW, None) == UnreadablePayload(Reason.SCHEMA_UNKNOWN)


@each(
    "raw",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' + b"9" * 5_000 + b"}",
        RAW.replace(b"{", b'{"tier":"trial",', 1),
        b"\xef\xbb\xbf" + RAW,
    ],
)
def test_what_is_no_json_cannot_be_read(raw: bytes) -> None:
    assert read_sent(raw, current_schema()) == UnreadablePayload(Reason.JSON_MALFORMED)


def test_a_tampered_payload_cannot_be_read_and_says_where() -> None:
    read = read_sent(RAW.replace(b'"trial"', b'"canary"').replace(b"41004", b"41005"), current_schema())
    assert read == UnreadablePayload(Reason.SCHEMA_VIOLATED, (Problem("", Violation.RULE),))
    assert read.sentence == "The stored payload cannot be read: it does not match its schema."


@each("reason", Reason)
def test_each_reason_has_its_sentence(reason: Reason) -> None:
    assert UnreadablePayload(reason).sentence.endswith(".")


@given(raw=st.binary() | st.text() | st.builds(lambda at, new: RAW[:at] + new + RAW[at:], st.integers(0), st.binary()))
def test_no_bytes_make_it_fail(raw: bytes | str) -> None:
    read = read_sent(raw, current_schema())
    assert isinstance(read, ReadPayload | UnreadablePayload)
