"""The support bundle holds what support needs, and nothing of what was planted everywhere."""

import json
import os
import zipfile
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Enum, String, create_engine, text

from telemetry_service.cli.support import parts
from telemetry_service.domain.facts import BouncerRegistration, Environment, ExtensionCode, LicensePosture
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.pipeline.actions.report_facts import redeem_code, register_bouncer, report_license
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.settings import KNOWN_VARIABLES, load_settings
from telemetry_service.storage.tables import Base
from telemetry_service.storage.types import Checked
from tests.cli.conftest import CommandLine
from tests.support.actors import ADMIN, OPS
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer, Trouble, reply
from tests.support.site import record_call, usage

PLANTED = {
    "TELEMETRY_ADMIN_PASSWORD": "a canary sings at noon",
    "TELEMETRY_BOOTSTRAP_TOKEN": "canary-0123456789-abcdefghij-KLMNOPQRST",
    "TELEMETRY_API_KEY": "canary-of-an-api-key-0815",
    "TELEMETRY_PUBLIC_URL": "https://canary.example",
    "TELEMETRY_CONSOLE_URL": "https://canary.example",
    "TELEMETRY_FRAME_ANCESTORS": "https://canary.example",
    "TELEMETRY_TRUSTED_PROXIES": "198.51.100.77",
    "TELEMETRY_DEPLOYMENT_VERSION": "9.9.9-rc77",
    "TELEMETRY_EXTENSION_CODE_PATTERN": "canary-.*",
    "CANARY_OF_ANOTHER_PROGRAM": "canary",
}
LOGGED = (
    {"time": "2026-11-15T02:00:00.123Z", "level": "info", "event": "ledger_written", "seq": 7, "head": "0" * 64},
    {
        "time": "2026-11-15T02:00:01.123Z",
        "level": "warning",
        "event": "login_failed",
        "address": "198.51.100.78",
        "failures": 3,
        "name": "canary",
        "request_id": "canary",
    },
    {
        "time": "2026-11-15T02:00:02.123Z",
        "level": "warning",
        "event": "attempt_failed",
        "transmission_id": "01980000-0000-7000-8000-000000000001",
        "cause": "a canary, with a sentence",
        "number": "canary",
    },
    {"time": "canary", "level": "info", "event": "canary"},
    ["canary"],
    {
        "time": "2026-11-15T02:00:03.123Z",
        "level": "info",
        "event": "service_started",
        "version": "1.0+canary",
        "metrics_listening": "198.51.100.79:9",
    },
)


