"""The Helm chart: what it renders is valid for Kubernetes and for the service, what cannot work is refused (M7)."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from telemetry_service.settings import KNOWN_VARIABLES, load_settings
from tests.settings.keys import VALID
from tests.support.each import each

_HELM = Path(sys.executable).with_name("helm")
_KUBERNETES = "1.27"
_CHART = Path(__file__).parents[2] / "deploy" / "helm"

pytestmark = pytest.mark.skipif(not _HELM.exists(), reason="there is no helm program for this platform")

Document = dict[str, Any]

EVERYTHING = (
    "replicas=3",
    "publicUrl=https://console.example/telemetry",
    "customerId=cus_Nq4Rz7WkX2",
    "licenseServerCa.configMap=vendor-ca",
    "secretFiles.licenseServerUrl=true",
    "secretFiles.proxyUrl=true",
    "secretFiles.apiKey=true",
    "secretFiles.adminPassword=true",
    "secretFiles.bootstrapToken=true",
    "settings.TELEMETRY_RELEASE=manual",
    "ingress.enabled=true",
    "trustedProxies=10.0.0.7\\,10.0.0.8",
    "ingress.className=nginx",
    "ingress.host=console.example",
    "ingress.tlsSecret=console-tls",
    "metrics.serviceMonitor.enabled=true",
    "networkPolicy.from[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=ingress",
    "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=monitoring",
    f"image.digest=sha256:{'0' * 64}",
)
SQLITE = ("replicas=1", "database.kind=sqlite")
EXISTING_VOLUME = (*SQLITE, "database.volume.existingClaim=counted")


def helm(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run([_HELM, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def validate(document: Document) -> None:
    """Fail if Kubernetes would refuse it."""
    import kubernetes_validate  # noqa: PLC0415 - it reads grammars for a second: not in every worker

    kubernetes_validate.validate(document, _KUBERNETES, strict=True)


def rendered(*values: str) -> dict[str, Document]:
    """Return the objects by kind; a deployment of this chart has one of each."""
    code, output, said = helm("template", "telemetry", str(_CHART), *(f"--set={value}" for value in values))
    assert code == 0, said
    documents = [document for document in yaml.safe_load_all(output) if document]
    assert len({document["kind"] for document in documents}) == len(documents)
    return {document["kind"]: document for document in documents}


def container(objects: dict[str, Document]) -> Document:
    (found,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    made: Document = found
    return made


def environment(objects: dict[str, Document]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(objects)["env"]}


def test_the_linter_of_helm_finds_nothing() -> None:
    for values in ((), EVERYTHING, SQLITE):
        code, output, said = helm("lint", "--strict", str(_CHART), *(f"--set={value}" for value in values))
        assert code == 0, output + said


def test_every_object_fits_the_schemas_of_kubernetes() -> None:
    kinds = set()
    for values in ((), EVERYTHING, SQLITE, EXISTING_VOLUME):
        for kind, document in rendered(*values).items():
            kinds.add(kind)
            if kind != "ServiceMonitor":  # Of Prometheus's operator, whose schema Kubernetes does not have.
                validate(document)
    assert kinds == {
        "Deployment",
        "Service",
        "Ingress",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PersistentVolumeClaim",
        "ServiceMonitor",
    }


def test_the_service_takes_every_variable_that_a_deployment_sets() -> None:
    for values in ((), EVERYTHING, SQLITE):
        named = environment(rendered(*values))
        assert set(named) <= KNOWN_VARIABLES
        plain = {name: value for name, value in named.items() if not name.endswith("_FILE")}
        settings = load_settings(VALID | plain)
        assert settings.metrics_port == 9464
        assert settings.trusted_proxies == (("10.0.0.7/32", "10.0.0.8/32") if values is EVERYTHING else ())
    everything = environment(rendered(*EVERYTHING))
    assert everything["TELEMETRY_RELEASE"] == "manual"
    for name in ("LICENSE_SERVER_URL", "PROXY_URL", "ADMIN_PASSWORD", "BOOTSTRAP_TOKEN", "DATABASE_URL"):
        assert everything[f"TELEMETRY_{name}_FILE"].startswith("/etc/telemetry/"), name


def test_a_pod_runs_without_rights_without_a_token_and_stops_without_a_refused_call() -> None:
    for values in ((), EVERYTHING, SQLITE):
        objects = rendered(*values)
        pod, ours = objects["Deployment"]["spec"]["template"]["spec"], container(objects)
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert ours["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert ours["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
        # The pause, and the 40 seconds that a stop may take.
        assert pod["terminationGracePeriodSeconds"] >= 45
        assert (ours["livenessProbe"]["httpGet"]["path"], ours["readinessProbe"]["httpGet"]["path"]) == (
            "/healthz",
            "/readyz",
        )


def test_sqlite_has_a_volume_that_outlives_the_release_and_postgresql_has_none() -> None:
    sqlite = rendered(*SQLITE)
    assert sqlite["PersistentVolumeClaim"]["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert sqlite["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    assert "TELEMETRY_DATABASE_URL_FILE" not in environment(sqlite)
    assert "PodDisruptionBudget" not in sqlite
    existing = rendered(*EXISTING_VOLUME)
    assert "PersistentVolumeClaim" not in existing
    volumes = existing["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert {"claimName": "counted"} in [volume.get("persistentVolumeClaim") for volume in volumes]
    postgresql = rendered()
    assert "PersistentVolumeClaim" not in postgresql
    assert postgresql["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_network_policy_opens_the_metrics_to_those_who_are_named_and_the_way_out_to_a_few_ports() -> None:
    closed = rendered()["NetworkPolicy"]["spec"]
    assert [rule["ports"] for rule in closed["ingress"]] == [[{"port": "http"}]]
    opened = rendered(*EVERYTHING)["NetworkPolicy"]["spec"]
    assert [rule["ports"] for rule in opened["ingress"]] == [[{"port": "http"}], [{"port": "metrics"}]]
    ports = {port["port"] for rule in opened["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 5432}


@each(
    ("values", "named"),
    [
        (("database.kind=sqlite",), "SQLite serves one replica. Set replicas: 1, or database.kind: postgresql."),
        (("database.kind=mysql",), "database.kind"),
        (("ingress.enabled=true",), "An ingress needs trustedProxies"),
        (("metrics.serviceMonitor.enabled=true",), "A ServiceMonitor needs networkPolicy.metricsFrom"),
        (("metrics.serviceMonitor.enabled=true", "metrics.enabled=false"), "A ServiceMonitor needs metrics.enabled"),
        (("replica=2",), "replica"),
        (("replicas=0",), "replicas"),
        (("publicUrl=console.example",), "publicUrl"),
        (("customerId=12",), "customerId"),
        (("image.digest=latest",), "image.digest"),
        (("settings.ENCRYPTION_KEY=abc",), "ENCRYPTION_KEY"),
        (("metrics.port=70000",), "metrics.port"),
        (("logLevel=loud",), "logLevel"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(values: tuple[str, ...], named: str) -> None:
    code, _, said = helm("template", "telemetry", str(_CHART), *(f"--set={value}" for value in values))
    assert code != 0
    assert named in said


def test_no_value_holds_a_secret() -> None:
    text = (_CHART / "values.yaml").read_text().lower()
    assert "password:" not in text.replace("adminpassword: false", "")
    assert not any("kind: Secret" in path.read_text() for path in (_CHART / "templates").iterdir())
