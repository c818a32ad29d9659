"""What stands in deploy/ is what the service takes: an unknown variable would stop the start."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from telemetry_service.log.options import LogLevel
from telemetry_service.pipeline.heartbeat import HeartbeatLimits
from telemetry_service.settings import KNOWN_VARIABLES, load_settings
from telemetry_service.web.http.server import STOP_SECONDS
from tests.settings.keys import VALID

_VARIABLE = re.compile(r"\b(?:TELEMETRY_[A-Z_]+[A-Z]|(?:CREDENTIAL_)?ENCRYPTION_KEY(?:_FILE)?|DEMO_MODE)\b")
_SERVER = re.compile(r"postgresql://[^\s`'\"|)]*@[^\s`'\"|)]*")
"""A URL that names a server."""

_FORWARDED_FOR = "proxy_set_header X-Forwarded-For"
_PAGES = {".md", ".conf"}
_TEXTS = {".md", ".yaml", ".service"}
_NOT_SETTINGS = {"TELEMETRY_TEST_DATABASE_URL", "TELEMETRY_PORT"}
"""Named in the texts as examples of what is no setting."""


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "compose.yaml",
        "compose.postgresql.yaml",
        "env.example",
        "kubernetes.yaml",
        "control-core-telemetry.service",
    ],
)
def test_a_deployment_file_names_only_variables_that_the_service_takes(pytestconfig: pytest.Config, name: str) -> None:
    named = set(_VARIABLE.findall(_deploy(pytestconfig).joinpath(name).read_text()))
    assert named, "the file configures nothing"
    assert named - _NOT_SETTINGS <= KNOWN_VARIABLES


def test_every_variable_is_explained_to_the_deployer(pytestconfig: pytest.Config) -> None:
    explained = set(_VARIABLE.findall(_deploy(pytestconfig).joinpath("README.md").read_text()))
    secrets_from_files = {name for name in KNOWN_VARIABLES if name.removesuffix("_FILE") in KNOWN_VARIABLES - {name}}
    assert explained >= KNOWN_VARIABLES - secrets_from_files


def test_the_unit_trusts_the_proxy_on_its_host_and_the_manifest_for_any_cluster_trusts_none(
    pytestconfig: pytest.Config,
) -> None:
    """A cluster's addresses are not known here, so a network would hold people, too (A1). For Compose: test_compose."""
    unit = _deploy(pytestconfig).joinpath("control-core-telemetry.service").read_text()
    assert re.findall(r"TELEMETRY_TRUSTED_PROXIES=(.*)", unit) == ["127.0.0.1,::1"]
    manifest = _deploy(pytestconfig).joinpath("kubernetes.yaml").read_text()
    assert re.findall(r"TELEMETRY_TRUSTED_PROXIES, value: (.*)}", manifest) == ['""']


def test_a1_no_shipped_file_and_no_page_lets_nginx_append_to_what_a_browser_says_of_its_address(
    pytestconfig: pytest.Config,
) -> None:
    root = pytestconfig.rootpath
    texts = [path for folder in ("docs", "deploy") for path in (root / folder).rglob("*.*") if path.suffix in _PAGES]
    lines = [line for path in texts for line in path.read_text().splitlines() if _FORWARDED_FOR in line]
    assert len(lines) >= 4
    assert {line.strip() for line in lines} == {f"{_FORWARDED_FOR} $remote_addr;"}


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml", "control-core-telemetry.service"])
def test_every_deployment_file_has_a_place_for_the_public_url(pytestconfig: pytest.Config, name: str) -> None:
    assert "TELEMETRY_PUBLIC_URL" in _deploy(pytestconfig).joinpath(name).read_text()


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml", "control-core-telemetry.service"])
def test_every_deployment_file_says_what_is_logged(pytestconfig: pytest.Config, name: str) -> None:
    text = _deploy(pytestconfig).joinpath(name).read_text()
    levels = re.findall(r"TELEMETRY_LOG_LEVEL(?:=|, value: |: \$\{TELEMETRY_LOG_LEVEL:-)([a-z]+)", text)
    assert [load_settings(VALID | {"TELEMETRY_LOG_LEVEL": level}).log_level for level in levels] == [LogLevel.INFO]


def test_the_container_listens_on_both_families(pytestconfig: pytest.Config) -> None:
    assert '"--host", "::"' in (pytestconfig.rootpath / "Dockerfile").read_text()


