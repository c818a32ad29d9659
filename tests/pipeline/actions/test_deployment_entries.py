"""A start with other settings of the deployment is one entry; one with the same settings is none."""

from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.configuration import ConfigurationPatch, Delivery, Deployment
from telemetry_service.domain.configured import Configured
from telemetry_service.domain.deployed import described
from telemetry_service.domain.issuers import DEFAULT_HEADER, DEFAULT_SCOPES, Doors, Gateway, Provider, RoleMapping
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.public_url import public_url_of
from telemetry_service.domain.release import Release, ReleasePolicy
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.queries.activity import Activity
from telemetry_service.service import Options, make_runtime
from telemetry_service.settings import Settings
from telemetry_service.storage.revisions import revisions
from tests.support.databases import ON_BOTH
from tests.support.each import each
from tests.support.ledger import entries
from tests.support.license_server import API_KEY, CUSTOMER
from tests.support.site import Site

ADMINS = frozenset({"the-admins", "another-group", "its-admins"})
ROLES = RoleMapping("roles", ADMINS, frozenset())
PROVIDER = Provider("https://login.acme.example", "telemetry", SecretStr("s3cret"), DEFAULT_SCOPES, ROLES)
GATEWAY = Gateway(DEFAULT_HEADER, "/etc/jwks.json", "https://console.acme.example", "telemetry", ROLES)
PUBLIC_KEY = to_base64url(bytes(Ed25519PrivateKey.generate().public_key().public_bytes_raw())).decode()

OTHERS: dict[str, dict[str, Any]] = {
    "deployment_version": {"": "9.9.9"},
    "telemetry_enabled": {"": False},
    "customer_id": {"": "cus_SomebodyElse"},
    "license_server_url": {"none": None, "another": SecretStr("https://elsewhere.example")},
    "license_server_ca_file": {"": None},
    "license_server_public_key": {"": PUBLIC_KEY},
    "proxy_url": {"": SecretStr("http://proxy.acme.example:3128")},
    "trusted_proxies": {"": ("10.0.0.0/8",)},
    "public_url": {"": public_url_of("https://console.acme.example/telemetry")},
    "console_url": {"": public_url_of("https://console.acme.example")},
    "frame_ancestors": {"": ("https://portal.acme.example",)},
    "hsts_subdomains": {"": True},
    "send_spread": {"": timedelta(seconds=7)},
    "max_bouncers": {"": 7},
    "extension_code_pattern": {"": "EXT-[0-9]+"},
    "demo_mode": {"": True},
    "ephemeral_keys": {"": True},
    "release": {
        "manual": ReleasePolicy(release=Release.MANUAL),
        "notice": ReleasePolicy(notice=timedelta(hours=1)),
        "approval": ReleasePolicy(approve_fields=True),
    },
    "require_receipt": {"": True},
    "bootstrap_token": {"": SecretStr("a token")},
    "delivery": {"": Delivery.BUNDLE},
    "ledger_fingerprint": {"": "7" * 64},
    "ledger_retention": {"": timedelta(days=400)},
    "doors": {
        "no local login": Doors(local_login=False),
        "provider": Doors(provider=PROVIDER),
        "other administrators": Doors(provider=replace(PROVIDER, roles=RoleMapping("roles", frozenset(), ADMINS))),
        "gateway": Doors(gateway=GATEWAY),
        "another proxy": Doors(provider=PROVIDER, proxy_url=SecretStr("http://elsewhere.example:3128")),
        "tokens that last longer": Doors(gateway=replace(GATEWAY, lifetime=timedelta(hours=2))),
        "a proxy": Doors(provider=PROVIDER, proxy_url=SecretStr("http://proxy.acme.example:3128")),
    },
    "configured": {
        "frequency": Configured(ConfigurationPatch(frequency=Frequency.TWICE_MONTHLY)),
        "retention": Configured(ConfigurationPatch(retention_days=30)),
        "API key": Configured(api_key=SecretStr(API_KEY)),
    },
}
"""Settings with other values, by name. What is saved like this already is only locked; see ``test_configured.py``."""

