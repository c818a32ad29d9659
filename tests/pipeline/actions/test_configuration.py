"""One save is one step, audited, and never over a newer one."""

from dataclasses import replace

import pytest

from telemetry_service.domain.errors import (
    KeyUnusableError,
    NotConfiguredError,
    SettingLockedError,
    StaleConfigurationError,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.locks import Setting
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.actions.configure import remove_api_key, reveal_api_key, save_configuration, set_api_key
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.sealing.identity import key_id
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.ledger import entries
from tests.support.license_server import API_KEY, CUSTOMER
from tests.support.settings import ENCRYPTION_KEY
from tests.support.site import Replica, Site

NEWER_KEY = bytes(range(1, 33))


def activity(site: Site) -> list[tuple[str, str | None, dict[str, object]]]:
    """Return what was done, newest first."""
    found = entries(site.runtime.database)
    return [(entry.actor, entry.kind, dict(entry.details)) for entry in reversed(found)]


def test_the_defaults_are_the_guides(site: Site) -> None:
    values = read_now(site.runtime, read_configuration).stored.values
    assert values.model_dump(mode="json") == {
        "enabled": True,
        "frequency": "twice_monthly",
        "encrypt_payload": True,
        "anonymize_pii": True,
        "retention_days": 30,
    }


@ON_BOTH
def test_a_save_replaces_all_values_and_is_seen_by_every_replica(site: Site) -> None:
    site.configure(frequency=Frequency.WEEKLY, encrypt_payload=False, anonymize_pii=False, retention_days=365)
    values = read_now(site.open(), read_configuration).stored.values
    assert (values.frequency, values.encrypt_payload, values.anonymize_pii, values.retention_days) == (
        Frequency.WEEKLY,
        False,
        False,
        365,
    )


def test_every_change_counts_the_version_up(site: Site) -> None:
    version = read_now(site.runtime, read_configuration).stored.version
    assert site.configure(retention_days=7).stored.version == version + 1
    assert set_api_key(site.runtime, API_KEY[::-1], ADMIN).stored.version == version + 2
    assert remove_api_key(site.runtime, ADMIN).stored.version == version + 3


@pytest.mark.parametrize("step", [-1, 1, 100])
def test_a_save_that_names_another_version_is_refused_and_not_merged(site: Site, step: int) -> None:
    stored = read_now(site.runtime, read_configuration).stored
    changed = stored.values.model_copy(update={"retention_days": 7, "enabled": False})
    with pytest.raises(StaleConfigurationError):
        save_configuration(site.runtime, changed, stored.version + step, ADMIN, "another-key-0123456789")
    assert read_now(site.runtime, read_configuration).stored == stored
    assert reveal_api_key(site.runtime, ADMIN) == API_KEY


def test_a_save_is_audited_with_what_changed_and_never_with_a_secret(site: Site) -> None:
    stored = site.configure(frequency=Frequency.DAILY, anonymize_pii=False).stored
    save_configuration(site.runtime, stored.values, stored.version, OPS, "a-secret-key-0123456789")
    assert activity(site)[:2] == [
        (
            "token:ops",
            Kind.KEY_SET,
            {"key_id": key_id("a-secret-key-0123456789"), "before": key_id(API_KEY), "locked_settings": []},
        ),
        (
            "admin",
            Kind.SETTINGS,
            {
                "changes": {"frequency": "twice_monthly -> daily", "anonymize_pii": "true -> false"},
                "settings": stored.values.model_dump(mode="json"),
                "locked_settings": [],
            },
        ),
    ]


def test_a_save_that_changes_nothing_leaves_no_entry(site: Site) -> None:
    before = activity(site)
    site.configure()
    assert activity(site) == before


def test_saving_without_a_key_keeps_the_key(site: Site) -> None:
    site.configure(retention_days=7)
    assert reveal_api_key(site.runtime, ADMIN) == API_KEY


def test_revealing_the_key_is_audited(site: Site) -> None:
    assert reveal_api_key(site.runtime, ADMIN) == API_KEY
    assert activity(site)[0] == ("admin", Kind.KEY_REVEALED, {})


def test_of_the_key_only_its_end_is_shown(site: Site) -> None:
    fact = read_now(site.runtime, read_configuration).stored.api_key
    assert fact is not None
    assert fact.hint == API_KEY[-4:]
    assert API_KEY not in repr(read_now(site.runtime, read_configuration))


def test_a_key_that_was_removed_is_gone(site: Site) -> None:
    remove_api_key(site.runtime, ADMIN)
    remove_api_key(site.runtime, ADMIN)
    assert [entry[1] for entry in activity(site)][:2] == [Kind.KEY_REMOVED, Kind.KEY_SET]
    with pytest.raises(NotConfiguredError):
        reveal_api_key(site.runtime, ADMIN)


@ON_BOTH
def test_an_encryption_key_is_rotated_without_entering_the_api_key_again(site: Site) -> None:
    def with_keys(*keys: bytes) -> Replica:
        return Replica(
            site.replica.database_url, site.replica.base_url, site.replica.ca_file, encryption_keys=tuple(keys)
        )

    both = site.open(replica=with_keys(NEWER_KEY, ENCRYPTION_KEY))
    assert reveal_api_key(both, ADMIN) == API_KEY
    with pytest.raises(KeyUnusableError):
        reveal_api_key(site.open(replica=with_keys(NEWER_KEY)), ADMIN)
    set_api_key(both, API_KEY, ADMIN)
    assert reveal_api_key(site.open(replica=with_keys(NEWER_KEY)), ADMIN) == API_KEY


@pytest.mark.parametrize(("encrypt", "media_type"), [(True, "application/jose"), (False, "application/json")])
def test_the_encryption_setting_takes_effect_with_the_next_attempt(site: Site, encrypt: bool, media_type: str) -> None:  # noqa: FBT001
    site.configure(encrypt_payload=encrypt)
    send_now(site.runtime, ADMIN, None)
    (request,) = site.server.server.requests
    assert request.headers["content-type"] == media_type
    assert (CUSTOMER.encode() in request.body) is False


def test_without_anonymization_the_customer_id_leaves_and_with_it_only_its_pseudonym(site: Site) -> None:
    send_now(site.runtime, ADMIN, None)
    site.configure(anonymize_pii=False)
    send_now(site.runtime, ADMIN, None)
    pseudonym, clear = (payload.customer_id for payload in site.server.payloads())
    assert pseudonym.startswith("anon_")
    assert clear == CUSTOMER


def test_while_the_deployment_locks_the_switch_off_the_administrators_own_stays_as_it_was(site: Site) -> None:
    locked = site.open(replica=replace(site.replica, enabled=False))
    view = read_now(locked, read_configuration)
    assert (view.enabled, view.locked) == (False, (Setting.ENABLED,))
    with pytest.raises(SettingLockedError):
        save_configuration(locked, view.stored.values, view.stored.version, ADMIN)
    off = view.stored.values.model_copy(update={"enabled": False, "frequency": Frequency.DAILY})
    saved = save_configuration(locked, off, view.stored.version, ADMIN)
    assert (saved.enabled, saved.stored.values.frequency) == (False, Frequency.DAILY)
    assert read_now(site.open(), read_configuration).enabled is True