@pytest.mark.parametrize("file", ["README.md", "docs", "deploy"])
def test_every_example_of_a_database_on_a_server_asks_for_encryption_and_verifies(
    pytestconfig: pytest.Config, file: str
) -> None:
    place = pytestconfig.rootpath / file
    texts = [
        path.read_text()
        for path in ([place] if place.is_file() else sorted(place.rglob("*.*")))
        if path.suffix in _TEXTS
    ]
    examples = [example for text in texts for example in _SERVER.findall(text)]
    assert examples
    assert [example for example in examples if "sslmode=verify-full" not in example] == []


def test_the_database_of_compose_speaks_tls_with_the_certificate_that_the_service_trusts(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """The commands of the page make the certificate, and it is one for the name by which the service connects."""
    compose = _deploy(pytestconfig).joinpath("compose.postgresql.yaml").read_text()
    assert "ssl=on" in compose
    assert "ssl_cert_file=/run/secrets/database_certificate" in compose
    text = _deploy(pytestconfig).joinpath("README.md").read_text()
    (command,) = re.findall(r"^openssl req (?:.*\\\n)*.*$", text, re.MULTILINE)
    (tmp_path / "secrets").mkdir()
    subprocess.run(["/bin/sh", "-ec", command], cwd=tmp_path, check=True, capture_output=True)
    made = x509.load_pem_x509_certificate((tmp_path / "secrets" / "database_certificate").read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["database"]
    assert "@database:5432/telemetry?sslmode=verify-full&sslrootcert=/run/secrets/database_certificate" in text


def test_the_commands_for_systemd_make_all_that_the_unit_loads_so_that_somebody_can_log_in(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """So nobody ends with a service that runs and lets nobody in (O6)."""
    unit = _deploy(pytestconfig).joinpath("control-core-telemetry.service").read_text()
    loaded = dict(re.findall(r"^LoadCredential=(\w+):/etc/telemetry/(\w+)$", unit, re.MULTILINE))
    text = _deploy(pytestconfig).joinpath("README.md").read_text()
    (commands,) = re.findall(r"^\(umask 077; /opt/telemetry(?:.*\n)*?.*\)(?=   #)", text, re.MULTILINE)
    program = Path(sys.executable).with_name("telemetry-service")
    script = commands.replace("/opt/telemetry/bin/telemetry-service", str(program)).replace("/etc/telemetry", ".")
    subprocess.run(["/bin/sh", "-ec", script], cwd=tmp_path, check=True)
    assert {path.name for path in tmp_path.iterdir()} == set(loaded.values())
    named = dict(re.findall(r"^Environment=(\w+_FILE)=%d/(\w+)$", unit, re.MULTILINE))
    settings = load_settings({name: str(tmp_path / loaded[credential]) for name, credential in named.items()})
    assert not settings.ephemeral_keys
    assert settings.admin_password is not None


def _deploy(config: pytest.Config) -> Path:
    return config.rootpath / "deploy"


def test_systemd_waits_until_the_service_is_ready_and_restarts_one_that_no_longer_wakes(
    pytestconfig: pytest.Config,
) -> None:
    """So neither a reload nor a clock that is not set yet ends it (O7, O12)."""
    file = _deploy(pytestconfig) / "control-core-telemetry.service"
    found = dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE))
    assert (found["Type"], found["Restart"]) == ("notify", "always")
    assert found["ExecReload"] == "/bin/sh -c 'kill -HUP \"$MAINPID\"'", "which a system without procps has, too"
    assert "time-sync.target" in found["After"].split()
    assert int(found["WatchdogSec"]) > 2 * HeartbeatLimits().stale_after
    assert int(found["TimeoutStopSec"]) > STOP_SECONDS + 3
    if verifier := shutil.which("systemd-analyze"):
        verified = subprocess.run([verifier, "verify", str(file)], capture_output=True, text=True, check=False)
        ours = [line for line in verified.stderr.splitlines() if "control-core-telemetry" in line]
        assert [line for line in ours if "is not executable" not in line] == [], "the program is not installed here"
        exposed = [verifier, "security", "--offline=true", "--threshold=20", "--no-pager", str(file)]
        assert subprocess.run(exposed, capture_output=True, check=False).returncode == 0, "at most 2.0 of 10"
