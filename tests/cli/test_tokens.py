"""Service tokens: shown once, alone on the last line, and of no use once revoked (findings M2, I9)."""

from datetime import datetime

import pytest

from telemetry_service.domain.errors import AccessDeniedError
from telemetry_service.identity.scopes import Scope
from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine


def test_the_token_stands_alone_on_the_last_line_and_lets_its_holder_in(cli: CommandLine) -> None:
    ended = cli("token", "create", "control-plane", "--scope", "report", "--scope", "read")
    token = ended.out.splitlines()[-1]
    service = cli.service()
    holder = service.authentication.tokens.verify(token)
    assert holder.name == "control-plane"
    assert holder.scopes == {Scope.REPORT, Scope.READ, Scope.METRICS}
    service.runtime.database.close()


def test_the_list_shows_every_token_and_none_of_their_secrets(cli: CommandLine) -> None:
    made = cli("token", "create", "reporter", "--scope", "report", "--json").json()
    (listed,) = cli("token", "list", "--json").json()
    assert listed["name"] == "reporter"
    assert listed["scopes"] == ["report"]
    table = cli("token", "list").out
    assert made["token_id"] in table
    assert made["token"] not in table


def test_the_list_says_which_key_each_token_depends_on(cli: CommandLine) -> None:
    old, new = cli.environment["CREDENTIAL_ENCRYPTION_KEY"], generate_key()
    kept = cli("token", "create", "used", "--scope", "read").out.splitlines()[-1]
    cli("token", "create", "unused", "--scope", "read")
    for keys, used, unused in ((old, "newest", "newest"), (f"{new},{old}", "older", "older"), (new, "lost", "lost")):
        cli.set(CREDENTIAL_ENCRYPTION_KEY=keys)
        assert keys_of(cli) == {"used": used, "unused": unused}
    cli.set(CREDENTIAL_ENCRYPTION_KEY=f"{new},{old}")
    service = cli.service()
    service.authentication.tokens.verify(kept)
    service.stop()
    assert keys_of(cli) == {"used": "newest", "unused": "older"}
    assert [line.split()[-1] for line in cli("token", "list").out.splitlines()] == ["KEY", "newest", "older"]


def keys_of(cli: CommandLine) -> dict[str, str]:
    return {token["name"]: token["credential_key"] for token in cli("token", "list", "--json").json()}


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


def test_an_init_job_can_run_again(cli: CommandLine) -> None:
    create = ("token", "create", "reporter", "--scope", "report", "--if-missing")
    first, second, third = cli(*create), cli(*create), cli(*create, "--json")
    assert first.out.splitlines()[-1].startswith("cct_")
    for again in (second, third):
        assert (again.code, again.out) == (0, "")
        assert "nothing was created" in again.err
    assert len(cli("token", "list", "--json").json()) == 1
    cli("token", "revoke", "reporter")
    assert cli(*create).out.splitlines()[-1].startswith("cct_")


def test_an_init_job_learns_that_the_token_has_other_scopes(cli: CommandLine) -> None:
    create = ("token", "create", "job", "--if-missing", "--scope")
    assert cli(*create, "report").code == 0
    other = cli(*create, "admin")
    assert (other.code, other.out) == (1, "")
    assert "its scopes are report and not admin" in other.err
    assert cli("token", "revoke", "job").code == 0
    assert cli(*create, "admin").code == 0
    assert cli(*create, "read", "--scope", "admin").code == 0, "admin includes read"


def test_a_token_expires_in_a_year_or_when_it_is_said(cli: CommandLine) -> None:
    for name, option in {"usual": (), "short": ("--expires", "90d"), "kept": ("--expires", "never")}.items():
        assert cli("token", "create", name, "--scope", "read", *option).code == 0
    lasts = {}
    for listed in cli("token", "list", "--json").json():
        ends = listed["expires_at"]
        created = datetime.fromisoformat(listed["created_at"])
        lasts[listed["name"]] = None if ends is None else (datetime.fromisoformat(ends) - created).days
    assert lasts == {"usual": 365, "short": 90, "kept": None}
    assert "EXPIRES" in cli("token", "list").out
    assert "never expires" in cli("token", "create", "other", "--scope", "read", "--expires", "never").out


@pytest.mark.parametrize("expires", ["", "0d", "3651d", "90", "-1d", "1y", "Never", "9" * 30 + "d"])
def test_another_expiry_is_a_usage_error_and_creates_nothing(cli: CommandLine, expires: str) -> None:
    ended = cli("token", "create", "reporter", "--scope", "read", f"--expires={expires}")
    assert ended.code == 2
    assert "--expires" in ended.err
    assert cli("token", "list", "--json").json() == []
