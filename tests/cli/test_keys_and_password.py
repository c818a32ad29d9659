"""Keys and the administrator's password."""

import pytest

from telemetry_service.domain.errors import LoginFailedError
from telemetry_service.settings import load_settings
from tests.cli.conftest import CommandLine
from tests.support.actors import PROVIDED, STRANGER


def test_generated_keys_are_what_the_settings_take_and_differ(bare: CommandLine) -> None:
    keys = [bare("generate-key").out.strip() for _ in range(2)]
    settings = load_settings({"ENCRYPTION_KEY": keys[0], "CREDENTIAL_ENCRYPTION_KEY": keys[1]})
    assert not settings.ephemeral_keys


def test_a_password_from_standard_input_lets_the_administrator_in(cli: CommandLine) -> None:
    ended = cli("admin", "set-password", "--stdin", stdin="a long enough password\n")
    assert ended.code == 0
    assert "a long enough password" not in ended.out + ended.err
    service = cli.service()
    assert service.authentication.sessions.log_in("admin", "a long enough password", STRANGER).token
    with pytest.raises(LoginFailedError):
        service.authentication.sessions.log_in("admin", "another password", STRANGER)
    service.runtime.database.close()


def test_a2_a_password_set_on_the_host_says_that_it_opens_a_closed_login_for_an_hour(cli: CommandLine) -> None:
    set_password = ("admin", "set-password", "--stdin")
    assert "open for an hour" not in cli(*set_password, stdin="a long enough password\n").out
    cli.set(**PROVIDED, TELEMETRY_LOCAL_LOGIN="false")
    assert "open for an hour" in cli(*set_password, stdin="a long enough password\n").out


def test_a_short_password_is_refused_and_not_repeated(cli: CommandLine) -> None:
    ended = cli("admin", "set-password", "--stdin", stdin="tiny-word\n")
    assert ended.code == 1
    assert "12 to 1024 characters" in ended.err
    assert "tiny-word" not in ended.err


def test_a_password_from_standard_input_is_one_line(cli: CommandLine) -> None:
    ended = cli("admin", "set-password", "--stdin", stdin="a long enough password\nand a second line\n")
    assert ended.code == 1
    assert "line break" in ended.err
    assert "long enough" not in ended.err
    assert cli("admin", "set-password", "--stdin", stdin="\ufeffa long enough password\r\n").code == 0
