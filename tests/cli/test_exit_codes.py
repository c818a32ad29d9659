"""Exit codes are meaningful, and problems are reported in a sentence: no traceback, no secret, no URL."""

import pytest
from sqlalchemy import create_engine, text

from tests.cli.conftest import CommandLine
from tests.support.databases import ON_BOTH
from tests.support.license_server import API_KEY, LicenseServer


def test_done_is_0(cli: CommandLine) -> None:
    assert cli("migrate").code == 0


def test_wrong_usage_is_2(bare: CommandLine) -> None:
    assert bare("send-later").code == 2
    assert bare("history", "--limit", "many").code == 2


def test_wrong_settings_are_3_and_named_one_by_one_without_their_values(bare: CommandLine) -> None:
    bare.set(ENCRYPTION_KEY="hunter2-hunter2", TELEMETRY_CUSTOMER_ID="Acme Ltd", TELEMETRY_ENABLE="true")
    ended = bare("migrate")
    assert ended.code == 3
    complaints = ended.err.splitlines()
    for name in ("ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY", "TELEMETRY_CUSTOMER_ID", "TELEMETRY_ENABLE"):
        assert any(line.startswith(f"{name} ") for line in complaints), name
    assert "hunter2" not in ended.err
    assert "Acme" not in ended.err


@pytest.mark.parametrize("command", ["preview", "send-now", "history", "migrate"])
def test_a_database_that_does_not_respond_is_4(cli: CommandLine, command: str) -> None:
    cli.set(TELEMETRY_DATABASE_URL="postgresql://somebody:secret-word@127.0.0.1:1/telemetry")
    ended = cli(command)
    assert ended.code == 4
    assert ended.err.startswith("The database cannot be reached")
    assert "secret-word" not in ended.err + ended.out
    assert "127.0.0.1" not in ended.err + ended.out


@ON_BOTH
def test_a_database_of_a_newer_version_is_4_and_left_alone(cli: CommandLine, database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE telemetry_alembic_version SET version_num = '9999'"))
    ended = cli("send-now")
    assert ended.code == 4
    assert "newer version" in ended.err
    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM telemetry_alembic_version")).scalar_one() == "9999"
    engine.dispose()


def test_not_delivered_is_5(connected: CommandLine, license_server: LicenseServer) -> None:
    license_server.server.__exit__()
    ended = connected("send-now")
    assert ended.code == 5
    assert "(connection_refused)" in ended.out
    assert license_server.server.url not in ended.out + ended.err


def test_telemetry_that_is_not_configured_or_off_is_6(cli: CommandLine) -> None:
    ended = cli("send-now")
    assert ended.code == 6
    assert "No License Server is configured" in ended.err
    cli.set(TELEMETRY_ENABLED="false")
    ended = cli("test-connection")
    assert ended.code == 6
    assert "The deployment has turned telemetry off" in ended.err


def test_no_command_line_takes_a_secret(bare: CommandLine) -> None:
    for command in (("admin", "set-password", "--password", "x" * 12), ("test-connection", "--api-key", API_KEY)):
        assert bare(*command).code == 2