NO_ENTRY = {
    "encryption_keys": "a new key is an entry of what was sealed under it (`rotate-keys`)",
    "credential_encryption_keys": "protects sessions and tokens, and decides nothing",
    "database_url": "another database has another ledger",
    "source_database_url": "the service does not read it, and the command that does has an entry of its own",
    "admin_password": "counts at the first start only, which is an entry of its own",
    "ledger_head_file": "a file that is only read to notice a restored backup",
    "metrics_address": "where metrics are read, which name no one",
    "metrics_port": "where metrics are read, which name no one",
    "log_format": "how the log looks",
    "log_level": "how much the log says",
}
"""Settings that a start does not note, and why."""


def deployments(site: Site) -> list[Activity]:
    return [entry for entry in entries(site.runtime.database) if entry.kind is Kind.DEPLOYMENT]


def start_with(site: Site, **changes: Any) -> None:  # noqa: ANN401 - settings of any kind
    """Start as a deployment with these settings does."""
    runtime = make_runtime(replace(site.replica.settings(), **changes), Options(clock=site.clock))
    start(runtime)
    runtime.database.close()


def test_every_setting_is_walked_or_has_a_reason_not_to_be() -> None:
    assert set(OTHERS) | set(NO_ENTRY) == {field.name for field in fields(Settings)}
    assert not set(OTHERS) & set(NO_ENTRY)


@ON_BOTH
@each("setting", OTHERS)
def test_a_start_with_another_setting_is_one_entry_and_the_next_is_none(site: Site, setting: str) -> None:
    for name, value in OTHERS[setting].items():
        before = len(entries(site.runtime.database))
        start_with(site, **{setting: value})
        start_with(site, **{setting: value})
        added = entries(site.runtime.database)[before:]
        noted = [(entry.kind, entry.actor, entry.source) for entry in added]
        assert noted == [(Kind.DEPLOYMENT, "deployment", None)], name
        start_with(site)
        assert len(entries(site.runtime.database)) == before + 2, name


def test_every_setting_of_the_deployment_is_in_the_entry(site: Site) -> None:
    said = {name.removesuffix("_seconds") for name in deployments(site)[-1].details}
    settings = {field.name for field in (*fields(Deployment), *fields(ReleasePolicy))}
    assert settings - said == {"customer_id"}
    added = {
        "service_version",
        "database_revision",
        "schema_sha256",
        "destination",
        "pinned_keys",
        "customer",
        "local_login",
    }
    assert said - settings == added


def test_a_migration_is_in_the_entry_of_the_start_after_it(site: Site) -> None:
    assert deployments(site)[-1].details["database_revision"] == revisions()[-1]


def test_a_pinned_key_is_another_destination_and_shows_in_the_list_of_keys(site: Site) -> None:
    first = deployments(site)[-1]
    site.open(replica=replace(site.replica, public_key=site.server.public_key))
    last = deployments(site)[-1]
    assert first.details["destination"] != last.details["destination"]
    assert (first.details["pinned_keys"], len(last.details["pinned_keys"])) == ([], 1)


def test_no_entry_names_the_license_server_the_customer_a_host_or_an_issuer(site: Site) -> None:
    doors = Doors(provider=PROVIDER, gateway=GATEWAY)
    start_with(
        site,
        doors=doors,
        **{name: OTHERS[name][""] for name in ("public_url", "console_url", "frame_ancestors", "proxy_url")},
    )
    for entry in deployments(site):
        assert "acme" not in repr(entry)
        assert site.server.server.url not in repr(entry)
        assert CUSTOMER not in repr(entry)


def test_who_may_log_in_is_the_same_text_in_every_process_and_no_secret() -> None:
    """Each process orders the members of a set in its own way."""
    text = described(Doors(provider=PROVIDER, gateway=GATEWAY, ca_file=Path("/etc/ca.pem")))
    assert "s3cret" not in text
    assert text.index('"another-group"') < text.index('"its-admins"') < text.index('"the-admins"')
