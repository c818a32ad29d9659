"""Whoever changes a row that decides what is sent, past the service, stops everything until the settings are saved."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Connection, create_engine, text

from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.errors import SettingsChangedError
from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import HealthStatus, LicenseStatus, Tier
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.verification import MOST_PROBLEMS, Problem
from telemetry_service.pipeline.actions.configure import save_configuration, set_api_key
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.actions.restored import answer_restored
from telemetry_service.pipeline.actions.rotate_keys import rotate_keys
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.changed_rows import changed_now
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.sweep import sweep, verify_everything
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.pipeline.verification import keep_verification, read_verification
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.license_server import API_KEY
from tests.support.settings import ENCRYPTION_KEY
from tests.support.site import Site, usage
from tests.support.tampering import ANNOUNCED, CONFIGURATION, INSTALLATION, LICENSE, changed, run

NEW_KEY = bytes(reversed(ENCRYPTION_KEY))
ATTACKS: tuple[tuple[ChangedRow, str], ...] = (
    *(
        (ChangedRow.SETTINGS, f"UPDATE {CONFIGURATION} SET {change}")
        for change in (
            "anonymize_pii = false",
            "encrypt_payload = false",
            "enabled = false",
            "frequency = 'monthly'",
            "retention_days = 7",
            "api_key_hint = 'abcd'",
            "version = version + 1",
            "stamp = NULL",
        )
    ),
    (ChangedRow.INSTALLATION, f"UPDATE {INSTALLATION} SET restored_at = created_at"),
    (ChangedRow.INSTALLATION, f"UPDATE {INSTALLATION} SET stamp = NULL"),
    (ChangedRow.LICENSE, f"UPDATE {LICENSE} SET customer_id = 'cus_SomebodyElse'"),
    (ChangedRow.LICENSE, f"UPDATE {LICENSE} SET tier = 'enterprise'"),
    (ChangedRow.LICENSE, f"DELETE FROM {LICENSE}"),
    (ChangedRow.ANNOUNCEMENT, f"UPDATE {ANNOUNCED} SET settled_at = NULL"),
    (ChangedRow.ANNOUNCEMENT, f"UPDATE {ANNOUNCED} SET stamp = NULL"),
    (ChangedRow.ANNOUNCEMENT, f"DELETE FROM {ANNOUNCED}"),
)
NOT_BY_ITS_STAMP = "DELETE"
"""What is gone has no stamp: the sweep finds it at the next waking."""


@pytest.fixture
def verified(site: Site) -> Site:
    """A site with a license, a waiting payload and counts, that the sweep has verified."""
    posture = LicensePosture(tier=Tier.TRIAL, license_status=LicenseStatus.ACTIVE)
    report_license(site.runtime, posture, OPS)
    site.report(usage())
    site.tick_only()
    site.report(usage())
    found = verify_everything(site.runtime)
    assert found is not None
    assert found.problems == ()
    return site


def health(runtime: Runtime) -> tuple[HealthStatus, str, str]:
    found = read_now(runtime, read_health).health
    return found.status, found.code, found.cause


def sent(site: Site) -> int:
    return len(site.server.journal())


def write(site: Site, *statements: str) -> None:
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@ON_BOTH
def test_nothing_is_prepared_or_sent_while_a_row_is_not_as_the_service_stored_it(verified: Site) -> None:
    site = verified
    for row, statement in ATTACKS:
        with changed(site.replica.database_url, run(statement)):
            if statement.startswith(NOT_BY_ITS_STAMP):
                assert sweep(site.runtime) is not None
            _is_stopped(site, row, statement)
        sweep(site.runtime)
        with site.runtime.database.read() as tx:
            assert changed_now(site.runtime, tx) == (), statement
    site.tick()
    assert sent(site) == 2


def _is_stopped(site: Site, row: ChangedRow, statement: str) -> None:
    with site.runtime.database.read() as tx:
        assert changed_now(site.runtime, tx) == (row,), statement
    off = statement.endswith("enabled = false")
    expected = (HealthStatus.DISABLED, "disabled") if off else (HealthStatus.UNHEALTHY, "settings_changed")
    status, code, cause = health(site.runtime)
    assert (status, code) == expected, statement
    assert "Someone changed the database" in cause, statement
    if not off:
        with pytest.raises(SettingsChangedError):
            send_now(site.runtime, ADMIN, None)
    wake(site.runtime)
    assert sent(site) == 0, statement


def test_a_run_that_was_due_meanwhile_is_made_up_for(verified: Site) -> None:
    with changed(verified.replica.database_url, run(f"UPDATE {CONFIGURATION} SET enabled = false")):
        verified.clock.set(verified.next_run_at())
        assert wake(verified.runtime).attempts == 0
        verified.clock.advance(days=40)
        assert purge(verified.runtime) == 0, "no one knows how long to keep anything"
    assert wake(verified.runtime).tick == "prepared"
    assert sent(verified) == 2


@ON_BOTH
def test_saving_the_settings_approves_the_rows_and_says_so(verified: Site) -> None:
    for row, statement in ATTACKS:
        write(verified, statement)
        sweep(verified.runtime)
        verified.configure(enabled=True, anonymize_pii=True)
        sweep(verified.runtime)
        assert health(verified.runtime)[1] != "settings_changed", statement
        entry = next(it for it in read_now(verified.runtime, list_activity) if it.kind is Kind.SETTINGS)
        assert entry.details["approves"] == row.value, statement
        assert entry.details["settings"]["anonymize_pii"] is True
    answer_restored(verified.runtime, OpenPeriod.UNSENT, ADMIN)  # What someone has written is asked, not forgotten.
    assert health(verified.runtime)[1] == "new_field", "what someone has announced is announced again"
    verified.tick()
    assert sent(verified) == 1, "the payload from before waits for a person, as after every restore"


def test_another_api_key_approves_nothing(verified: Site) -> None:
    write(verified, f"UPDATE {CONFIGURATION} SET anonymize_pii = false")
    set_api_key(verified.runtime, API_KEY, ADMIN)
    assert health(verified.runtime)[1] == "settings_changed"


def copy_of(site: Site, table: str) -> Callable[[Connection], None]:
    """Keep the rows of a table as they are, and return a change that puts them back."""
    write(site, f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
    return run(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM kept_{table}")


@ON_BOTH
def test_an_older_row_with_its_older_stamp_is_found(verified: Site) -> None:
    site = verified
    older = {table: copy_of(site, table) for table in (CONFIGURATION, LICENSE)}
    site.configure(encrypt_payload=False)
    report_license(site.runtime, LicensePosture(tier=Tier.ENTERPRISE), OPS)
    with changed(site.replica.database_url, older[CONFIGURATION]):
        assert health(site.runtime)[1] == "settings_changed", "the entry about the settings is newer"
        wake(site.runtime)
        assert sent(site) == 0
    assert sweep(site.runtime) is not None
    with changed(site.replica.database_url, older[LICENSE]):
        assert health(site.runtime)[1] != "settings_changed"
        assert sweep(site.runtime) is not None
        assert health(site.runtime)[1] == "settings_changed"


def test_another_encryption_key_keeps_what_the_old_one_has_stamped(verified: Site) -> None:
    both = verified.open(replica=replace(verified.replica, encryption_keys=(NEW_KEY, ENCRYPTION_KEY)))
    assert health(both)[1] != "settings_changed"
    rotate_keys(both, ADMIN)
    new = verified.open(replica=replace(verified.replica, encryption_keys=(NEW_KEY,)))
    found = verify_everything(new)
    assert found is not None
    assert found.problems == ()
    assert health(new)[1] != "settings_changed"


def test_with_an_unknown_encryption_key_one_save_with_the_api_key_is_enough(verified: Site) -> None:
    replaced = verified.open(replica=replace(verified.replica, encryption_keys=(NEW_KEY,)))
    assert health(replaced)[1] == "api_key_unusable"
    stored = read_now(replaced, read_configuration).stored
    save_configuration(replaced, stored.values, stored.version, ADMIN, API_KEY)
    verify_everything(replaced)
    assert health(replaced)[1] != "settings_changed"


def test_counts_of_a_time_without_telemetry_are_not_sent_whatever_the_row_of_the_period_says(site: Site) -> None:
    site.configure(enabled=False)
    site.report(usage(events=70))
    write(site, "UPDATE reporting_periods SET reportable = true WHERE is_open")
    site.configure(enabled=True)
    site.report(usage(events=3))
    site.tick()
    (entry,) = site.server.journal()
    assert b'"total_events":3' in entry.payload


def test_counts_of_a_time_that_the_deployment_had_turned_telemetry_off_likewise(site: Site) -> None:
    site.open(replica=replace(site.replica, enabled=False))
    site.report(usage(events=70))
    write(site, "UPDATE reporting_periods SET reportable = true WHERE is_open")
    site.open()
    site.report(usage(events=3))
    site.tick()
    (entry,) = site.server.journal()
    assert b'"total_events":3' in entry.payload


def test_no_number_of_other_problems_hides_a_changed_row(verified: Site) -> None:
    _keep_as_many_problems_as_fit(verified.runtime)
    write(verified, f"UPDATE {CONFIGURATION} SET anonymize_pii = false")
    found = sweep(verified.runtime)
    assert found is not None
    assert len(found.problems) == MOST_PROBLEMS
    assert ChangedRow.SETTINGS.code in {problem.code for problem in found.problems}


def _keep_as_many_problems_as_fit(runtime: Runtime) -> None:
    problems = tuple(Problem("not_in_ledger", transmission_id=uuid4()) for _ in range(MOST_PROBLEMS))
    with runtime.database.write() as tx:
        last = read_verification(runtime, tx)
        assert last is not None
        keep_verification(runtime, tx, replace(last, at=last.at + timedelta(seconds=1), problems=problems))
