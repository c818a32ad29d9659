"""A start with other settings of the deployment is one entry; one with the same settings is none."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from telemetry_service.domain.configuration import Delivery, Deployment
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.public_url import public_url_of
from telemetry_service.domain.release import Release, ReleasePolicy
from telemetry_service.pipeline.actions.start import start
from telemetry_service.pipeline.queries.activity import Activity
from tests.support.databases import ON_BOTH
from tests.support.each import each
from tests.support.ledger import entries
from tests.support.license_server import CUSTOMER
from tests.support.site import Site

OTHERS: dict[str, dict[str, Any]] = {
    "version": {"version": "9.9.9"},
    "lock": {"enabled": False},
    "customer": {"customer_id": "cus_SomebodyElse"},
    "proxy": {"proxy": True},
    "trusted proxies": {"trusted_proxies": ("10.0.0.0/8",)},
    "public URL": {"public_url": public_url_of("https://console.acme.example/telemetry")},
    "frames": {"frame_ancestors": ("https://portal.acme.example",)},
    "spread": {"send_spread": timedelta(seconds=7)},
    "bouncers": {"max_bouncers": 7},
    "codes": {"extension_code_pattern": "EXT-[0-9]+"},
    "demo": {"demo_mode": True},
    "release": {"release": ReleasePolicy(release=Release.MANUAL)},
    "notice": {"release": ReleasePolicy(notice=timedelta(hours=1))},
    "approval": {"release": ReleasePolicy(approve_fields=True)},
    "receipts": {"require_receipt": True},
    "bootstrap token": {"bootstrap_token": True},
    "delivery": {"delivery": Delivery.BUNDLE},
}


def deployments(site: Site) -> list[Activity]:
    return [entry for entry in entries(site.runtime.database) if entry.kind is Kind.DEPLOYMENT]


@ON_BOTH
@each("setting", OTHERS)
def test_a_start_with_another_setting_is_one_entry_and_the_next_is_none(site: Site, setting: str) -> None:
    before = len(deployments(site))
    other = replace(site.runtime, deployment=replace(site.runtime.deployment, **OTHERS[setting]))
    start(other)
    start(other)
    added = deployments(site)[before:]
    assert [(entry.actor, entry.source) for entry in added] == [("deployment", None)]
    start(site.runtime)
    assert len(deployments(site)) == before + 2


def test_every_setting_of_the_deployment_is_in_the_entry(site: Site) -> None:
    said = {name.removesuffix("_seconds") for name in deployments(site)[-1].details}
    settings = {field.name for field in (*fields(Deployment), *fields(ReleasePolicy))}
    assert settings - said == {"customer_id"}
    assert said - settings == {"service_version", "schema_sha256", "destination", "pinned_keys", "customer"}


def test_a_pinned_key_is_another_destination_and_shows_in_the_list_of_keys(site: Site) -> None:
    first = deployments(site)[-1]
    site.open(replica=replace(site.replica, public_key=site.server.public_key))
    last = deployments(site)[-1]
    assert first.details["destination"] != last.details["destination"]
    assert (first.details["pinned_keys"], len(last.details["pinned_keys"])) == ([], 1)


def test_no_entry_names_the_license_server_the_customer_or_a_host(site: Site) -> None:
    named = replace(site.runtime.deployment, **OTHERS["public URL"], **OTHERS["frames"])
    start(replace(site.runtime, deployment=named))
    for entry in deployments(site):
        assert "acme" not in repr(entry)
        assert site.server.server.url not in repr(entry)
        assert CUSTOMER not in repr(entry)
