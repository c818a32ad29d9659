"""Preview, Send Now, Test Connection and the history, against a License Server that verifies."""

import json
from pathlib import Path

from telemetry_service.cli.open_service import command_actor
from telemetry_service.domain.facts import UsageReport
from telemetry_service.domain.payload import TelemetryAggregatePayload
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.stages.record import record
from tests.cli.conftest import CommandLine, Ended
from tests.support.databases import ON_BOTH
from tests.support.fault_server import Visit
from tests.support.license_server import API_KEY, LicenseServer, Trouble, reply
from tests.support.site import usage


def report(cli: CommandLine, *reports: UsageReport) -> None:
    service = cli.service()
    record(service.runtime, [list(reports)])
    service.runtime.database.close()


def test_the_preview_shows_the_payload_and_sends_nothing(connected: CommandLine, license_server: LicenseServer) -> None:
    report(connected, usage(7, 5, 4))
    shown = connected("preview", "--json").json()
    assert shown["figures"]["total_events"] == 7
    assert TelemetryAggregatePayload.model_validate_json(json.dumps(shown["payload"])).policy_decision_count == 5
    printed = connected("preview").out
    assert "Total events" in printed
    assert '"policy_decision_count": 5' in printed
    assert license_server.journal() == ()


@ON_BOTH
def test_what_is_sent_now_is_accepted_and_in_the_history(connected: CommandLine, license_server: LicenseServer) -> None:
    report(connected, usage(7, 5, 4))
    sent = connected("send-now", "--json").json()
    assert sent["status"] == "success"
    assert sent["receipt_verified"] is True
    (entry,) = license_server.journal()
    assert str(entry.transmission_id) == sent["transmission_id"]
    assert json.loads(entry.payload)["total_events"] == 7
    (listed,) = connected("history", "--json").json()["transmissions"]
    assert listed["transmission_id"] == sent["transmission_id"]
    assert sent["transmission_id"] in connected("history").out


def test_the_same_idempotency_key_names_the_same_transmission(
    connected: CommandLine, license_server: LicenseServer
) -> None:
    first = connected("send-now", "--json", "--idempotency-key", "nightly").json()
    again = connected("send-now", "--json", "--idempotency-key", "nightly").json()
    assert first["transmission_id"] == again["transmission_id"]
    assert len(license_server.journal()) == 1


def test_a_key_that_another_process_is_sending_with_is_1_and_sends_nothing(
    connected: CommandLine, license_server: LicenseServer
) -> None:
    service = connected.service()
    said: list[Ended] = []

    def ask_again(visit: Visit) -> None:
        said.append(connected("send-now", "--json", "--idempotency-key", "nightly"))
        reply(422)(visit)

    license_server.trouble(Trouble(before=ask_again))
    send_now(service.runtime, command_actor(), "nightly")
    service.runtime.database.close()
    (second,) = said
    assert (second.code, second.out) == (1, "")
    assert second.err.endswith("(idempotency-key-in-use)\n")
    assert len(connected("history", "--json").json()["transmissions"]) == 1


def test_a_refusal_names_its_cause_and_the_next_step(connected: CommandLine, license_server: LicenseServer) -> None:
    license_server.trouble(Trouble(before=reply(503)))
    ended = connected("send-now")
    assert ended.code == 5
    assert "The License Server is busy. No action needed. The next attempt is in 1 minute" in ended.out
    assert "Next attempt: 2" in ended.out


def test_what_never_left_is_not_called_sent(connected: CommandLine, license_server: LicenseServer) -> None:
    report(connected, usage(7, 5, 4))
    license_server.server.refuse()
    ended = connected("send-now")
    assert ended.code == 5
    assert "Records to send: 7; nothing was sent." in ended.out
    assert "Records sent" not in ended.out
    (listed,) = connected("history", "--json").json()["transmissions"]
    proved = connected("prove", listed["transmission_id"], "--folder", "proof")
    assert proved.code == 0
    assert "Nothing was sent: the attempt ended first." in proved.out
    assert json.loads(Path("proof/kept.json").read_text())["request_written"] is False


def test_the_files_of_a_proof_are_for_their_owner_alone_in_a_folder_that_others_can_read(
    connected: CommandLine,
) -> None:
    connected("send-now")
    (listed,) = connected("history", "--json").json()["transmissions"]
    folder = Path("proof")
    folder.mkdir(mode=0o755)
    assert connected("prove", listed["transmission_id"], "--folder", "proof").code == 0
    written = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert written.keys() == {"payload.json", "body", "headers.txt", "receipt.jws", "ledger.txt", "kept.json"}
    assert set(written.values()) == {0o600}


def test_the_history_is_filtered_and_paged(connected: CommandLine, license_server: LicenseServer) -> None:
    connected("send-now")
    license_server.trouble(Trouble(before=reply(400)))
    connected("send-now")
    failed = connected("history", "--json", "--status", "failed").json()["transmissions"]
    assert [item["cause"]["code"] for item in failed] == ["payload_refused"]
    page = connected("history", "--json", "--limit", "1").json()
    rest = connected("history", "--json", "--cursor", page["next_cursor"]).json()
    assert [item["status"] for item in (*page["transmissions"], *rest["transmissions"])] == ["failed", "success"]
    assert connected("history", "--json", "--to", "2020-01-01").json()["transmissions"] == []
    assert connected("history", "--cursor", "nonsense").code == 1


def test_a_connection_is_tested_step_by_step(connected: CommandLine) -> None:
    ended = connected("test-connection")
    assert ended.code == 0
    assert [line.split()[:2] for line in ended.out.splitlines()[1:-1]] == [
        [step, "ok"] for step in ("name", "tcp", "tls", "certificate", "response", "api_key")
    ]


def test_a_key_that_is_not_saved_is_tested_from_standard_input(connected: CommandLine) -> None:
    assert connected("test-connection", "--api-key-stdin", stdin=f"{API_KEY}\n").code == 0
    ended = connected("test-connection", "--api-key-stdin", "--json", stdin="ck_test_somebody_elses_key\n")
    assert ended.code == 5
    assert ended.json()["cause"]["code"] == "api_key_not_accepted"
    assert "placeholder" in connected("test-connection", "--api-key-stdin", stdin="a" * 20).err
    ended = connected("test-connection", "--api-key-stdin", stdin="short-key\n")
    assert ended.code == 2
    assert "short-key" not in ended.err
