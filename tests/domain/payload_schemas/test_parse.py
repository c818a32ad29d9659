"""A schema document is read strictly: what is not understood is an error, so that no check is weaker than it says."""

import json

import pytest

from telemetry_service.domain.payload_schemas.parse import parse_schema
from tests.support.altered_schema import Alteration, Json, altered_document, change, field
from tests.support.each import each


def with_rule(**rule: object) -> Alteration:
    return lambda document: document["rules"].append({"meaning": "A rule.", **rule})


def twice(document: Json) -> None:
    document["fields"].append(document["fields"][0])


def a_list_of(item: object) -> Alteration:
    return lambda document: field(document, "redeemed_extension_codes")["type"].update(items=item)


@each(
    "alteration",
    [
        lambda document: document.update(format="another/2"),
        lambda document: document.update(more=1),
        lambda document: document.update(attempt_fields=["unknown"]),
        lambda document: document.update(fields=3),
        lambda document: document.pop("rules"),
        twice,
        change("tier", kind="choice"),
        change("tier", values=[1]),
        change("tier", default="trial"),
        change("bouncer_count", maximum="9"),
        change("bouncer_count", minimum=True),
        change("bouncer_count", minimum=0.5),
        change("license_metrics.license_token_connected", default=True),
        change("customer_id", patterns=["("]),
        change("customer_id", patterns=[None]),
        lambda document: field(document, "tier").update(nullable="no"),
        lambda document: field(document, "tier").update(meaning=None),
        lambda document: field(document, "tier").update(type="text"),
        a_list_of({"kind": "boolean"}),
        with_rule(kind="at_least", smaller="total_events", larger="total_events"),
        with_rule(kind="not_above", smaller="total_events", larger="unknown"),
        with_rule(kind="not_above", smaller="total_events", larger="tier"),
        with_rule(kind="not_above", smaller="total_events", larger="days_remaining"),
        with_rule(kind="not_above", smaller="total_events", larger=["total_events"]),
        with_rule(kind="distinct", name="tier"),
    ],
)
def test_a_document_that_is_not_understood_is_refused(alteration: Alteration) -> None:
    with pytest.raises(ValueError):
        parse_schema(altered_document(alteration))


@each("raw", [b"", b"\xff", b"null", b"[]", b"{}", b"[" * 100_000, json.dumps({"format": []}).encode()])
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        parse_schema(raw)