def contents(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def live(cli: CommandLine, server: LicenseServer) -> None:
    service = cli.service()
    runtime, now = service.runtime, service.runtime.clock.now()
    registration = BouncerRegistration(environment=Environment.PRODUCTION, pair_id="canary-pair")
    register_bouncer(runtime, "canary-bouncer", registration, OPS)
    posture = LicensePosture(tier=Tier.ENTERPRISE, license_status=LicenseStatus.ACTIVE)
    report_license(runtime, posture, OPS)
    redeem_code(runtime, ExtensionCode(code_id="canary-code", redeemed_at=now - timedelta(hours=1)), OPS)
    record_call(runtime, usage(7, bouncer="canary-bouncer"))
    for status in (503, 422):
        server.trouble(Trouble(before=reply(status)))
        send_now(runtime, ADMIN, None)
    server.trouble()
    service.stop()
    cli("token", "create", "canary-token", "--scope", "read", "--expires", "3d")
    cli("admin", "set-password", "--stdin", stdin="another canary sings\n")


def planted_in_every_text_column(url: str) -> int:
    """Write a canary into every text of every row that no closed set limits; return into how many columns."""
    engine, columns = create_engine(url), 0
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                kind = column.type.kind if isinstance(column.type, Checked) else column.type
                if isinstance(kind, String) and not isinstance(kind, Enum):
                    columns += 1
                    connection.execute(
                        text(f"UPDATE {table.name} SET \"{column.name}\" = 'canary' || hex(randomblob(4))")  # noqa: S608 - our own names
                    )
    engine.dispose()
    return columns


def test_nothing_that_was_planted_in_settings_names_rows_or_the_log_is_in_it(
    connected: CommandLine, license_server: LicenseServer, tmp_path: Path
) -> None:
    connected.set(**PLANTED)
    live(connected, license_server)
    log = tmp_path / "service.log"
    log.write_text("a canary of another program\n" + "".join(json.dumps(line) + "\n" for line in LOGGED))
    secrets = [connected.environment[name] for name in ("ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY")]
    secrets += [
        CUSTOMER,
        API_KEY,
        license_server.server.url.partition("://")[2],
        str(tmp_path),
        "198.51.100.7",
        *PLANTED.values(),
    ]
    for number in range(2):
        done = connected("support-bundle", f"bundle-{number}.zip", "--log", str(log), "--json")
        assert done.code == 0, done
        found = contents(tmp_path / f"bundle-{number}.zip")
        assert set(found) == set(done.json()["contents"])
        for name, content in found.items():
            assert "canary" not in content.lower(), (number, name)
            assert [secret for secret in secrets if secret in content] == [], (number, name)
        assert planted_in_every_text_column(connected.environment["TELEMETRY_DATABASE_URL"]) > 30
    assert (tmp_path / "bundle-0.zip").stat().st_mode & 0o777 == 0o600


def test_it_holds_what_support_asks_for(connected: CommandLine, license_server: LicenseServer, tmp_path: Path) -> None:
    live(connected, license_server)
    log = tmp_path / "service.log"
    log.write_text("".join(f"<4>{json.dumps(line)}\n" for line in LOGGED))
    assert connected("support-bundle", "bundle.zip", "--log", str(log)).code == 0
    found = contents(tmp_path / "bundle.zip")
    assert json.loads(found["versions.json"])["packages"]["sqlalchemy"]
    settings = json.loads(found["settings.json"])
    assert set(settings) == KNOWN_VARIABLES
    assert (settings["ENCRYPTION_KEY"], settings["TELEMETRY_PROXY_URL"]) == ("set", "not set")
    assert json.loads(found["database.json"])["kind"] == "sqlite"
    doctor = {finding["check"]: finding for finding in json.loads(found["doctor.json"])}
    assert (doctor["tokens"]["result"], "sentence" in doctor["tokens"]) == ("warning", False), "it would name one"
    assert doctor["connection"]["sentence"] == "The License Server responds and accepts the API key."
    health = json.loads(found["health.json"])
    assert health["transmissions"]["rejected"] == health["transmissions"]["retrying"] == 1
    assert "telemetry_transmissions_waiting 2.0" in found["metrics.txt"]
    attempts = json.loads(found["attempts.json"])
    assert [attempt["response_code"] for attempt in attempts] == [422, 503]
    assert [json.loads(line) for line in found["log.jsonl"].splitlines()] == [
        {"time": "2026-11-15T02:00:00.123Z", "level": "info", "event": "ledger_written", "seq": 7},
        {"time": "2026-11-15T02:00:01.123Z", "level": "warning", "event": "login_failed", "failures": 3},
        {
            "time": "2026-11-15T02:00:02.123Z",
            "level": "warning",
            "event": "attempt_failed",
            "transmission_id": "01980000-0000-7000-8000-000000000001",
            "number": "?",
            "cause": "?",
        },
        {
            "time": "2026-11-15T02:00:03.123Z",
            "level": "info",
            "event": "service_started",
            "version": "? (10 characters)",
        },
    ]


def test_a_revision_that_is_no_number_is_not_shown(cli: CommandLine) -> None:
    engine = create_engine(cli.environment["TELEMETRY_DATABASE_URL"])
    for planted, shown in (("canary", "? (6 characters)"), ("9999", "9999")):
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE telemetry_alembic_version SET version_num = '{planted}'"))  # noqa: S608
        assert parts.database(load_settings(cli.environment))["revision"] == shown
    engine.dispose()


def test_it_is_written_in_whatever_state_the_installation_is(bare: CommandLine, tmp_path: Path) -> None:
    assert bare("support-bundle", "no-settings.zip").code == 0
    found = contents(tmp_path / "no-settings.zip")
    assert json.loads(found["database.json"]) == {"unavailable": "settings-invalid"}
    assert [finding["exit_code"] for finding in json.loads(found["doctor.json"])] == [3, 3]
    bare.set(ENCRYPTION_KEY=generate_key(), CREDENTIAL_ENCRYPTION_KEY=generate_key())
    done = bare("support-bundle", "no-database.zip")
    assert (done.code, f"Database: SQLite, {tmp_path / 'data' / 'telemetry.db'}." in done.err) == (0, True)
    assert json.loads(contents(tmp_path / "no-database.zip")["health.json"]) == {"unavailable": "database-missing"}
    assert not (tmp_path / "data").exists()
    os.mkfifo("pipe")
    for log in ("no-such.log", "pipe", "."):
        refused = bare("support-bundle", "bundle.zip", "--log", log)
        assert (refused.code, "(file-refused)" in refused.err) == (1, True)
    assert not (tmp_path / "bundle.zip").exists()
