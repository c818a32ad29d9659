"""The commands of docs/proof.md, run as they stand there, verify what was really sent."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from telemetry_service.pipeline.stages.record import record
from tests.cli.conftest import CommandLine, bare, cli, connected, license_server
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer, Trouble, reply
from tests.support.site import usage

__all__ = ["bare", "cli", "connected", "license_server"]

PAGE = (Path(__file__).parents[2] / "docs" / "proof.md").read_text()


@dataclass(frozen=True, slots=True)
class Proved:
    """A transmission that was sent, and the folder in which its last attempt is proved."""

    folder: Path
    sent: dict[str, object]
    server: LicenseServer

    def run(self, beginning: str) -> str:
        """Run the commands of the page that begin so, and return what they print."""
        (command,) = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if block.startswith(beginning)]
        return self.shell("set -eo pipefail\n" + command)

    def shell(self, script: str) -> str:
        environment = {
            "PATH": "/usr/bin:/bin",
            "API_KEY": API_KEY,
            "CUSTOMER_ID": CUSTOMER,
            "LICENSE_SERVER_KEY": self.server.public_key,
        }
        ended = subprocess.run(
            ["/bin/bash", "-c", script], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@pytest.fixture
def proved(connected: CommandLine, license_server: LicenseServer, tmp_path: Path) -> Proved:
    service = connected.service()
    record(service.runtime, [[usage(7, 5, 4)]])
    service.runtime.database.close()
    sent = connected("send-now", "--json").json()
    ended = connected("prove", sent["transmission_id"], "--folder", "proof")
    assert ended.code == 0, ended.err
    again = connected("prove", sent["transmission_id"], "--folder", "proof")
    assert again.code == 1
    assert "not empty" in again.err
    return Proved(tmp_path / "proof", sent, license_server)


def test_the_digests_are_those_of_the_bytes_that_the_license_server_received(proved: Proved) -> None:
    assert proved.run("jq --arg").split() == ["true", "true"]
    (entry,) = proved.server.journal()
    assert (proved.folder / "payload.json").read_bytes() == entry.payload
    assert json.loads((proved.folder / "kept.json").read_text())["body_sha256"] == entry.body_sha256


def test_the_signature_can_be_made_again_with_openssl(proved: Proved) -> None:
    made = proved.run("printf '%s.%s.'").strip()
    assert f"X-Telemetry-Signature: v1,{made}\n" in (proved.folder / "headers.txt").read_text()


def test_body_and_receipt_verify_with_a_library_that_the_service_does_not_use(proved: Proved) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (proved.folder / "verify.py").write_text(script)
    printed = proved.shell(f"{sys.executable} verify.py")
    assert "The body decrypts to the payload." in printed
    assert "The License Server has signed" in printed


def test_the_pseudonym_can_be_recomputed_by_who_holds_the_key(proved: Proved) -> None:
    made = proved.run("key=").strip().rpartition(" ")[2]
    payload = json.loads((proved.folder / "payload.json").read_text())
    assert payload["customer_id"] == f"anon_{made}"


def test_an_attempt_that_failed_is_proved_as_well(
    connected: CommandLine, license_server: LicenseServer, tmp_path: Path
) -> None:
    license_server.trouble(Trouble(before=reply(503)))
    sent = connected("send-now", "--json").json()
    assert connected("prove", sent["transmission_id"], "--attempt", "1", "--folder", "first").code == 0
    kept = json.loads((tmp_path / "first" / "kept.json").read_text())
    assert kept["body_sha256"] == sent["attempts"][0]["body_sha256"]
    assert not (tmp_path / "first" / "receipt.jws").exists()
    assert connected("prove", sent["transmission_id"], "--attempt", "2").code == 1
