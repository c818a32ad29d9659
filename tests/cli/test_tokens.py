"""Service tokens: shown once, alone on the last line, and of no use once revoked."""

import pytest

from telemetry_service.domain.errors import AccessDeniedError
from telemetry_service.identity.scopes import Scope
from tests.cli.conftest import CommandLine


def test_the_token_stands_alone_on_the_last_line_and_lets_its_holder_in(cli: CommandLine) -> None:
    ended = cli("token", "create", "control-plane", "--scope", "report", "--scope", "read")
    token = ended.out.splitlines()[-1]
    service = cli.service()
    holder = service.authentication.tokens.verify(token)
    assert holder.name == "control-plane"
    assert holder.scopes == {Scope.REPORT, Scope.READ}
    service.runtime.database.close()


def test_the_list_shows_every_token_and_none_of_their_secrets(cli: CommandLine) -> None:
    made = cli("token", "create", "reporter", "--scope", "report", "--json").json()
    (listed,) = cli("token", "list", "--json").json()
    assert listed["name"] == "reporter"
    assert listed["scopes"] == ["report"]
    table = cli("token", "list").out
    assert made["token_id"] in table
    assert made["token"] not in table


@pytest.mark.parametrize("named_by", ["name", "token_id"])
def test_a_revoked_token_admits_no_one(cli: CommandLine, named_by: str) -> None:
    made = cli("token", "create", "reporter", "--scope", "report", "--json").json()
    assert cli("token", "revoke", made[named_by]).code == 0
    service = cli.service()
    with pytest.raises(AccessDeniedError):
        service.authentication.tokens.verify(made["token"])
    service.runtime.database.close()
    assert cli("token", "revoke", made[named_by]).code == 1


def test_a_token_needs_a_scope_and_a_unique_name(cli: CommandLine) -> None:
    assert cli("token", "create", "reporter").code == 2
    assert cli("token", "create", "reporter", "--scope", "everything").code == 2
    assert cli("token", "create", "reporter", "--scope", "report").code == 0
    assert cli("token", "create", "reporter", "--scope", "read").code == 1
