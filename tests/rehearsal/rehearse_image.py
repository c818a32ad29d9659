"""The image, built by `make image` and run as deploy/ runs it: without root, read-only, and without capabilities."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.rehearsal.machine import CERTIFICATES, debian, needs_to_boot, repository
from tests.support.loopback import free_port

IMAGE = "control-core-telemetry:0.1.0"
_LOCKED = ("--network", "host", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
_LIMITS = ("nofile=4096:4096", "nproc=4096:4096")
PASSWORD = "a lantern under 7 quartz plums"


class Podman:
    """Podman, with a runtime that works with this machine's control groups."""

    def __init__(self, folder: Path) -> None:
        """Take runc where there is one: crun refuses control groups of both versions."""
        runtime = f'runtime = "{"runc" if shutil.which("runc") else "crun"}"'
        limits = ", ".join(f'"{limit}"' for limit in _LIMITS)
        (folder / "containers.conf").write_text(f"[engine]\n{runtime}\n[containers]\ndefault_ulimits = [{limits}]\n")
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "IMAGE_ENGINE": "podman",
            "BUILDAH_FORMAT": "docker",
        }

    def __call__(self, *arguments: str) -> str:
        """Run a command of it; return what it wrote."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of it that may fail."""
        command = ["podman", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)


@pytest.fixture
def podman(tmp_path: Path) -> Podman:
    """Podman, and the base in its store."""
    needs_to_boot()
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    found = Podman(tmp_path)
    if found.attempt("image", "exists", "localhost/rehearsal-base").returncode:
        archive = tmp_path / "base.tar"
        subprocess.run(["tar", "--create", f"--file={archive}", f"--directory={debian()}", "."], check=True)
        found("import", str(archive), "localhost/rehearsal-base:latest")
    return found


@pytest.fixture
def checkout(podman: Podman, tmp_path: Path) -> Path:
    """What is committed here, with the base by its digest."""
    folder = tmp_path / "checkout"
    subprocess.run(["git", "clone", "--quiet", str(repository(tmp_path)), str(folder)], check=True)
    digest = podman("image", "inspect", "--format", "{{.Digest}}", "localhost/rehearsal-base")
    (folder / "deploy" / "image.args").write_text(f"PYTHON_IMAGE=localhost/rehearsal-base@{digest}\n")
    (folder / ".venv").symlink_to(Path(__file__).parents[2] / ".venv")
    return folder


@contextmanager
def _running(podman: Podman, folder: Path, port: int) -> Iterator[str]:
    """Run the service in its container, as Compose does it; yield the name."""
    secrets = folder / "secrets"
    secrets.mkdir()
    for name in ("encryption_key", "credential_encryption_key"):
        (secrets / name).write_text(podman("run", "--rm", *_LOCKED, IMAGE, "generate-key"))
        os.chown(secrets / name, 10001, 10001)
    environment = {
        "ENCRYPTION_KEY_FILE": "/run/secrets/encryption_key",
        "CREDENTIAL_ENCRYPTION_KEY_FILE": "/run/secrets/credential_encryption_key",
        "TELEMETRY_ADMIN_PASSWORD": PASSWORD,
    }
    given = [f"--env={name}={value}" for name, value in environment.items()]
    name = f"rehearsal-{port}"
    podman(
        *("run", "--detach", "--name", name, *_LOCKED, "--tmpfs", "/tmp", f"--volume={secrets}:/run/secrets:ro"),  # noqa: S108
        *(*given, IMAGE, "serve", "--host", "::", "--port", str(port)),
    )
    try:
        yield name
    finally:
        podman.attempt("rm", "--force", "--volumes", name)


def _wait_for(client: httpx.Client, url: str) -> None:
    for _ in range(120):
        try:
            if client.get(f"{url}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail("it does not become ready")


def test_the_image_is_built_from_the_pinned_base_and_serves_without_any_right(
    podman: Podman, checkout: Path, tmp_path: Path
) -> None:
    options = f"-- --network host --volume {CERTIFICATES}:{CERTIFICATES}:ro"
    made = subprocess.run(
        ["make", "image", "--assume-old=.venv/.runtime", f"ARGS={options}"],
        cwd=checkout,
        env=podman.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (image,) = json.loads(podman("image", "inspect", IMAGE))
    assert image["Config"]["User"] == "10001:10001"
    assert image["Healthcheck"]["Test"] == ["CMD", "telemetry-service", "doctor", "--liveness"]
    assert image["Labels"]["org.opencontainers.image.base.name"] == "localhost/rehearsal-base"
    written: dict[str, Any] = json.loads((checkout / "dist" / "image" / "sbom.cdx.json").read_text())
    port = free_port()
    with _running(podman, tmp_path, port) as name, httpx.Client(trust_env=False) as client:
        url = f"http://127.0.0.1:{port}"
        _wait_for(client, url)
        entered = client.post(f"{url}/login", data={"name": "admin", "password": PASSWORD}, headers={"Origin": url})
        assert entered.status_code == 303
        assert client.get(f"http://[::1]:{port}/healthz").is_success
        assert podman("exec", name, "id", "-u") == "10001"
        assert "Read-only" in podman.attempt("exec", name, "touch", "/anything").stderr
        assert podman.attempt("exec", name, "telemetry-service", "doctor", "--offline").returncode == 0
        within = json.loads(podman("exec", name, "cat", "/opt/telemetry/share/sbom.cdx.json"))
        assert within == written
        began = time.monotonic()
        podman("stop", "--time", "40", name)
        assert time.monotonic() - began < 20
        assert '"event": "service_stopped"' in podman.attempt("logs", name).stderr
        assert podman("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
