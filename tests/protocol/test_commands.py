"""The commands of the page run as they stand there, against the reference License Server and the one for Node.js."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry_service.conformance import bundles
from tests.protocol.files import DOCS, PAGE
from tests.support.program import Program, kept_environment
from tests.support.programs import needs

ROOT = DOCS.parent


def commands(heading: str) -> list[str]:
    """Return the blocks of commands under a heading."""
    part = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", part, re.DOTALL)


def environment() -> dict[str, str]:
    return {**kept_environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run_in(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", f"set -eo pipefail\n{script}"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_reference_license_server_passes_as_the_page_says(tmp_path: Path) -> None:
    start, check = commands("Conformance")
    assert start == "telemetry-service license-server --port 8443\n"
    with Program("license-server", "--port", "0", folder=tmp_path, forked=True) as running:
        printed = running.wait_for_output("TELEMETRY_CUSTOMER_ID")
        (address,) = re.findall(r"https://127\.0\.0\.1:\d+", printed)
        ended = run_in(tmp_path, check.replace("https://127.0.0.1:8443", address))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "That violate the protocol: 0." in ended.stdout


@contextmanager
def in_node(folder: Path, script: str) -> Iterator[str]:
    """Run the License Server for Node.js as the page says; return what it prints."""
    *prepare, start = script.strip().splitlines()
    prepared = run_in(folder, "\n".join(prepare))
    assert prepared.returncode == 0, prepared.stderr
    with subprocess.Popen(start.split(), cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        try:
            yield node.stdout.readline()
        finally:
            node.kill()


@needs(shutil.which("node") and shutil.which("openssl"), "Node.js or openssl is missing")
def test_the_license_server_for_node_passes_as_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    start, check = commands("A License Server in Node.js")
    with in_node(tmp_path, start.replace('"port": 8444', '"port": 0')) as printed:
        ended = run_in(tmp_path, check.replace("https://127.0.0.1:8444", printed.split()[0]))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "That violate the protocol: 0." in ended.stdout
    unchecked = re.findall(r"^not checked +(\S+)", ended.stdout, re.MULTILINE)
    of_bundles = [check.name for check in bundles.CHECKS]
    assert unchecked == ["license", "receipt-license", *of_bundles, "retry-after"], "it signs none and takes no bundles"
