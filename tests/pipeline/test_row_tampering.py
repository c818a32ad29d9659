"""Whoever changes a row that decides what is sent, past the service, stops everything until the settings are saved."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, create_engine, text

from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.errors import NotVerifiedYetError, SettingsChangedError, TelemetryDisabledError
from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.ledger import FIRST_PREV, Kind
from telemetry_service.domain.outcome import LicenseUpdate
from telemetry_service.domain.payload import HealthStatus, LicenseStatus, Tier
from telemetry_service.domain.periods import OpenPeriod
from telemetry_service.domain.verification import MOST_PROBLEMS, Problem
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import save_configuration, set_api_key
from telemetry_service.pipeline.actions.erase import reset_instance_id
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.actions.restored import answer_restored, notice_restored
from telemetry_service.pipeline.actions.rotate_keys import rotate_keys
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.changed_rows import changed_now
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.purge import purge, purge_if_due
from telemetry_service.pipeline.stages.record_outcome import note_license
from telemetry_service.pipeline.stages.sweep import sweep, verify_everything
from telemetry_service.pipeline.stages.tick import WakeReport, wake
from telemetry_service.pipeline.verification import keep_verification, read_verification
from telemetry_service.storage.stamps import number_of
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.forged_lines import FORGERIES
from tests.support.license_server import API_KEY
from tests.support.settings import ENCRYPTION_KEY
from tests.support.site import Site, usage
from tests.support.tampering import ANNOUNCED, CONFIGURATION, INSTALLATION, LEDGER, LICENSE, changed, run

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
        _is_refused(site)
    wake(site.runtime)
    assert sent(site) == 0, statement


def _is_refused(site: Site) -> None:
    with pytest.raises((SettingsChangedError, TelemetryDisabledError)):
        send_now(site.runtime, ADMIN, None)
    for api_key in (None, API_KEY):
        with pytest.raises((SettingsChangedError, TelemetryDisabledError)):
            check_connection(site.runtime, ADMIN, api_key)


def test_a_run_that_was_due_meanwhile_is_made_up_for(verified: Site) -> None:
    with changed(verified.replica.database_url, run(f"UPDATE {CONFIGURATION} SET enabled = false")):
        verified.clock.set(verified.next_run_at())
        assert wake(verified.runtime).attempts == 0
        verified.clock.advance(days=40)
        assert purge(verified.runtime) == 0, "no one knows how long to keep anything"
    assert wake(verified.runtime).tick == "prepared"
    assert sent(verified) == 2


def _saved(site: Site) -> None:
    site.configure(retention_days=90)


def _reported_again(site: Site) -> None:
    report_license(site.runtime, LicensePosture(license_status=LicenseStatus.EXPIRED), OPS)


def _noticed(site: Site) -> None:
    assert notice_restored(site.runtime, anchor=f"9999:{FIRST_PREV}")


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
    _key_set(verified)
    assert health(verified.runtime)[1] == "settings_changed"


TRIGGERS = {
    CONFIGURATION: ("anonymize_pii = false, encrypt_payload = false", _saved, ChangedRow.SETTINGS),
    LICENSE: ("customer_id = 'cus_SomebodyElse', tier = 'enterprise'", _reported_again, ChangedRow.LICENSE),
    INSTALLATION: ("restored_at = NULL", _noticed, ChangedRow.INSTALLATION),
}
"""What a trigger makes of each row, and what writes it."""


@ON_BOTH
def test_what_a_trigger_makes_of_a_row_is_not_stamped(verified: Site) -> None:
    for table, (values, write_row, row) in TRIGGERS.items():
        _let_a_trigger_write(verified, table, values)
        write_row(verified)
        with verified.runtime.database.read() as tx:
            assert row in changed_now(verified.runtime, tx), table
        with pytest.raises(SettingsChangedError):
            send_now(verified.runtime, ADMIN, None)
        wake(verified.runtime)
    verified.configure(anonymize_pii=True, encrypt_payload=True)
    assert health(verified.runtime)[1] == "settings_changed", "it has done it again"
    assert sent(verified) == 0


OTHERS = {
    "other values": f"UPDATE {LICENSE} SET customer_id = 'cus_SomebodyElse', tier = 'enterprise'",
    "no row": f"DELETE FROM {LICENSE}",
}
"""What a trigger of the settings' table does to another one."""


@ON_BOTH
def test_what_a_trigger_does_to_other_tables_while_someone_approves_the_rows_is_not_stamped(verified: Site) -> None:
    site = verified
    for name, statement in OTHERS.items():
        write(site, f"UPDATE {CONFIGURATION} SET version = version + 1")
        drop = _let_a_trigger_run(site, CONFIGURATION, statement)
        site.configure()
        drop()
        sweep(site.runtime)
        with site.runtime.database.read() as tx:
            assert changed_now(site.runtime, tx) == (ChangedRow.LICENSE,), name
        with pytest.raises(SettingsChangedError):
            send_now(site.runtime, ADMIN, None)
        site.configure()
        sweep(site.runtime)
        assert health(site.runtime)[1] != "settings_changed", "without the trigger, they can be approved"


