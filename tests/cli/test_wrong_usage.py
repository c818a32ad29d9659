"""What is asked for wrongly is said to be so, by its own sentence, and nothing is done."""

from pathlib import Path

import pytest

from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine

NOBODYS = "01980000-0000-7000-8000-000000000001"


@pytest.fixture
def kept(bare: CommandLine, sqlite_url: str) -> CommandLine:
    """A command line with keys and a database on SQLite."""
    bare.set(ENCRYPTION_KEY=generate_key(), CREDENTIAL_ENCRYPTION_KEY=generate_key(), TELEMETRY_DATABASE_URL=sqlite_url)
    assert bare("migrate").code == 0
    return bare


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("history", "--from", "2026-11-05", "--to", "2026-11-01"), "--from"),
        (("history", "--limit", "0"), "--limit"),
        (("send-now", "--idempotency-key", ""), "--idempotency-key"),
        (("send-now", "--idempotency-key", "two words"), "--idempotency-key"),
        (("serve", "--trusted-proxy", "proxy.example"), "--trusted-proxy"),
        (("serve", "--port", "65536"), "--port"),
        (("license-server", "--customer-id", "Acme"), "--customer-id"),
        (("prove", "first"), "transmission_id"),
        (("admin", "set-password"), "--stdin"),
    ],
)
def test_a_wrong_argument_is_2_and_named(kept: CommandLine, arguments: tuple[str, ...], option: str) -> None:
    ended = kept(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert option in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prove", NOBODYS), "No transmission has this ID"),
        (("token", "revoke", "nobody"), "No valid token has this ID or name"),
        (("token", "create", "two words", "--scope", "read"), "A service token name has 1 to 64"),
        (("history", "--cursor", "x"), "This cursor is not valid."),
    ],
)
def test_what_is_missing_or_not_allowed_is_1_and_reported(
    kept: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    ended = kept(*arguments)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(said)


def test_a_token_with_a_name_that_is_taken_is_reported(kept: CommandLine) -> None:
    kept("token", "create", "reporter", "--scope", "report")
    assert kept("token", "create", "reporter", "--scope", "read").err.startswith("Another valid token has this name.")


def test_no_tokens_are_said_to_be_none(kept: CommandLine) -> None:
    assert kept("token", "list").out == "No service tokens yet.\n"
    assert kept("token", "list", "--json").json() == []


def test_the_preview_says_once_what_is_not_configured(kept: CommandLine) -> None:
    assert kept("preview").out.count("TELEMETRY_LICENSE_SERVER_URL") == 1


def test_a_folder_that_cannot_be_used_is_reported(kept: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    ended = kept("license-server", "--folder", "a-file")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.endswith("(folder-refused)\n")


def test_the_health_check_writes_json_where_it_is_asked_to(bare: CommandLine) -> None:
    ended = bare("doctor", "--liveness", "--port", "1", "--json")
    assert (ended.code, ended.json()) == (1, {"alive": False})


def test_with_json_a_refusal_leaves_standard_output_empty(kept: CommandLine) -> None:
    for command in ("send-now", "test-connection"):
        ended = kept(command, "--json")
        assert (ended.code, ended.out) == (6, "")
        assert ended.err.endswith("(not-configured)\n")
