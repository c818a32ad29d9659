"""The Compose files as Compose reads them with .env: the service takes them, and nothing has to be repeated."""

import json
import os
import re
import shutil
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import yaml

from telemetry_service.domain.addresses import may_hold_people
from telemetry_service.settings import KNOWN_VARIABLES, load_settings
from telemetry_service.web.http.addresses import TrustedProxies
from tests.settings.keys import VALID
from tests.support.programs import needs

_COMPOSE = Path(sys.executable).with_name("docker-compose")
_NEEDS_COMPOSE = needs(_COMPOSE.exists(), "Docker Compose is not installed for this platform")
_DEPLOY = Path(__file__).parents[2] / "deploy"
_FILES = ("compose.yaml", "compose.postgresql.yaml")
_NAMED = re.compile(r"\$\{(\w+)")
_INNERMOST = re.compile(r"\$\{(\w+)(?::-([^${}]*))?\}")
_PEOPLE = ("192.168.1.50", "172.16.0.9", "172.17.0.2", "10.0.0.5", "10.213.86.1", "10.213.88.1", "fd00::5")
"""Addresses of a customer's network, or of a container that is no proxy."""


class _Loader(yaml.SafeLoader):
    """Reads Compose's own tag, which empties a list of the file before."""


def _sequence(loader: yaml.SafeLoader, node: yaml.Node) -> list[Any]:
    assert isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node)


_Loader.add_constructor("!reset", _sequence)


