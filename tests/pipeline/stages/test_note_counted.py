"""What was only counted becomes an entry: an hour after it began, at a stop, and at a start."""

from telemetry_service.domain.facts import Environment
from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.queries.activity import Activity
from telemetry_service.pipeline.stages.note_counted import note_all_counted, note_counted
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.site import Site


def registry(site: Site) -> list[Activity]:
    return [entry for entry in entries(site.runtime.database) if entry.details.get("of") == "bouncers"]


def register(site: Site, how_many: int) -> None:
    for number in range(how_many):
        site.register(f"bouncer-{number}", Environment.SANDBOX)


@ON_BOTH
def test_a_thousand_changes_of_the_registry_are_two_entries(site: Site) -> None:
    register(site, 30)
    note_counted(site.runtime)
    assert len(registry(site)) == 1
    site.clock.advance(minutes=61)
    note_counted(site.runtime)
    first, others = registry(site)
    assert first.details["change"] == "registered"
    assert (others.kind, others.actor, others.details["times"]) == (Kind.FACTS, "token:ops", 29)
    note_counted(site.runtime)
    assert len(registry(site)) == 2


@ON_BOTH
def test_a_clock_that_is_set_back_does_not_keep_a_count_from_being_written(site: Site) -> None:
    register(site, 2)
    site.clock.advance(days=-30)
    note_counted(site.runtime)
    assert len(registry(site)) == 2


@ON_BOTH
def test_a_stop_and_a_start_write_what_was_counted(site: Site) -> None:
    register(site, 2)
    note_all_counted(site.runtime)
    assert len(registry(site)) == 2
    site.register("bouncer-7", Environment.SANDBOX)
    site.register("bouncer-8", Environment.SANDBOX)
    start(site.runtime)
    assert [entry.details.get("times") for entry in registry(site)] == [None, 1, None, 1]
