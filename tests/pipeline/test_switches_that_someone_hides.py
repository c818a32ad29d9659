"""What is counted while telemetry is off is never sent, whatever someone makes of rows when it is turned off or on."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

import json

from tests.pipeline.test_heads_changed_for_a_moment import WRONG, next_period_is_sent, right_end
from tests.pipeline.test_rows_in_between import let_a_trigger, received
from tests.pipeline.test_rows_put_back import PERIODS, codes, verified, write
from tests.support.databases import ON_BOTH
from tests.support.site import Site, usage
from tests.support.tampering import CONFIGURATION, LEDGER


def drop_trigger(site: Site, table: str) -> None:
    on = "" if site.replica.database_url.startswith("sqlite") else f" ON {table}"
    write(site, f"DROP TRIGGER runs_update_{table}{on}")


def only_what_follows_is_sent(site: Site) -> None:
    """Turn telemetry on: the next payload has only the counts from then on."""
    site.configure(enabled=True)
    next_period_is_sent(site)
    (payload,) = received(site)
    assert json.loads(payload)["total_events"] == 10


@ON_BOTH
def test_counts_from_while_telemetry_was_off_are_not_sent(site: Site) -> None:
    verified(site)
    let_a_trigger(site, WRONG, "UPDATE", CONFIGURATION, "NEW.enabled <> OLD.enabled")
    let_a_trigger(site, right_end(site), "UPDATE", PERIODS, "NEW.closed_at IS NOT NULL")
    site.configure(enabled=False)
    write(site, f"UPDATE {PERIODS} SET reportable = true WHERE closed_at IS NULL")
    site.report(usage())
    for table in (CONFIGURATION, PERIODS):
        drop_trigger(site, table)
    only_what_follows_is_sent(site)


@ON_BOTH
def test_telemetry_is_turned_off_although_a_trigger_changes_its_row_until_the_entry(site: Site) -> None:
    verified(site)
    days = f"UPDATE {CONFIGURATION} SET retention_days = "
    let_a_trigger(site, f"{days} 7", "UPDATE OF stamp", CONFIGURATION, "NOT NEW.enabled AND NEW.retention_days <> 7")
    let_a_trigger(site, f"{days} 30", "INSERT", LEDGER, "NEW.kind = 'settings'")
    site.configure(enabled=False, retention_days=30)
    site.report(usage())
    assert codes(site) == {"settings_changed"}
    only_what_follows_is_sent(site)


@ON_BOTH
def test_a_save_that_approves_a_row_ends_the_period_as_any_other_that_turns_telemetry_on(site: Site) -> None:
    site.configure(enabled=False)
    write(site, f"UPDATE {CONFIGURATION} SET retention_days = 7")
    write(site, f"UPDATE {PERIODS} SET reportable = true WHERE closed_at IS NULL")
    site.report(usage())
    assert codes(site) == {"settings_changed"}
    only_what_follows_is_sent(site)