def _let_a_trigger_run(site: Site, table: str, statement: str) -> Callable[[], None]:
    """Run a statement at each update of a table, until the returned function is called."""
    if site.replica.database_url.startswith("sqlite"):
        write(site, f"CREATE TRIGGER runs AFTER UPDATE ON {table} BEGIN {statement}; END")
        return partial(write, site, "DROP TRIGGER runs")
    body = f"BEGIN {statement}; RETURN NEW; END".replace("'", "''")
    write(
        site,
        f"CREATE FUNCTION run_it() RETURNS trigger LANGUAGE plpgsql AS '{body}'",
        f"CREATE TRIGGER runs BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION run_it()",
    )
    return partial(write, site, f"DROP TRIGGER runs ON {table}", "DROP FUNCTION run_it()")


def _let_a_trigger_write(site: Site, table: str, values: str) -> None:
    if site.replica.database_url.startswith("sqlite"):
        column = "restored_at" if table == INSTALLATION else "updated_at"
        changes = f"BEGIN UPDATE {table} SET {values}; END"
        write(site, f"CREATE TRIGGER on_{table} AFTER UPDATE OF {column} ON {table} {changes}")
        return
    assigned = "; ".join(f"NEW.{value.strip()}" for value in values.split(","))
    body = f"BEGIN {assigned}; RETURN NEW; END"
    write(
        site,
        f"CREATE FUNCTION change_{table}() RETURNS trigger LANGUAGE plpgsql AS '{body.replace(chr(39), chr(39) * 2)}'",
        f"CREATE TRIGGER on_{table} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION change_{table}()",
    )


