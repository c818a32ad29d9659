"""The registry and the extension codes follow the views of the source; what both count is said."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, RowMapping, create_engine, text

from telemetry_service.domain.errors import BouncerOfSourceError, RegistryFullError
from telemetry_service.domain.facts import (
    BouncerRegistration,
    Environment,
    NamedRegistration,
    Registry,
    RegistryChange,
    WarningCode,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.actions.replace_registry import replace_registry
from telemetry_service.pipeline.actions.report_facts import register_bouncer, remove_bouncer
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.pipeline.stages.tick import wake
from tests.pipeline.stages.source.test_events import obstacle, state
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.reckoning import codes_of
from tests.support.rubbish import Rubbish, rubbish
from tests.support.site import Site, usage
from tests.support.source import AuditTable, other
from tests.support.source_fixtures import ON_BOTH_SOURCES


def registry(site: Site) -> dict[str, tuple[str, str]]:
    """Read what is there and return the registry."""
    read_up_to_now(site.runtime)
    with site.runtime.database.read() as tx:
        return {it.bouncer_id: (it.environment.value, it.pair_id) for it in tx.bouncers.all()}


@ON_BOTH_SOURCES
def test_the_registry_follows_the_view_and_what_was_reported_stays(site: Site, audit: AuditTable) -> None:
    site.register("reported", Environment.SANDBOX, "pair-9")
    audit.register(("bnc-1", "live", "pair-1"), ("bnc-2", "test", "pair-1"))
    theirs = {"reported": ("sandbox", "pair-9")}
    both = {"bnc-1": ("production", "pair-1"), "bnc-2": ("sandbox", "pair-1")}
    assert registry(site) == theirs | both
    noted = len(entries(site.runtime.database))
    assert registry(site) == theirs | both
    assert len(entries(site.runtime.database)) == noted, "a look that finds no change notes none"
    audit.register(("bnc-1", "live", "pair-2"))
    assert registry(site) == theirs | {"bnc-1": ("production", "pair-2")}
    audit.register()
    assert registry(site) == theirs
    audit.register(("bnc-1", "live", "pair-1"), ("bnc-1", "test", "pair-1"))
    assert registry(site) == theirs
    assert obstacle(site).text.startswith(
        "telemetry_source_bouncers.bouncer_id is not valid: the bouncer bnc-1 is there"
    )
    audit.register(("bnc 7", "live", "pair-1"))
    registry(site)
    assert obstacle(site).text.startswith("telemetry_source_bouncers.bouncer_id is not valid, so")


def test_reports_and_the_view_never_overwrite_each_other_and_repeating_either_changes_nothing(
    site: Site, audit: AuditTable
) -> None:
    audit.register(("both", "live", "p"), ("viewed", "test", "p"))
    declared = Registry(bouncers=(_named("both", Environment.SANDBOX), _named("declared", Environment.PRODUCTION)))
    both, of_source = ("production", "p"), {"viewed": ("sandbox", "p")}
    declares(site, declared)
    assert registry(site) == {"both": both, "declared": ("production", "q")} | of_source, "the view counts"
    noted = len(entries(site.runtime.database))
    for _ in range(2):
        again = declares(site, declared)
        assert (again.added, again.removed, again.changed, again.unchanged) == ((), (), (), 2)
        assert [(it.code, it.bouncer_id) for it in again.warnings] == [(WarningCode.SOURCE_REGISTERS_OTHERWISE, "both")]
        assert registry(site) == {"both": both, "declared": ("production", "q")} | of_source
    assert len(entries(site.runtime.database)) == noted, "neither undoes the other"
    assert declares(site, Registry(bouncers=declared.bouncers[:1])).removed == ("declared",)
    audit.register(("viewed", "test", "p"))
    assert registry(site) == {"both": ("sandbox", "q")} | of_source, "what was reported counts again"
    with pytest.raises(BouncerOfSourceError):
        remove_bouncer(site.runtime, "viewed", ADMIN)


def test_a_second_production_bouncer_in_a_pair_of_the_source_is_warned_of(site: Site, audit: AuditTable) -> None:
    audit.register(("viewed", "live", "q"))
    registry(site)
    made = declares(site, Registry(bouncers=(_named("declared", Environment.PRODUCTION),)))
    assert [(it.code, it.bouncer_id) for it in made.warnings] == [
        (WarningCode.PAIR_HAS_TWO_PRODUCTION_BOUNCERS, "declared")
    ]


@ON_BOTH
def test_one_bouncer_that_both_register_is_reported_and_removed_without_the_source(
    site: Site, audit: AuditTable
) -> None:
    audit.register(("both", "live", "p"))
    assert registry(site) == {"both": ("production", "p")}
    reported = BouncerRegistration(environment=Environment.SANDBOX, pair_id="q")
    made = register_bouncer(site.runtime, "both", reported, ADMIN)
    assert (made.bouncer.environment, [it.code for it in made.warnings]) == (
        Environment.PRODUCTION,
        [WarningCode.SOURCE_REGISTERS_OTHERWISE],
    )
    assert remove_bouncer(site.runtime, "both", ADMIN)
    assert registry(site) == {"both": ("production", "p")}
    register_bouncer(site.runtime, "both", reported, ADMIN)
    bare = site.open(replica=replace(site.replica, source_url=None))
    assert declares(site, Registry(bouncers=()), bare).removed == ("both",), "without a source, all of it is reported"
    with site.runtime.database.read() as tx:
        assert (tx.bouncers.all(), tx.source_bouncers.all()) == ((), {})


def test_the_limit_of_bouncers_is_that_of_both_together(site: Site, audit: AuditTable) -> None:
    audit.register(("viewed", "live", "p"))
    small = site.open(replica=replace(site.replica, max_bouncers=2))
    read_up_to_now(small)
    two = tuple(_named(name, Environment.SANDBOX) for name in ("a", "b"))
    with pytest.raises(RegistryFullError):
        declares(site, Registry(bouncers=two), small)
    assert declares(site, Registry(bouncers=two[:1]), small).added == ("a",)


def _named(name: str, environment: Environment) -> NamedRegistration:
    return NamedRegistration(bouncer_id=name, environment=environment, pair_id="q")


def declares(site: Site, wanted: Registry, runtime: Runtime | None = None) -> RegistryChange:
    """Declare the registry over REST."""
    return replace_registry(runtime or site.runtime, wanted, ADMIN, lambda _present: True)


@ON_BOTH_SOURCES
def test_codes_of_the_source_are_sent_once(site: Site, audit: AuditTable) -> None:
    audit.run("INSERT INTO extension_codes VALUES ('EXT-1', '2026-11-01 10:00:00+00:00'), ('EXT-2', NULL)")
    site.clock.set(site.next_run_at())
    wake(site.runtime)
    site.clock.set(site.next_run_at())
    wake(site.runtime)
    assert codes_of(site.server.journal()) == ["EXT-1"]
    audit.run("INSERT INTO extension_codes VALUES ('EXT 3', '2026-11-01 10:00:00+00:00')")
    read_up_to_now(site.runtime)
    assert obstacle(site).text.startswith("telemetry_source_extension_codes.code_id is not valid")
    audit.run("UPDATE extension_codes SET code = 'EXT-1', redeemed_at = '2026-11-02 10:00:00+00:00'")
    read_up_to_now(site.runtime)
    assert "EXT-1 was recorded with another time" in obstacle(site).text


def test_a_bouncer_that_reports_count_too_is_a_warning(site: Site, audit: AuditTable) -> None:
    read_up_to_now(site.runtime)
    audit.write(other(), other("bnc-2"))
    site.report(usage(1, bouncer="bnc-2"))
    read_up_to_now(site.runtime)
    assert (state(site).shared, state(site).shared_example) == (1, "bnc-2")
    site.clock.set(site.next_run_at())
    wake(site.runtime)
    health = read_now(site.runtime, read_health).health
    assert health.code == "source_shared"
    assert (
        "In this period, 1 bouncer (such as bnc-2) is counted from the source database and by reports" in health.cause
    )
    read_up_to_now(site.runtime)
    assert state(site).shared == 0, "in the next period, neither has counted it"


def test_reading_begins_with_an_entry_of_the_ledger(site: Site) -> None:
    read_up_to_now(site.runtime)
    assert [it.details for it in entries(site.runtime.database) if it.kind is Kind.SOURCE] == [
        {"act": "begun", "position": 0}
    ]


def test_rows_about_the_source_that_someone_spoils_stop_no_run_and_no_page(site: Site, audit: AuditTable) -> None:
    read_up_to_now(site.runtime)
    audit.write(other())
    audit.register(("bnc-1", "live", "pair-1"))
    read_up_to_now(site.runtime)
    engine = create_engine(site.replica.database_url)
    spoiled = [it for it in rubbish() if it.table.startswith("source_") and it.column != "id" and it.value != "NULL"]
    assert len(spoiled) > 20
    for it in spoiled:
        with engine.begin() as connection:
            kept = connection.execute(text(f"SELECT * FROM {it.table}")).mappings().all()  # noqa: S608 - our own names
            connection.execute(text("PRAGMA ignore_check_constraints = ON"))
            connection.execute(text(f"UPDATE {it.table} SET {it.column} = {it.value}"))  # noqa: S608 - our own names
        read_up_to_now(site.runtime)
        assert read_now(site.runtime, read_health).health.code, it
        _put_back(engine, it, kept)


def _put_back(engine: Engine, it: Rubbish, kept: Sequence[RowMapping]) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {it.table}"))  # noqa: S608 - our own names
        for row in kept:
            columns = list(row.keys())
            names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
            connection.execute(text(f"INSERT INTO {it.table} ({names}) VALUES ({values})"), dict(row))  # noqa: S608
