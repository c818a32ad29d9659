"""``rotate-keys`` and the doctor say what still depends on an old key, and when it can be dropped."""

import shlex
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from telemetry_service.domain.base64url import from_base64url
from telemetry_service.domain.sealed_kind import UNREADABLE, SealedKind
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.stages.record import record
from telemetry_service.pipeline.stages.sweep import verify_everything
from telemetry_service.sealing.keyring import KeyRing, generate_key
from telemetry_service.service import Service
from tests.cli.conftest import CommandLine
from tests.support.actors import ADMIN
from tests.support.ledger_attacks import Tampering
from tests.support.license_server import LicenseServer
from tests.support.operations_page import shell_of
from tests.support.site import usage

SECOND_API_KEY = "ck_test_second_9Kq3mTzYx7"


def found(cli: CommandLine) -> dict[str, dict[str, Any]]:
    """Return what the doctor says about keys."""
    findings = cli("doctor", "--offline", "--json").json()
    return {it["check"]: it for it in findings if it["check"] in {"sealed", "credentials", "old API key", "health"}}


@pytest.fixture
def lived(connected: CommandLine, license_server: LicenseServer) -> CommandLine:
    """A service with something sealed of every kind, and a service token."""
    service = connected.service()
    set_api_key(service.runtime, SECOND_API_KEY, ADMIN, overlap=True)
    record(service.runtime, [[usage(7)]])
    service.authentication.tokens.create("reporter", [Scope.REPORT], ADMIN)
    verify_everything(service.runtime)
    service.runtime.database.close()
    license_server.server.__exit__()
    assert connected("send-now").code == 5
    return connected


def test_the_whole_rotation(lived: CommandLine) -> None:
    old, new = (
        dict(lived.environment),
        {"ENCRYPTION_KEY": generate_key(), "CREDENTIAL_ENCRYPTION_KEY": generate_key()},
    )
    said = found(lived)
    assert {check: it["result"] for check, it in said.items()} == {
        "sealed": "ok",
        "credentials": "ok",
        "old API key": "ok",
        "health": "warning",
    }
    assert "The old API key, which ends in " in said["old API key"]["sentence"]
    for name, key in new.items():
        lived.set(**{name: f"{key},{old[name]}"})
    said = found(lived)
    assert said["sealed"]["result"] == said["credentials"]["result"] == "warning"
    assert "1 (API key), 1 (old API key), 1 (ledger keys), 1 (customer IDs)" in said["sealed"]["sentence"]
    assert "1 service tokens" in said["credentials"]["sentence"]

    ended = lived("rotate-keys", "--json")
    assert ended.code == 0, ended.err
    report = ended.json()
    assert report["ledger_key_renewed"]
    assert report["sealed_again"] == {"api_key": 1, "old_api_key": 1, "customer": 1, "verdict": 1}
    assert (report["older"], report["unreadable"]) == ({}, {})
    assert report["credentials"] == {"newest": 0, "older": {"service tokens": 1}, "lost": 0}
    said = found(lived)
    assert said["sealed"]["result"] == "ok"
    assert "The older keys can be removed now." in said["sealed"]["sentence"]
    lagging = lived.service()
    _beat(
        lagging, f"{KeyRing((from_base64url(old['ENCRYPTION_KEY']),)).ids[0].hex()} {lagging.runtime.keys.ids[0].hex()}"
    )
    assert "1 running replica puts another one first" in found(lived)["sealed"]["sentence"]
    lagging.runtime.database.close()
    assert "Each follows at its next use" in lived("rotate-keys").out

    lived.set(**new)
    said = found(lived)
    assert said["sealed"]["result"] == "ok"
    assert said["sealed"]["sentence"] == "Everything is sealed under the newest ENCRYPTION_KEY."
    assert said["credentials"]["result"] == "warning"
    assert "not in the list: 1 session or service token" in said["credentials"]["sentence"]
    assert lived("ledger", "verify").code == 0
    assert lived("doctor", "--offline").code == 0


def _beat(service: Service, encryption_keys: str) -> None:
    """Let a process with these keys have its heartbeat now."""
    with service.runtime.database.write() as tx:
        tx.heartbeats.beat(uuid4(), service.runtime.clock.now(), encryption_keys)


def test_a_lost_key_is_said_to_be_one_for_every_value_and_destroys_nothing(lived: CommandLine) -> None:
    right = lived.environment["ENCRYPTION_KEY"]
    lived.set(ENCRYPTION_KEY=generate_key())
    said = found(lived)
    assert (said["sealed"]["result"], said["sealed"]["exit_code"]) == ("wrong", 3)
    for kind in SealedKind:
        assert UNREADABLE[kind] in said["sealed"]["sentence"]
    assert "cannot be decrypted" in said["health"]["sentence"]
    assert lived("rotate-keys").code == 3
    for command in (("preview",), ("history",), ("ledger", "key"), ("token", "list")):
        ended = lived(*command)
        assert "internal error" not in ended.err
    lived.set(ENCRYPTION_KEY=right)
    assert "unreadable" not in found(lived)["sealed"]["sentence"]


def test_the_commands_of_the_page_run_in_its_order(lived: CommandLine) -> None:
    commands = [shlex.split(line) for line in shell_of("## Rotating keys") if line.startswith("telemetry-service ")]
    assert [command[1] for command in commands] == ["generate-key", "rotate-keys", "doctor"]
    for command in commands:
        assert lived(*command[1:]).code == 0


def test_a_value_that_someone_has_changed_is_named(lived: CommandLine) -> None:
    tampering = Tampering(lived.environment["TELEMETRY_DATABASE_URL"])
    tampering.write(lambda it: it.execute(text("UPDATE telemetry_configuration SET api_key_sealed = 'a text'")))
    tampering.close()
    assert UNREADABLE[SealedKind.API_KEY] in found(lived)["sealed"]["sentence"]
