"""Every key is replaced and everything is purged: the ledger still verifies, and purged is counted as purged."""

import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from telemetry_service.domain.clock import SystemClock
from telemetry_service.pipeline.actions.configure import save_configuration, set_api_key
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.record import record
from telemetry_service.sealing import verify_ledger
from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger_attacks import SALTED, Tampering
from tests.support.ledger_lines import claims_of
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.lonely_python import lonely_python
from tests.support.site import usage

SECOND_API_KEY = "ck_test_second_9Kq3mTzYx7"


def send(cli: CommandLine) -> None:
    service = cli.service()
    record(service.runtime, [[usage(7, 5, 4)]])
    service.runtime.database.close()
    assert cli("send-now", "--json").json()["state"] == "success"


def enter(cli: CommandLine, api_key: str) -> None:
    service = cli.service()
    set_api_key(service.runtime, api_key, ADMIN)
    service.runtime.database.close()


def enter_again(cli: CommandLine, api_key: str) -> None:
    """Save the settings with the API key, as the tab does: the new encryption key verifies neither."""
    service = cli.service()
    stored = read_now(service.runtime, read_configuration).stored
    save_configuration(service.runtime, stored.values, stored.version, ADMIN, api_key=api_key)
    service.runtime.database.close()


def verified(cli: CommandLine) -> dict[str, Any]:
    ended = cli("ledger", "verify", "--json")
    assert ended.code == 0, ended.out
    found: dict[str, Any] = ended.json()
    return found


def purge_all(cli: CommandLine) -> None:
    """Let years pass for the retention, and erase all names."""
    service = cli.service()
    years_later = FrozenClock(SystemClock().now() + timedelta(days=300))
    assert purge(replace(service.runtime, clock=years_later)) > 0
    service.runtime.database.close()
    tampering = Tampering(cli.environment["TELEMETRY_DATABASE_URL"])
    tampering.write(lambda connection: connection.execute(SALTED.delete()))
    tampering.close()


def schemas_named(cli: CommandLine) -> int:
    """Return how often entries name the schema of a payload: these are published, and never purged."""
    tampering = Tampering(cli.environment["TELEMETRY_DATABASE_URL"])
    named = sum("schema_sha256" in claims_of(line) for line in tampering.lines)
    tampering.close()
    return named


@ON_BOTH
def test_all_keys_are_replaced_and_all_is_purged(
    connected: CommandLine, license_server: LicenseServer, tmp_path: Path
) -> None:
    first = connected("ledger", "key", "--json").json()["present"]["public_key"]
    send(connected)

    license_server.store.add_key(SECOND_API_KEY, CUSTOMER)
    enter(connected, SECOND_API_KEY)
    send(connected)

    old = connected.environment["ENCRYPTION_KEY"]
    new = generate_key()
    connected.set(ENCRYPTION_KEY=f"{new},{old}")
    assert connected("rotate-keys").code == 0
    connected.set(ENCRYPTION_KEY=new)
    send(connected)
    assert verified(connected)["checked"]["receipts verified"] == 3

    with LicenseServer(tmp_path / "renewed", SystemClock()) as renewed:
        renewed.store.add_key(SECOND_API_KEY, CUSTOMER)
        connected.set(
            TELEMETRY_LICENSE_SERVER_URL=renewed.server.url,
            TELEMETRY_LICENSE_SERVER_CA_FILE=str(renewed.server.ca_pem_path),
            TELEMETRY_LICENSE_SERVER_PUBLIC_KEY=f"{renewed.public_key},{license_server.public_key}",
        )
        send(connected)
        assert verified(connected)["checked"]["receipts verified"] == 4
        connected.set(TELEMETRY_LICENSE_SERVER_PUBLIC_KEY=renewed.public_key)
    report = verified(connected)
    assert (report["checked"]["receipts verified"], report["checked"]["receipts not verified"]) == (1, 3)

    assert connected("ledger", "rotate-key").code == 0
    purge_all(connected)
    report = verified(connected)
    assert report["checked"]["evidence purged"] >= 4 * 3
    assert report["checked"]["evidence purged or withheld"] > 0, "who did it"
    assert report["checked"]["evidence checked"] == schemas_named(connected), "the schemas alone"
    assert any("was purged or erased" in sentence for sentence in report["not_checked"])

    assert connected("ledger", "export", "ledger.zip").code == 0
    ended = subprocess.run(
        [lonely_python(tmp_path / "lonely"), "-I", verify_ledger.__file__, "ledger.zip", "--ledger-key", first],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "Evidence purged:" in ended.stdout


@ON_BOTH
def test_an_encryption_key_that_was_removed_too_early_is_noticed(connected: CommandLine) -> None:
    send(connected)
    old, new = connected.environment["ENCRYPTION_KEY"], generate_key()
    connected.set(ENCRYPTION_KEY=new)
    enter_again(connected, API_KEY)
    assert connected("send-now", "--json").json()["state"] == "awaiting_release", (
        "what was announced is not verified either"
    )
    ended = connected("ledger", "verify", "--json")
    assert ended.code == 7
    assert {problem["code"] for problem in ended.json()["problems"]} == {"key_lost"}
    connected.set(ENCRYPTION_KEY=f"{new},{old}")
    verified(connected)
    assert len(connected("ledger", "key", "--json").json()["earlier"]) == 1
