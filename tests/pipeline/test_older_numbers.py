"""A number that a verification has seen is not replaced by an older one, whatever the clocks said."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.errors import SettingsChangedError
from telemetry_service.domain.facts import Environment
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.changed_rows import changed_now
from telemetry_service.pipeline.stages.sweep import Round, sweep, verify_everything
from telemetry_service.pipeline.verification import keep_verification
from tests.pipeline.test_row_tampering import copy_of, write
from tests.support.actors import ADMIN
from tests.support.forged_lines import take_a_line_away
from tests.support.site import Site, usage
from tests.support.tampering import CONFIGURATION, LEDGER, changed, run

LATEST = f"(SELECT max(seq) FROM {LEDGER} WHERE kind = 'settings')"
GONE = (f"DELETE FROM {LEDGER} WHERE seq = {LATEST}", f"UPDATE {LEDGER} SET line = 'x.y.z' WHERE seq = {LATEST}")

Restore = Callable[[Connection], None]


def _change_twice(site: Site) -> Restore:
    """Return what puts back the row of the first change."""
    site.configure(anonymize_pii=False)
    older = copy_of(site, CONFIGURATION)
    site.clock.advance(seconds=10)
    site.configure(anonymize_pii=True)
    return older


def _while_the_clock_is_ahead(site: Site) -> Restore:
    now = site.clock.now()
    site.clock.advance(days=400)
    older = _change_twice(site)
    site.clock.set(now + timedelta(minutes=1))
    verify_everything(site.runtime)
    return older


def _while_a_verification_runs(site: Site) -> Restore:
    round_ = Round(site.runtime)
    site.clock.advance(seconds=10)
    older = _change_twice(site)
    more = True
    while more:
        with site.runtime.database.read() as tx:
            more = round_.go_on(tx)
    found = round_.finish()
    assert found is not None
    with site.runtime.database.write() as tx:
        keep_verification(site.runtime, tx, found)
    return older


def _fits(site: Site) -> bool:
    with site.runtime.database.read() as tx:
        return ChangedRow.SETTINGS not in changed_now(site.runtime, tx)


@pytest.mark.parametrize("change", [_while_the_clock_is_ahead, _while_a_verification_runs])
def test_an_older_row_does_not_fit_once_the_entry_about_the_newer_one_is_gone(
    site: Site, change: Callable[[Site], Restore]
) -> None:
    site.report(usage())
    verify_everything(site.runtime)
    older = change(site)
    site.register("b-2", Environment.PRODUCTION)  # So there is an entry behind it.
    sweep(site.runtime)
    assert _fits(site)
    for statement in GONE:
        with changed(site.replica.database_url, run(statement)):
            _sweep_all(site)
            assert _fits(site), f"the present row stays right: {statement}"
        with changed(site.replica.database_url, older, run(statement)):
            _sweep_all(site)
            assert not _fits(site), statement
            with pytest.raises(SettingsChangedError):
                send_now(site.runtime, ADMIN, None)
        _sweep_all(site)
    assert not site.server.journal()


def _sweep_all(site: Site) -> None:
    site.clock.advance(minutes=1)
    sweep(site.runtime)
    verify_everything(site.runtime)


def test_where_the_ledger_was_cut_off_a_new_entry_counts_that_replaces_what_was_known(site: Site) -> None:
    site.configure(encrypt_payload=False)
    verify_everything(site.runtime)
    copy_of(site, CONFIGURATION)
    site.configure(encrypt_payload=True)
    verify_everything(site.runtime)
    with changed(site.replica.database_url, lambda it: take_a_line_away(it, ChangedRow.SETTINGS.value, "")):
        _sweep_all(site)
        assert _fits(site), "its number is known, although the entry about it is gone"
        site.configure(retention_days=90)
        _sweep_all(site)
        assert _fits(site), "in the place of the entry that is gone, there is another"
        write(site, f"DELETE FROM {CONFIGURATION}", f"INSERT INTO {CONFIGURATION} SELECT * FROM kept_{CONFIGURATION}")
        _sweep_all(site)
        assert not _fits(site)
