"""What the deployment sets in the place of an administrator: saved at the start, locked, and an entry if it changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine

from telemetry_service.domain.configuration import ConfigurationPatch, StoredConfiguration
from telemetry_service.domain.configured import Configured
from telemetry_service.domain.errors import SettingLockedError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.locks import VARIABLES, Setting
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.apply_configured import other_settings
from telemetry_service.pipeline.actions.configure import (
    any_version,
    remove_api_key,
    reveal_api_key,
    save_configuration,
    set_api_key,
)
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import open_snapshot, read_now
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.sealing.identity import key_id
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.license_server import API_KEY, CUSTOMER, Trouble, reply
from tests.support.site import Site
from tests.support.tampering import run

NEW = "ck_test_from_deployment_5Tz"
LATER = "ck_test_of_the_next_start_8Qa"
OTHER: dict[str, Any] = {
    "frequency": Frequency.DAILY,
    "encrypt_payload": False,
    "anonymize_pii": False,
    "retention_days": 90,
}
"""Every setting with a value that is not the default."""


def setting(**values: Any) -> Configured:  # noqa: ANN401 - values of any kind
    return Configured(ConfigurationPatch(**values))


def with_key(api_key: str) -> Configured:
    return Configured(api_key=SecretStr(api_key))


def start_with(site: Site, configured: Configured) -> Runtime:
    return site.open(replica=replace(site.replica, configured=configured))


def stored(site: Site) -> StoredConfiguration:
    return read_now(site.runtime, read_configuration).stored


@contextmanager
def adding(site: Site, *kinds: Kind) -> Iterator[None]:
    """Check that the block adds these entries of the deployment, and no others."""
    known = len(entries(site.runtime.database))
    yield
    added = [(entry.kind, entry.actor) for entry in entries(site.runtime.database)[known:]]
    assert added == [(kind, "deployment") for kind in kinds]


@ON_BOTH
def test_each_setting_is_saved_locked_and_an_entry_only_when_it_changes(site: Site) -> None:
    for name, value in OTHER.items():
        configured = setting(**{name: value})
        with adding(site, Kind.SETTINGS):
            runtime = start_with(site, configured)
        assert getattr(stored(site).values, name) == value
        version = stored(site).version
        with adding(site):
            start_with(site, configured)
        assert stored(site).version == version
        assert read_now(runtime, read_configuration).locked == (Setting(name),)
        before = getattr(site.replica.settings().configured.values, name)
        for wanted in (ConfigurationPatch(**{name: before}), stored(site).values.model_copy(update={name: before})):
            with pytest.raises(SettingLockedError, match=VARIABLES[Setting(name)]):
                save_configuration(runtime, wanted, any_version, ADMIN)
        save_configuration(runtime, stored(site).values, any_version, ADMIN)  # What changes nothing is not refused.
        with adding(site, Kind.DEPLOYMENT):  # The variable is removed: the value stays, and is the administrator's.
            site.open()
        assert getattr(stored(site).values, name) == value


def test_another_value_of_a_locked_setting_is_exactly_one_entry(site: Site) -> None:
    start_with(site, setting(frequency=Frequency.DAILY, retention_days=90))
    with adding(site, Kind.SETTINGS):
        start_with(site, setting(frequency=Frequency.WEEKLY, retention_days=365))
    last = entries(site.runtime.database)[-1]
    assert last.details["changes"] == {"frequency": "daily -> weekly", "retention_days": "90 -> 365"}


def test_a_lock_alone_is_an_entry_even_between_changes_by_an_administrator(site: Site) -> None:
    locked = setting(frequency=Frequency.TWICE_MONTHLY)
    with adding(site, Kind.DEPLOYMENT):
        runtime = start_with(site, locked)
    save_configuration(runtime, ConfigurationPatch(retention_days=90), any_version, ADMIN)
    with adding(site):
        start_with(site, locked)
    both = Configured(ConfigurationPatch(frequency=Frequency.TWICE_MONTHLY), SecretStr(API_KEY))
    with adding(site, Kind.DEPLOYMENT):
        start_with(site, both)
    assert entries(site.runtime.database)[-1].details["locked_settings"] == ["frequency", "api_key"]


def test_what_follows_from_a_setting_follows_from_one_of_the_deployment(site: Site) -> None:
    site.configure(anonymize_pii=False)
    site.tick_only()
    before = site.next_run_at()
    start_with(site, setting(frequency=Frequency.DAILY, anonymize_pii=True))
    assert site.next_run_at() < before
    wake(site.runtime)
    (sent,) = site.server.payloads()
    assert sent.customer_id.startswith("anon_")


@ON_BOTH
def test_the_api_key_is_saved_locked_and_an_entry_only_when_it_changes(site: Site) -> None:
    site.server.store.add_key(NEW, CUSTOMER)
    with adding(site, Kind.KEY_SET):
        runtime = start_with(site, with_key(NEW))
    assert reveal_api_key(runtime, ADMIN) == NEW
    view = read_now(runtime, read_configuration)
    assert view.old_api_key is not None, "the License Server may not know the new one yet"
    with adding(site):
        start_with(site, with_key(NEW))
    assert stored(site).version == view.stored.version
    refused = pytest.raises(SettingLockedError, match="TELEMETRY_API_KEY")
    with refused:
        set_api_key(runtime, API_KEY, ADMIN)
    with refused:
        remove_api_key(runtime, ADMIN)
    with refused:
        save_configuration(runtime, view.values, any_version, ADMIN, API_KEY)
    assert stored(site).version == view.stored.version
    assert send_now(runtime, ADMIN, None).transmission.state is State.SUCCESS
    with adding(site, Kind.KEY_SET):
        start_with(site, with_key(LATER))
    with adding(site, Kind.DEPLOYMENT):
        site.open()
    assert stored(site).api_key is not None
    assert stored(site).api_key.key_id == key_id(LATER)  # type: ignore[union-attr]
    remove_api_key(site.runtime, ADMIN)
    for entry in entries(site.runtime.database):
        assert not {NEW, LATER} & set(str(entry).split("'")), entry


def test_the_old_key_can_be_destroyed_although_the_deployment_sets_the_new_one(site: Site) -> None:
    runtime = start_with(site, with_key(NEW))
    saved = set_api_key(runtime, NEW, ADMIN, overlap=False)
    assert saved.old_api_key is None


def test_what_was_held_for_the_old_key_is_due_and_a_start_with_the_same_key_retries_nothing(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(401)))
    held = send_now(site.runtime, ADMIN, None).transmission
    assert held.state is State.HELD
    assert wake(start_with(site, with_key(API_KEY))).attempts == 0
    assert wake(start_with(site, with_key(NEW))).attempts == 1


def test_a_key_that_can_no_longer_be_opened_is_saved_again(site: Site) -> None:
    lost = replace(site.replica, encryption_keys=(bytes(range(1, 33)),), configured=with_key(API_KEY))
    assert reveal_api_key(site.open(replica=lost), ADMIN) == API_KEY


def test_replicas_with_other_variables_are_found_and_the_latest_start_counts(site: Site) -> None:
    first = start_with(site, Configured(ConfigurationPatch(frequency=Frequency.DAILY), SecretStr(API_KEY)))
    second = start_with(site, Configured(ConfigurationPatch(frequency=Frequency.WEEKLY), SecretStr(NEW)))
    with first.database.read() as tx:
        assert other_settings(first, tx) == (Setting.FREQUENCY, Setting.API_KEY)
        assert other_settings(second, tx) == ()
    assert stored(site).values.frequency is Frequency.WEEKLY


def test_it_approves_no_row_that_someone_else_has_changed(site: Site) -> None:
    tamper(site, "UPDATE telemetry_configuration SET retention_days = 7")
    runtime = start_with(site, setting(frequency=Frequency.DAILY))
    with open_snapshot(runtime) as snapshot:
        assert snapshot.changed
    assert stored(site).values.frequency is Frequency.DAILY


def tamper(site: Site, statement: str) -> None:
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        run(statement)(connection)
    engine.dispose()
