"""What stands in deploy/ is what the service takes: an unknown variable would stop the start."""

import re
from pathlib import Path

import pytest

from telemetry_service.settings import KNOWN_VARIABLES, load_settings
from tests.settings.keys import VALID

_VARIABLE = re.compile(r"\b(?:TELEMETRY_[A-Z_]+[A-Z]|(?:CREDENTIAL_)?ENCRYPTION_KEY(?:_FILE)?|DEMO_MODE)\b")
_NOT_SETTINGS = {"TELEMETRY_TEST_DATABASE_URL", "TELEMETRY_PORT"}
"""Named in the texts as examples of what is no setting."""


@pytest.mark.parametrize("name", ["README.md", "compose.yaml", "kubernetes.yaml", "control-core-telemetry.service"])
def test_a_deployment_file_names_only_variables_that_the_service_takes(pytestconfig: pytest.Config, name: str) -> None:
    named = set(_VARIABLE.findall(_deploy(pytestconfig).joinpath(name).read_text()))
    assert named, "the file configures nothing"
    assert named - _NOT_SETTINGS <= KNOWN_VARIABLES


def test_every_variable_is_explained_to_the_deployer(pytestconfig: pytest.Config) -> None:
    explained = set(_VARIABLE.findall(_deploy(pytestconfig).joinpath("README.md").read_text()))
    secrets_from_files = {name for name in KNOWN_VARIABLES if name.removesuffix("_FILE") in KNOWN_VARIABLES - {name}}
    assert explained >= KNOWN_VARIABLES - secrets_from_files


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml", "control-core-telemetry.service"])
def test_every_deployment_file_names_the_proxies_that_are_trusted(pytestconfig: pytest.Config, name: str) -> None:
    text = _deploy(pytestconfig).joinpath(name).read_text()
    named = re.search(r"TELEMETRY_TRUSTED_PROXIES(?:=|[^0-9]*)([0-9a-f.:/,]+)", text)
    assert named is not None
    assert load_settings(VALID | {"TELEMETRY_TRUSTED_PROXIES": named[1]}).trusted_proxies


def test_the_container_listens_on_both_families(pytestconfig: pytest.Config) -> None:
    assert '"--host", "::"' in (pytestconfig.rootpath / "Dockerfile").read_text()


def _deploy(config: pytest.Config) -> Path:
    return config.rootpath / "deploy"
