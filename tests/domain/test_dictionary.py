"""The field dictionary is what the current schema says about each field; it has one entry for each of them."""

import json

from telemetry_service.domain.dictionary import FieldEntry, field_dictionary
from telemetry_service.domain.payload import TelemetryAggregatePayload
from tests.support.each import each

GUIDE = [
    "customer_id",
    "instance_id",
    "date",
    "bouncer_count",
    "deployed_bouncer_count",
    "active_reporting_bouncer_count",
    "policy_decision_count",
    "total_events",
    "successful_decisions",
    "sandbox_events",
    "production_events",
    "health_status",
    "deployment_version",
    "tier",
    "license_status",
    "days_remaining",
    "telemetry_availability",
    "bouncer_pairs",
    "license_metrics",
    "redeemed_extension_codes",
    "transmitted_at",
]
OBJECTS = {
    "bouncer_pairs": {"total_pairs", "sandbox_only_count", "production_only_count", "paired_count"},
    "license_metrics": {
        "license_token_connected",
        "license_token_expired",
        "license_token_refreshed",
        "license_token_age_days",
        "license_token_expires_in_days",
        "telemetry_last_attempt_ok",
        "telemetry_last_success_age_hours",
    },
}
ENTRIES = {entry.name: entry for entry in field_dictionary()}


def test_the_dictionary_has_exactly_the_guides_fields_and_those_of_the_objects_in_them() -> None:
    nested = {f"{outer}.{inner}" for outer, names in OBJECTS.items() for inner in names}
    assert set(ENTRIES) == set(GUIDE) | nested
    assert set(TelemetryAggregatePayload.model_fields) == set(GUIDE)


@each("entry", ENTRIES.values())
def test_every_entry_says_what_why_and_where_from(entry: FieldEntry) -> None:
    assert all((entry.meaning, entry.why, entry.source, entry.type))
    assert entry.meaning.endswith(".")


def test_the_examples_together_are_a_payload_that_may_be_sent() -> None:
    examples = {name: ENTRIES[name].example for name in GUIDE}
    payload = TelemetryAggregatePayload.model_validate_json(json.dumps(examples))
    assert payload.model_dump(mode="json") == examples
    for outer, names in OBJECTS.items():
        assert {ENTRIES[f"{outer}.{name}"].example for name in names} == set(examples[outer].values())


def test_every_entry_is_of_a_closed_type_or_has_a_pattern() -> None:
    for entry in ENTRIES.values():
        kind = entry.type.replace("up to 1000 of: ", "")
        words = ("one of ", "string ^", "integer ", "boolean", "object")
        assert all(part.startswith((*words, "null")) for part in kind.split(" or ")), entry
