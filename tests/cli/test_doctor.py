"""The doctor looks at everything, and says what is wrong and by its exit code what kind of thing it is."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from email.utils import format_datetime
from itertools import permutations
from pathlib import Path

import pytest

from telemetry_service.cli.doctor.finding import Finding, Result, worst
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.domain.clock import SystemClock
from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine
from tests.support import faults
from tests.support.databases import ON_BOTH
from tests.support.each import each
from tests.support.issuer import GatewayOfTest
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.program import Program
from tests.support.site import record_call, usage

PATIENCE_SECONDS = 150


def results(cli: CommandLine, *options: str) -> tuple[int, dict[str, str]]:
    ended = cli("doctor", "--json", *options)
    return ended.code, {finding["check"]: finding["result"] for finding in ended.json()}


@ON_BOTH
def test_a_service_in_order_has_nothing_wrong(connected: CommandLine) -> None:
    connected("admin", "set-password", "--stdin", stdin="a long enough password\n")
    connected("send-now")
    connected.set(TELEMETRY_TRUSTED_PROXIES="10.0.0.7", TELEMETRY_PUBLIC_URL="https://console.example")
    code, found = results(connected)
    assert code == 0
    assert found.pop("disk") in {"ok", "skipped"}
    assert found.pop("encryption") in {"ok", "skipped"}
    assert found.pop("files") in {"ok", "skipped"}
    assert found.pop("issuers") == "skipped"
    assert found.pop("source") == "skipped"
    assert found.pop("integrity") in {"ok", "skipped"}
    assert set(found) == {
        "settings",
        "keys",
        "cookies",
        "host",
        "proxies",
        "database",
        "writing",
        "growth",
        "locked",
        "clock",
        "administrator",
        "tokens",
        "health",
        "ledger",
        "sealed",
        "credentials",
        "old API key",
        "connection",
    }
    assert set(found.values()) == {"ok"}


def test_a_database_that_others_may_read_is_a_warning_with_the_command_that_mends_it(cli: CommandLine) -> None:
    file = Path(cli.environment["TELEMETRY_DATABASE_URL"].removeprefix("sqlite:///"))
    file.chmod(0o644)
    (finding,) = [one for one in cli("doctor", "--offline", "--json").json() if one["check"] == "files"]
    assert finding["result"] == "warning"
    assert f"chmod go= {file}" in finding["sentence"]
    assert file.stat().st_mode & 0o777 == 0o644, "a command only looks"


def test_keys_of_a_gateway_that_cannot_be_read_are_a_warning_with_the_cause(cli: CommandLine, tmp_path: Path) -> None:
    gateway = GatewayOfTest(tmp_path)
    cli.set(**gateway.environment)
    for content, result, sentence in (
        (None, "ok", "can be read"),
        ("{", "warning", "document_malformed"),
    ):
        if content is not None:
            gateway.file.write_text(content)
        (finding,) = [one for one in cli("doctor", "--json").json() if one["check"] == "issuers"]
        assert (finding["result"], sentence in finding["sentence"]) == (result, True)
    (finding,) = [one for one in cli("doctor", "--offline", "--json").json() if one["check"] == "issuers"]
    assert finding["result"] == "skipped"


def test_tokens_that_expire_soon_are_a_warning_with_their_names(cli: CommandLine) -> None:
    for name, expires in {"soon": "14d", "later": "15d", "kept": "never"}.items():
        cli("token", "create", name, "--scope", "read", "--expires", expires)
    cli.set(TELEMETRY_BOOTSTRAP_TOKEN="0123456789abcdef0123456789ABCDEF")
    (finding,) = [one for one in cli("doctor", "--offline", "--json").json() if one["check"] == "tokens"]
    assert finding["result"] == "warning"
    assert "soon" in finding["sentence"]
    assert "later" not in finding["sentence"]
    cli("token", "revoke", "soon")
    (finding,) = [one for one in cli("doctor", "--offline", "--json").json() if one["check"] == "tokens"]
    assert finding["result"] == "ok"
    assert "TELEMETRY_BOOTSTRAP_TOKEN is set" in finding["sentence"]


def test_wrong_settings_are_listed_each(bare: CommandLine) -> None:
    ended = bare("doctor")
    assert ended.code == 3
    assert "ENCRYPTION_KEY is missing" in ended.out
    assert "CREDENTIAL_ENCRYPTION_KEY is missing" in ended.out


def test_a_lost_database_is_reported_and_nothing_is_contacted(connected: CommandLine) -> None:
    connected.set(TELEMETRY_DATABASE_URL="postgresql://somebody:secret-word@127.0.0.1:1/telemetry")
    code, found = results(connected)
    assert code == 4
    assert found["database"] == "wrong"
    assert "connection" not in found


def test_a_missing_database_is_reported_and_not_created(bare: CommandLine, tmp_path: Path) -> None:
    bare.set(ENCRYPTION_KEY=generate_key(), CREDENTIAL_ENCRYPTION_KEY=generate_key())
    code, found = results(bare)
    assert (code, found["database"]) == (8, "wrong")
    assert str(tmp_path / "data" / "telemetry.db") in bare("doctor").out
    assert not (tmp_path / "data").exists()


def test_an_api_key_under_another_encryption_key_is_found(connected: CommandLine) -> None:
    connected.set(ENCRYPTION_KEY=generate_key())
    code, found = results(connected)
    assert code == 3
    assert found["health"] == "wrong"
    assert found["connection"] == "skipped"


def test_a_failing_connection_is_5_unless_it_is_skipped(connected: CommandLine, license_server: LicenseServer) -> None:
    license_server.server.__exit__()
    code, found = results(connected)
    assert (code, found["connection"]) == (5, "wrong")
    code, found = results(connected, "--offline")
    assert found["connection"] == "skipped"
    assert code == 0


@pytest.mark.parametrize(("status", "code"), [(422, "rejected"), (403, "on hold")])
def test_payloads_that_wait_for_a_person_are_5_beside_a_connection_that_works(
    connected: CommandLine, license_server: LicenseServer, tmp_path: Path, status: int, code: str
) -> None:
    license_server.trouble(Trouble(before=reply(status)))
    assert connected("send-now").code == 5
    license_server.trouble()
    assert connected("send-now").code == 0
    with Program("doctor", "--json", folder=tmp_path, environment=connected.environment, forked=True) as program:
        ended = program.process.wait(PATIENCE_SECONDS)
        assert program.process.stdout is not None
        found = {finding["check"]: finding for finding in json.load(program.process.stdout)}
    assert ended == 5
    assert (found["health"]["result"], found["health"]["exit_code"]) == ("wrong", 5)
    assert code in found["health"]["sentence"]
    assert found["connection"]["result"] == "ok"


def test_nothing_is_contacted_while_telemetry_is_off(connected: CommandLine) -> None:
    connected.set(TELEMETRY_ENABLED="false")
    code, found = results(connected)
    assert (code, found["connection"]) == (0, "skipped")


def test_cookies_that_will_not_be_secure_are_a_warning(cli: CommandLine) -> None:
    code, found = results(cli, "--offline")
    assert (code, found["cookies"], found["host"]) == (0, "warning", "warning")
    assert "TELEMETRY_TRUSTED_PROXIES" in cli("doctor", "--offline").out
    assert "TELEMETRY_PUBLIC_URL" in cli("doctor", "--offline").out


def test_a_public_url_makes_cookies_secure_and_names_the_host(cli: CommandLine) -> None:
    for url, cookies in (("https://console.example", "ok"), ("http://console.example", "warning")):
        cli.set(TELEMETRY_PUBLIC_URL=url)
        _code, found = results(cli, "--offline")
        assert (found["cookies"], found["host"]) == (cookies, "ok")


def test_a1_trusted_networks_that_may_hold_people_are_a_warning(cli: CommandLine) -> None:
    for trusted, expected in (
        ("10.0.0.7,10.0.1.0/28,fd00::/124,127.0.0.0/8", "ok"),
        ("10.0.0.7,192.168.1.0/24", "warning"),
        ("fd00::/64", "warning"),
    ):
        cli.set(TELEMETRY_TRUSTED_PROXIES=trusted)
        code, found = results(cli, "--offline")
        assert (code, found["proxies"]) == (0, expected)


def finding_of(cli: CommandLine, check: str, *options: str) -> dict[str, str]:
    (found,) = [one for one in cli("doctor", "--json", *options).json() if one["check"] == check]
    return dict(found)


def test_a_clock_that_differs_from_the_license_servers_is_named_before_messages_are_refused(
    connected: CommandLine, license_server: LicenseServer
) -> None:
    now = SystemClock().now()
    for seconds, result, words in (
        (0, "ok", "and the License Server"),
        (150, "warning", "ahead"),
        (-900, "wrong", "behind"),
    ):
        theirs = format_datetime(now - timedelta(seconds=seconds), usegmt=True)
        license_server.server.mode = faults.reply(503, headers=[("Date", theirs)])
        found = finding_of(connected, "clock")
        assert (found["result"], words in found["sentence"]) == (result, True), found


def test_damaged_pages_are_found_and_are_the_worst_of_several_problems(
    connected: CommandLine, license_server: LicenseServer
) -> None:
    license_server.server.__exit__()
    file = Path(connected.environment["TELEMETRY_DATABASE_URL"].removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'activity'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as database:
        database.seek((page - 1) * size)
        database.write(b"\xff" * size)
    code, found = results(connected)
    assert (code, found["integrity"], found["connection"]) == (4, "wrong", "wrong")


def test_a_disk_that_will_be_full_within_30_days_is_a_warning(
    connected: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = connected.service()
    record_call(service.runtime, *(usage(1) for _ in range(1000)))
    service.stop()
    assert finding_of(connected, "growth", "--offline")["result"] == "ok"
    usage_of_disk = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage_of_disk._replace(free=100_000))
    found = finding_of(connected, "growth", "--offline")
    assert (found["result"], "free some space" in found["sentence"]) == ("warning", True)


def test_a_folder_that_cannot_keep_the_head_of_the_ledger_is_a_warning(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.set(TELEMETRY_LEDGER_HEAD_FILE=str(tmp_path / "head"))
    assert finding_of(cli, "files", "--offline")["result"] == "ok"
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # What others than root see.
    found = finding_of(cli, "files", "--offline")
    assert (found["result"], "TELEMETRY_LEDGER_HEAD_FILE" in found["sentence"]) == ("warning", True)


@each(
    ("codes", "expected"),
    [
        ((), 0),
        ((0, 5), 5),
        ((5, 1), 1),
        ((5, 3, 1), 3),
        ((3, 4), 3),
        ((8, 5), 8),
        ((4, 7), 7),
    ],
)
def test_the_exit_code_is_that_of_the_worst_finding_wherever_it_is(codes: tuple[int, ...], expected: int) -> None:
    for order in permutations(codes):
        assert worst([Finding("a check", Result.WRONG, "", ExitCode(code)) for code in order]) == expected


def test_every_exit_code_of_a_finding_has_its_rank() -> None:
    ranked = [code for code in ExitCode if worst([Finding("a check", Result.WRONG, "", code)]) is code]
    assert set(ExitCode) - set(ranked) == {ExitCode.USAGE, ExitCode.NOT_READY, ExitCode.INTERRUPTED}