def example() -> dict[str, str]:
    """Return the variables of env.example."""
    lines = (_DEPLOY / "env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def loaded(name: str, variables: dict[str, str]) -> dict[str, Any]:
    """Return a file with its variables replaced, as Compose does it."""
    text = (_DEPLOY / name).read_text()
    while _INNERMOST.search(text):
        text = _INNERMOST.sub(lambda found: variables.get(found[1]) or found[2] or "", text)
    document: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a safe loader with one more tag
    return document


def test_every_variable_of_the_files_stands_in_the_example_and_the_other_way_round() -> None:
    named = {found[1] for name in _FILES for found in _NAMED.finditer((_DEPLOY / name).read_text())}
    optional = {"CADDY_IMAGE", "POSTGRESQL_IMAGE"}
    assert named - optional == set(example())


def test_the_service_takes_what_compose_passes_to_it() -> None:
    given = example() | {
        "TELEMETRY_PUBLIC_URL": "https://console.example/telemetry",
        "TELEMETRY_LICENSE_SERVER_URL": "https://license.example",
        "TELEMETRY_CUSTOMER_ID": "cus_Nq4Rz7WkX2",
        "TELEMETRY_PROXY_URL": "http://proxy.example:3128",
    }
    for variables in (example(), given):
        for name in _FILES:
            environment = loaded(name, variables)["services"]["telemetry"]["environment"]
            assert set(environment) <= KNOWN_VARIABLES
            plain = {
                variable: value or "" for variable, value in environment.items() if "/run/secrets/" not in (value or "")
            }
            trusted = load_settings(VALID | plain).trusted_proxies
            assert trusted
            assert not any(
                may_hold_people(network) or one in TrustedProxies([network]) for network in trusted for one in _PEOPLE
            )
    passed_on = loaded("compose.yaml", given)["services"]["telemetry"]["environment"]
    settings = {variable: value for variable, value in given.items() if value and variable in KNOWN_VARIABLES}
    assert settings.items() <= passed_on.items()


def test_every_secret_is_a_file_that_the_page_makes() -> None:
    page = (_DEPLOY / "README.md").read_text()
    for name in _FILES:
        document = loaded(name, example())
        declared = document["secrets"]
        for secret, where in declared.items():
            assert where["file"] == f"./secrets/{secret}"
            assert f"secrets/{secret}" in page, secret
    used = {
        secret
        for name in _FILES
        for service in loaded(name, example())["services"].values()
        for secret in service.get("secrets", [])
    }
    assert used == {secret for name in _FILES for secret in loaded(name, example())["secrets"]}


def test_nothing_listens_beyond_this_host_and_the_service_has_no_rights() -> None:
    alone, more = (loaded(name, example())["services"] for name in _FILES)
    assert alone["telemetry"]["ports"] == ["127.0.0.1:8080:8080"]
    assert more["telemetry"]["ports"] == []
    assert more["proxy"]["ports"] == ["127.0.0.1:8080:8080"]
    assert "ports" not in more["database"]
    assert (alone["telemetry"]["read_only"], alone["telemetry"]["cap_drop"]) == (True, ["ALL"])
    assert more["telemetry"]["deploy"]["replicas"] == 2


@_NEEDS_COMPOSE
def test_compose_itself_takes_the_files_with_the_example_and_reads_what_they_say(tmp_path: Path) -> None:
    for name in (*_FILES, "Caddyfile"):
        shutil.copy(_DEPLOY / name, tmp_path)
    shutil.copy(_DEPLOY / "env.example", tmp_path / ".env")
    alone, both = (configured(tmp_path, *_FILES[:number]) for number in (1, 2))
    assert set(alone["services"]) == {"telemetry"}
    assert set(both["services"]) == {"telemetry", "proxy", "database"}
    service = both["services"]["telemetry"]
    assert "ports" not in service
    assert (service["read_only"], service["stop_grace_period"]) == (True, "40s")
    assert {one["source"] for one in service["secrets"]} == set(
        loaded(_FILES[1], example())["services"]["telemetry"]["secrets"]
    )
    assert service["environment"]["TELEMETRY_LOG_LEVEL"] == "info"
    assert_only_proxies_are_trusted(alone, both)


@_NEEDS_COMPOSE
def test_every_setting_in_the_example_or_beside_it_reaches_the_service(tmp_path: Path) -> None:
    for name in (*_FILES, "Caddyfile"):
        shutil.copy(_DEPLOY / name, tmp_path)
    by_files = {name.removesuffix("_FILE") for name in configured_names() if name.endswith("_FILE")}
    set_in_env = {name: f"of-{name}" for name in sorted(KNOWN_VARIABLES) if not name.endswith("_FILE")}
    lines = [f"{name}={value}\n" for name, value in (example() | set_in_env).items() if name not in by_files]
    (tmp_path / ".env").write_text("".join(lines))
    for files in (_FILES[:1], _FILES):
        passed = configured(tmp_path, *files)["services"]["telemetry"]["environment"]
        missing = {name for name, value in set_in_env.items() if passed.get(name) != value}
        assert missing - by_files == set()


def configured_names() -> set[str]:
    """Return the variables that the files set for the service themselves."""
    return {name for file in _FILES for name in loaded(file, example())["services"]["telemetry"]["environment"]}


def assert_only_proxies_are_trusted(alone: dict[str, Any], both: dict[str, Any]) -> None:
    """Assert that one address each is trusted: of the gateway, and of Caddy in the networks of the service (A1)."""
    outside, inside = (both["networks"][name]["ipam"]["config"][0] for name in ("outside", "inside"))
    gateway = alone["networks"]["outside"]["ipam"]["config"][0]["gateway"]
    caddy = [network["ipv4_address"] for network in both["services"]["proxy"]["networks"].values()]
    trusted = [one["services"]["telemetry"]["environment"]["TELEMETRY_TRUSTED_PROXIES"] for one in (alone, both)]
    assert trusted[0] == gateway == outside["gateway"]
    assert set(trusted[1].split(",")) == {gateway, *caddy}
    assert both["services"]["proxy"]["environment"]["TRUSTED"] == gateway
    for network in (outside, inside):  # Docker gives no container an address outside of this range.
        assert IPv4Network(network["ip_range"]).subnet_of(IPv4Network(network["subnet"]))
        assert not any(IPv4Address(one) in IPv4Network(network["ip_range"]) for one in trusted[1].split(","))


def configured(folder: Path, *files: str) -> dict[str, Any]:
    """Return the files as Compose puts them together."""
    named = [argument for file in files for argument in ("-f", file)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(
        [str(_COMPOSE), *named, "config", "--format", "json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document
