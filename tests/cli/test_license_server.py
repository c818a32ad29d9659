"""The reference License Server as a command: what it prints is all that a service needs to reach it."""

import signal
from pathlib import Path

from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.reference.journal import read_journal
from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine
from tests.support.actors import ADMIN
from tests.support.program import Program


def test_a_service_with_the_printed_settings_delivers_to_it(bare: CommandLine, tmp_path: Path) -> None:
    with Program("license-server", "--port", "0", folder=tmp_path) as running:
        running.wait_for_output("TELEMETRY_CUSTOMER_ID=")
        running.wait_for_error("api-key")
        printed = dict(line.split("=", 1) for line in running.output.splitlines())
        bare.set(ENCRYPTION_KEY=generate_key(), CREDENTIAL_ENCRYPTION_KEY=generate_key(), **printed)
        service = bare.service()
        set_api_key(service.runtime, (tmp_path / "license-server-data" / "api-key").read_text().strip(), ADMIN)
        service.runtime.database.close()
        assert bare("test-connection").code == 0
        sent = bare("send-now", "--json").json()
        assert sent["receipt_verified"] is True
        assert running.stop(signal.SIGINT) == 0
        assert "Traceback" not in running.errors
    (entry,) = read_journal(tmp_path / "license-server-data" / "license-server.sqlite3")
    assert str(entry.transmission_id) == sent["transmission_id"]


def test_a_port_in_use_is_reported_in_a_sentence(bare: CommandLine, tmp_path: Path) -> None:
    with Program("license-server", "--port", "0", folder=tmp_path) as running:
        running.wait_for_output("TELEMETRY_CUSTOMER_ID=")
        taken = running.output.split(":")[2].splitlines()[0]
        ended = bare("license-server", "--port", taken, "--folder", str(tmp_path / "other"))
    assert ended.code == 1
    assert ended.err == f"Cannot listen on port {taken}; choose another one with --port. (cannot-listen)\n"
