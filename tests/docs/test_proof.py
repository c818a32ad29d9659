"""The commands of docs/proof.md, run as they stand there, verify what was really sent."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.configure import save_configuration
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.record import record
from telemetry_service.sealing import verify_ledger
from tests.cli.conftest import CommandLine, bare, cli, connected, license_server
from tests.support.actors import ADMIN
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer, Trouble, reply
from tests.support.running import Running
from tests.support.site import usage

__all__ = ["bare", "cli", "connected", "license_server"]

PAGE = (Path(__file__).parents[2] / "docs" / "proof.md").read_text()
COMMANDS: list[str] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
PROGRAMS = Path(sys.executable).parent


@dataclass
class Reader:
    """Somebody who follows the page, with what the page tells them to have."""

    cli: CommandLine
    folder: Path
    environment: dict[str, str]

    def run(self, beginning: str) -> str:
        """Run the commands of the page that begin so, and return what they print."""
        (command,) = [block for block in COMMANDS if block.startswith(beginning)]
        return self.shell("set -eo pipefail\n" + command)

    def shell(self, script: str, **more: str) -> str:
        environment = {"PATH": f"{PROGRAMS}:/usr/bin:/bin", **self.environment, **more}
        ended = subprocess.run(
            ["/bin/bash", "-c", script], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def send(self) -> dict[str, object]:
        service = self.cli.service()
        record(service.runtime, [[usage(7, 5, 4)]])
        service.runtime.database.close()
        sent: dict[str, object] = self.cli("send-now", "--json").json()
        return sent

    def prove(self, transmission_id: object) -> "Reader":
        """Export the proof of the latest attempt, and continue in its folder."""
        ended = self.cli("prove", str(transmission_id), "--folder", "proof")
        assert ended.code == 0, ended.err
        return Reader(self.cli, self.folder / "proof", self.environment)

    def python(self, **more: str) -> str:
        (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        (self.folder / "verify.py").write_text(script)
        return self.shell("python3 verify.py", **more)


@pytest.fixture
def reader(connected: CommandLine, license_server: LicenseServer, tmp_path: Path) -> Reader:
    known = {"CUSTOMER_ID": CUSTOMER, "LICENSE_SERVER_KEY": license_server.public_key}
    return Reader(connected, tmp_path, {**connected.environment, **known})


@pytest.mark.long
def test_every_command_of_the_page_works(reader: Reader) -> None:
    reader.environment["ID"] = str(reader.send()["transmission_id"])
    key = reader.cli("ledger", "key", "--json").json()["present"]
    head = reader.cli("ledger", "verify", "--json").json()["head"]
    reader.environment |= {"LEDGER_KEY": key["public_key"], "ANCHOR": f"{head['seq']}:{head['sha256']}"}
    shutil.copy(verify_ledger.__file__, reader.folder / "verify_ledger.py")
    ran: list[str] = []

    def run(beginning: str) -> str:
        ran.extend(block for block in COMMANDS if block.startswith(beginning))
        return reader.run(beginning)

    assert key["fingerprint"] in run("telemetry-service ledger key")
    assert "Verified at" in run("telemetry-service ledger verify")
    with Running(reader.environment["TELEMETRY_DATABASE_URL"], reader.cli.environment, FrozenClock()) as running:
        reader.environment |= {"URL": str(running.client.base_url).rstrip("/"), "TOKEN": running.tokens[Scope.READ]}
        message = json.loads(run('printf \'Authorization: Bearer %s\' "$TOKEN" | curl -sf -H @- "$URL'))
        run("printf 'Authorization: Bearer %s' \"$TOKEN\" | curl -sf -H @- -o")
    assert message["verified"] is True
    assert run("python3 -I verify_ledger.py").splitlines()[-1] == "Verified."
    (reader.folder / "ledger.zip").unlink()
    run("telemetry-service ledger export")
    assert reader.run("python3 -I verify_ledger.py").splitlines()[-1] == "Verified."
    assert "Verified: all rows and bytes match" in run("telemetry-service prove")
    reader.folder /= "proof"
    assert run("jq --arg").split() == ["true", "true"]
    assert key["fingerprint"] in run("telemetry-service ledger rotate-key")
    assert sorted(ran) == sorted(COMMANDS)


def test_no_command_line_of_the_page_shows_a_secret() -> None:
    for command in COMMANDS:
        assert "API_KEY" not in command
        assert not re.search(r"(curl|jq|telemetry-service|python3)[^|]*\$TOKEN", command)


def test_an_encrypted_attempt_verifies_with_a_library_that_the_service_does_not_use(
    reader: Reader, license_server: LicenseServer
) -> None:
    proved = reader.prove(reader.send()["transmission_id"])
    (entry,) = license_server.journal()
    assert (proved.folder / "payload.json").read_bytes() == entry.payload
    printed = proved.python(API_KEY=API_KEY)
    for said in (
        "The signature is that of the API key.",
        "The body decrypts to the payload.",
        "The pseudonym is that of the customer ID.",
        "The License Server has signed",
    ):
        assert said in printed
    assert "Skipped" not in printed


def test_without_the_api_key_it_says_what_it_skips(reader: Reader) -> None:
    printed = reader.prove(reader.send()["transmission_id"]).python()
    assert "Skipped: the signature." in printed
    assert "Skipped: the encryption." in printed
    assert "The License Server has signed" in printed


def test_an_attempt_without_encryption_and_receipt_verifies_too(reader: Reader, license_server: LicenseServer) -> None:
    service = reader.cli.service()
    stored = read_now(service.runtime, read_configuration).stored
    values = stored.values.model_copy(update={"encrypt_payload": False})
    save_configuration(service.runtime, values, stored.version, ADMIN)
    service.runtime.database.close()
    license_server.trouble(Trouble(before=reply(503)))
    proved = reader.prove(reader.send()["transmission_id"])
    assert not (proved.folder / "receipt.jws").exists()
    printed = proved.python(API_KEY=API_KEY)
    assert "The signature is that of the API key." in printed
    assert "The body is the payload: encryption was off." in printed
    assert "There is no receipt" in printed


def test_what_is_gone_is_skipped(reader: Reader) -> None:
    proved = reader.prove(reader.send()["transmission_id"])
    (proved.folder / "body").unlink()
    printed = proved.python(API_KEY=API_KEY)
    assert "Skipped: the body. Its bytes are gone." in printed
    assert "The License Server has signed" in printed


def test_an_attempt_that_failed_is_proved_as_well(reader: Reader, license_server: LicenseServer) -> None:
    license_server.trouble(Trouble(before=reply(503)))
    sent = reader.cli("send-now", "--json").json()
    folder = reader.folder / "first"
    assert reader.cli("prove", sent["transmission_id"], "--attempt", "1", "--folder", "first").code == 0
    kept = json.loads((folder / "kept.json").read_text())
    assert kept["body_sha256"] == sent["attempts"][0]["body_sha256"]
    assert not (folder / "receipt.jws").exists()
    assert reader.cli("prove", sent["transmission_id"], "--attempt", "2").code == 1
    again = reader.cli("prove", sent["transmission_id"], "--folder", "first")
    assert (again.code, "not empty" in again.err) == (1, True)
