"""What a new schema allows and the old one did not is named, field by field; prose does not count."""

from telemetry_service.domain.payload_schemas.difference import Change, ChangeKind, adds_or_widens, difference
from telemetry_service.domain.payload_schemas.published import current_schema
from tests.support.altered_schema import (
    NEW_FIELD,
    Alteration,
    Json,
    add_a_field,
    altered,
    change,
    field,
    remove,
    reword,
)
from tests.support.each import each

NEW = (ChangeKind.ADDED, ChangeKind.WIDENED)
CLEAR, PSEUDONYM = "^cus_[A-Za-z0-9]{6,64}$", "^anon_[0-9a-f]{64}$"


def nullable(name: str) -> Alteration:
    return lambda document: field(document, name).update(nullable=not field(document, name)["nullable"])


def without_rules(document: Json) -> None:
    document["rules"] = []


def of_items(**members: object) -> Alteration:
    return lambda document: field(document, "redeemed_extension_codes")["type"]["items"].update(members)


def as_text(name: str, pattern: str, max_length: int | None = None) -> Alteration:
    text = {"kind": "text", "patterns": [pattern], "max_length": max_length}
    return lambda document: field(document, name).update(type=text)


def reordered(document: Json) -> None:
    document["fields"].reverse()
    for rule in document["rules"]:
        rule.get("parts", []).reverse()


def kinds(*alterations: Alteration) -> list[tuple[str, ChangeKind]]:
    return [(found.field, found.kind) for found in difference(current_schema(), altered(*alterations))]


def test_a_schema_does_not_differ_from_itself() -> None:
    assert difference(current_schema(), current_schema()) == ()
    assert not adds_or_widens(current_schema(), current_schema())


def test_prose_and_order_do_not_count() -> None:
    assert altered(reword, reordered).sha256 != current_schema().sha256
    assert kinds(reword, reordered) == []


def test_an_added_field_is_named_with_what_it_allows() -> None:
    new = altered(add_a_field)
    assert difference(current_schema(), new) == (Change(NEW_FIELD, ChangeKind.ADDED, None, "integer 0 … 1000"),)
    assert adds_or_widens(current_schema(), new)
    assert difference(new, current_schema()) == (Change(NEW_FIELD, ChangeKind.REMOVED, "integer 0 … 1000", None),)
    assert not adds_or_widens(new, current_schema())


def test_a_change_of_a_bound_is_shown_before_and_after() -> None:
    (change_of_bound,) = difference(current_schema(), altered(change("days_remaining", minimum=-1)))
    before = "integer -3652059 … 3652059 or null"
    assert change_of_bound == Change("days_remaining", ChangeKind.NARROWED, before, "integer -1 … 3652059 or null")


def test_a_removed_field_takes_its_rules_with_it() -> None:
    assert kinds(remove("sandbox_events")) == [("sandbox_events", ChangeKind.REMOVED)]


def test_a_removed_object_is_removed_with_all_its_fields() -> None:
    assert [place for place, _ in kinds(remove("bouncer_pairs"))] == [
        "bouncer_pairs",
        "bouncer_pairs.total_pairs",
        "bouncer_pairs.sandbox_only_count",
        "bouncer_pairs.production_only_count",
        "bouncer_pairs.paired_count",
    ]


@each(
    ("alteration", "place"),
    [
        (change("bouncer_count", minimum=-1), "bouncer_count"),
        (change("bouncer_pairs.paired_count", minimum=-1), "bouncer_pairs.paired_count"),
        (change("deployment_version", max_length=33), "deployment_version"),
        (change("deployment_version", max_length=None), "deployment_version"),
        (change("customer_id", patterns=[CLEAR, PSEUDONYM, "^org_[0-9]{6}$"]), "customer_id"),
        (change("tier", values=["trial", "starter", "professional", "enterprise", "unknown", "free"]), "tier"),
        (change("redeemed_extension_codes", max_items=1001), "redeemed_extension_codes"),
        (nullable("total_events"), "total_events"),
        (nullable("bouncer_pairs"), "bouncer_pairs"),
        (as_text("tier", "^[a-z]{1,20}$"), "tier"),
    ],
)
def test_what_allows_more_is_widened_and_its_reverse_narrowed(alteration: Alteration, place: str) -> None:
    drop = [without_rules] if place == "total_events" else []  # A rule needs a number that is never null.
    old, new = altered(*drop), altered(*drop, alteration)
    assert [(found.field, found.kind) for found in difference(old, new)] == [(place, ChangeKind.WIDENED)]
    assert [(found.field, found.kind) for found in difference(new, old)] == [(place, ChangeKind.NARROWED)]
    assert (adds_or_widens(old, new), adds_or_widens(new, old)) == (True, False)


@each(
    ("alteration", "place"),
    [
        (change("date", patterns=["^[0-9]{4}-[0-9]{2}-[0-9]{2}$"]), "date"),
        (change("tier", values=["trial", "free"]), "tier"),
        (change("bouncer_count", minimum=-5, maximum=5), "bouncer_count"),
        (of_items(patterns=["^[a-z]{1,99}$"]), "redeemed_extension_codes"),
        (as_text("bouncer_count", "^[0-9]{1,16}$"), "bouncer_count"),
        (as_text("tier", "^[a-t]{1,20}$"), "tier"),
        (as_text("tier", "^[a-z]{1,20}$", max_length=11), "tier"),
    ],
)
def test_what_cannot_be_compared_is_taken_for_widened_too(alteration: Alteration, place: str) -> None:
    drop = [without_rules] if place == "bouncer_count" else []
    found = [(c.field, c.kind) for c in difference(altered(*drop), altered(*drop, alteration))]
    assert found == [(place, ChangeKind.WIDENED), (place, ChangeKind.NARROWED)]


def test_a_rule_that_is_dropped_allows_more() -> None:
    found = difference(current_schema(), altered(without_rules))
    assert [change.field for change in found] == [
        "sandbox_events, production_events, total_events",
        "successful_decisions, policy_decision_count",
        "active_reporting_bouncer_count, bouncer_count",
        "redeemed_extension_codes",
    ]
    assert {change.kind for change in found} == {ChangeKind.WIDENED}
    assert found[0].before == "Sandbox and production events add up to all events."
    assert {change.kind for change in difference(altered(without_rules), current_schema())} == {ChangeKind.NARROWED}


def test_an_object_in_place_of_a_number_adds_its_fields() -> None:
    def nest(document: Json) -> None:
        field(document, "days_remaining")["type"] = field(document, "bouncer_pairs")["type"]

    found = difference(current_schema(), altered(nest))
    assert ("days_remaining.paired_count", ChangeKind.ADDED) in [(c.field, c.kind) for c in found]
    back = difference(altered(nest), current_schema())
    assert ("days_remaining.paired_count", ChangeKind.REMOVED) in [(c.field, c.kind) for c in back]
