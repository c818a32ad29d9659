"""The doctor looks at everything, and says what is wrong and by its exit code what kind of thing it is."""

import json
from pathlib import Path

import pytest

from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine
from tests.support.databases import ON_BOTH
from tests.support.issuer import GatewayOfTest
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.program import Program

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
    assert set(found) == {
        "settings",
        "keys",
        "cookies",
        "host",
        "database",
        "writing",
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