def copy_of(site: Site, table: str) -> Callable[[Connection], None]:
    """Keep the rows of a table as they are, and return a change that puts them back."""
    write(site, f"DROP TABLE IF EXISTS kept_{table}", f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
    return run(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM kept_{table}")


def _configured(site: Site) -> None:
    site.configure(encrypt_payload=True, retention_days=90)


def _licensed(site: Site) -> None:
    report_license(site.runtime, LicensePosture(tier=Tier.ENTERPRISE), OPS)


def _turned_off(site: Site) -> None:
    answer_restored(site.runtime, OpenPeriod.UNSENT, ADMIN)
    site.configure(enabled=False)


def _reset(site: Site) -> None:
    reset_instance_id(site.runtime, ADMIN)


REPLAYS: tuple[tuple[str, ChangedRow, Callable[[Site], None]], ...] = (
    (CONFIGURATION, ChangedRow.SETTINGS, _configured),
    (LICENSE, ChangedRow.LICENSE, _licensed),
    (INSTALLATION, ChangedRow.INSTALLATION, _reset),
    (INSTALLATION, ChangedRow.INSTALLATION, _noticed),
    (CONFIGURATION, ChangedRow.SETTINGS, _turned_off),
)
"""What changes a row, for which the row from before is put back. What stops everything comes last."""

HIDE_FROM_INDEX = f"UPDATE {LEDGER} SET kind = 'tick' WHERE kind IN ('settings', 'facts', 'restored', 'deployment')"


@ON_BOTH
def test_nothing_is_sent_by_an_older_row_even_if_its_entry_is_hidden_from_the_index(verified: Site) -> None:
    site = verified
    for table, row, change in REPLAYS:
        older = copy_of(site, table)
        change(site)
        for knows in ("the entries since", "the verdict"):
            with changed(site.replica.database_url, older, run(HIDE_FROM_INDEX)):
                _nothing_leaves(site, row, f"{change.__name__}: {knows}")
            sweep(site.runtime)
    assert sent(site) == 0


def test_nothing_is_sent_by_an_older_row_whatever_line_someone_forges_for_it(verified: Site) -> None:
    site = verified
    for table, row, change in REPLAYS:
        older = copy_of(site, table)
        number = _number_in(site, table)
        site.clock.advance(seconds=1)
        change(site)
        verify_everything(site.runtime)
        for forge in FORGERIES if table == LICENSE else FORGERIES[:1]:  # Each row is known by its number alone.
            forged = partial(forge, name=row.value, number=number)
            with changed(site.replica.database_url, older, forged):
                wake(site.runtime)
                _sweep_as_often_as_needed(site)
                _nothing_leaves(site, row, f"{change.__name__}: {forge.__name__}")
            sweep(site.runtime)
    assert sent(site) == 0


def _number_in(site: Site, table: str) -> str:
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        stamp = bytes(connection.execute(text(f"SELECT stamp FROM {table}")).scalar_one())
    engine.dispose()
    return number_of(stamp)


def _sweep_as_often_as_needed(site: Site) -> None:
    sweep(site.runtime)
    verify_everything(site.runtime)
    sweep(site.runtime)  # It has written an entry about what it found.


def _nothing_leaves(site: Site, row: ChangedRow, name: str) -> None:
    with site.runtime.database.read() as tx:
        assert changed_now(site.runtime, tx) == (row,), name
    _is_refused(site)
    wake(site.runtime)
    assert sent(site) == 0, name


def _key_set(site: Site) -> None:
    set_api_key(site.runtime, "another-key-0123456789", ADMIN)


def _updated_by_a_receipt(site: Site) -> None:
    with site.runtime.database.write() as tx:
        update = LicenseUpdate(Tier.TRIAL, LicenseStatus.EXPIRED, None)
        note_license(site.runtime, tx, UUID(int=1), update, site.clock.now(), None)


LATER_WRITES: tuple[tuple[str, Callable[[Site], None], Callable[[Site], None]], ...] = (
    (CONFIGURATION, _configured, _key_set),
    (INSTALLATION, _reset, _reset),
    (INSTALLATION, _reset, _noticed),
    (LICENSE, _licensed, _reported_again),
    (LICENSE, _reported_again, _updated_by_a_receipt),
)
"""What changes a row, and what changes it later by itself, without an administrator who has seen all of it."""


def test_no_later_write_approves_an_older_row_or_one_that_was_removed(verified: Site) -> None:
    site = verified
    for table, change, later in LATER_WRITES:
        older = copy_of(site, table)
        change(site)
        for put in (older, run(f"DELETE FROM {table}"))[: 2 if table == LICENSE else 1]:
            with changed(site.replica.database_url, put):
                later(site)
                sweep(site.runtime)
                assert health(site.runtime)[1] == "settings_changed", later.__name__
            sweep(site.runtime)
            assert health(site.runtime)[1] == "settings_changed", f"{later.__name__}: who puts it back undoes that"
            site.configure()
            sweep(site.runtime)
            with site.runtime.database.read() as tx:
                assert changed_now(site.runtime, tx) == (), later.__name__


@ON_BOTH
def test_an_older_row_is_shown_after_the_next_sweep(verified: Site) -> None:
    site = verified
    older = {table: copy_of(site, table) for table in (CONFIGURATION, LICENSE)}
    _configured(site)
    _licensed(site)
    with changed(site.replica.database_url, older[CONFIGURATION]):
        assert health(site.runtime)[1] == "settings_changed", "the entry about the settings is newer"
    with changed(site.replica.database_url, older[LICENSE]):
        assert sweep(site.runtime) is not None
        assert health(site.runtime)[1] == "settings_changed"


def test_while_an_entry_is_missing_nothing_leaves_until_the_next_sweep(verified: Site) -> None:
    site = verified
    _licensed(site)
    write(site, f"DELETE FROM {LEDGER} WHERE seq = (SELECT max(seq) FROM {LEDGER})")
    with pytest.raises(NotVerifiedYetError):
        send_now(site.runtime, ADMIN, None)
    site.clock.set(site.next_run_at())
    assert wake(site.runtime) == WakeReport(None, 0)
    sweep(site.runtime)
    sweep(site.runtime)
    assert wake(site.runtime).tick is not None


def test_a_purge_before_that_sweep_is_made_up_for_at_once(verified: Site) -> None:
    site = verified
    _licensed(site)
    write(site, f"DELETE FROM {LEDGER} WHERE seq = (SELECT max(seq) FROM {LEDGER})")
    with site.runtime.database.read() as tx:
        site.clock.set(tx.schedule.next_purge().due)
    assert purge_if_due(site.runtime) is None
    sweep(site.runtime)
    sweep(site.runtime)
    site.clock.advance(minutes=11)
    assert purge_if_due(site.runtime) is not None


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


def test_no_connection_is_tested_if_someone_has_moved_the_switch(verified: Site) -> None:
    verified.configure(enabled=False)
    write(verified, f"UPDATE {CONFIGURATION} SET enabled = true")
    with pytest.raises(SettingsChangedError):
        check_connection(verified.runtime, ADMIN)


def test_counts_of_a_time_without_telemetry_are_not_sent_whatever_the_row_of_the_period_says(site: Site) -> None:
    verify_everything(site.runtime)
    site.configure(enabled=False)
    site.report(usage(events=70))
    write(site, "UPDATE reporting_periods SET reportable = true WHERE is_open", HIDE_FROM_INDEX)
    site.configure(enabled=True)
    site.report(usage(events=3))
    site.tick()
    (entry,) = site.server.journal()
    assert b'"total_events":3' in entry.payload


def test_counts_of_a_time_that_the_deployment_had_turned_telemetry_off_likewise(site: Site) -> None:
    verify_everything(site.open(replica=replace(site.replica, enabled=False)))
    site.report(usage(events=70))
    write(site, "UPDATE reporting_periods SET reportable = true WHERE is_open", HIDE_FROM_INDEX)
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
