"""``release``, ``withdraw`` and ``accept-without-receipt`` as a script uses them."""

import json

import pytest

from tests.cli.conftest import CommandLine, Ended
from tests.support import faults
from tests.support.license_server import LicenseServer


@pytest.fixture
def manual(connected: CommandLine) -> CommandLine:
    """A deployment that releases nothing by itself."""
    connected.set(TELEMETRY_RELEASE="manual")
    return connected


def prepared(cli: CommandLine) -> str:
    ended = cli("send-now", "--json")
    assert (ended.code, ended.json()["state"]) == (6, "awaiting_release")
    return str(ended.json()["transmission_id"])


def state_in(ended: Ended) -> tuple[int, str]:
    return ended.code, str(json.loads(ended.out)["state"])


def test_send_now_exits_with_6_and_says_that_it_awaits_its_release(manual: CommandLine) -> None:
    ended = manual("send-now")
    assert (ended.code, "awaiting_release" in ended.out) == (6, True)


def test_release_sends_it_and_may_be_repeated(manual: CommandLine, license_server: LicenseServer) -> None:
    waiting = prepared(manual)
    for _ in range(2):
        assert state_in(manual("release", waiting, "--reason", "Reviewed", "--json")) == (0, "success")
    assert len(license_server.journal()) == 1
    refused = manual("withdraw", waiting, "--reason", "Too late")
    assert (refused.code, "(already-delivered)" in refused.err) == (1, True)


def test_withdraw_ends_it_and_may_be_repeated(manual: CommandLine, license_server: LicenseServer) -> None:
    waiting = prepared(manual)
    for _ in range(2):
        assert state_in(manual("withdraw", waiting, "--reason", "Not needed", "--json")) == (0, "withdrawn")
    refused = manual("release", waiting, "--reason", "Reviewed")
    assert (refused.code, "(withdrawn)" in refused.err) == (1, True)
    assert license_server.journal() == ()


def test_no_decision_is_made_without_a_reason(manual: CommandLine) -> None:
    waiting = prepared(manual)
    for command in ("release", "withdraw", "accept-without-receipt"):
        assert manual(command, waiting).code == 2
        assert manual(command, waiting, "--reason", "").code == 1
    assert prepared(manual) != waiting


def test_an_administrator_accepts_without_a_receipt(connected: CommandLine, license_server: LicenseServer) -> None:
    connected.set(TELEMETRY_REQUIRE_RECEIPT="true", TELEMETRY_LICENSE_SERVER_PUBLIC_KEY=license_server.public_key)
    license_server.server.mode = faults.accept_with()
    ended = connected("send-now", "--json")
    assert state_in(ended) == (5, "held")
    accepted = connected(
        "accept-without-receipt", ended.json()["transmission_id"], "--reason", "Support has it", "--json"
    )
    assert state_in(accepted) == (0, "success")
