"""What nobody sees in a setting is never part of it without a word (F7, F8)."""

from pathlib import Path

import pytest

from telemetry_service.domain.errors import SettingsError
from telemetry_service.identity.password_rules import PasswordRefusedError
from telemetry_service.identity.passwords import Passwords
from telemetry_service.settings import _LISTS_AND_BLOCKS, _PLAIN, _SECRETS, load_settings
from tests.settings.keys import ENCRYPTION_KEY, VALID
from tests.support.each import each
from tests.support.running import CHEAP

PASSWORD = "correct horse battery"
ONE_LINE = sorted((_PLAIN | _SECRETS) - _LISTS_AND_BLOCKS)
UNSEEN = {
    "line end": "{}\n",
    "carriage return": "{}\r",
    "second line": "{}\nmore",
    "byte order mark": "\ufeff{}",
    "trailing blank": "{} ",
    "leading blank": " {}",
    "no-break space": "{}\u00a0",
    "no-break space inside": "{}\u00a0more",
    "zero-width space": "{}\u200bmore",
    "zero-width space at the end": "{}\u200b",
    "soft hyphen": "{}\u00admore",
    "direction mark": "\u200e{}",
    "tab": "{}\tmore",
    "line separator": "{}\u2028more",
    "escape": "{}\x1b[0m",
    "no UTF-8": "{}\udcff",
}


def problem_of(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as error:
        load_settings(VALID | environ)
    (problem,) = error.value.problems
    return problem


@each("name", ONE_LINE)
@each("unseen", UNSEEN)
def test_no_setting_accepts_invisible_characters(name: str, unseen: str) -> None:
    value = UNSEEN[unseen].format("sqlite:///data/canary.db" if name.endswith("_URL") else "canary canary")
    problem = problem_of({name: value})
    assert problem.startswith((f"{name} contains ", f"{name} begins or ends with a space"))
    assert "canary" not in problem


@pytest.mark.parametrize("content", [f"{PASSWORD}\n", f"{PASSWORD}\r\n", f"\ufeff{PASSWORD}\r\n", PASSWORD])
def test_the_line_end_and_the_mark_of_an_editor_are_no_part_of_a_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "password").write_bytes(content.encode())
    settings = load_settings(VALID | {"TELEMETRY_ADMIN_PASSWORD_FILE": str(tmp_path / "password")})
    assert settings.admin_password is not None
    assert settings.admin_password.get_secret_value() == PASSWORD


@pytest.mark.parametrize("content", [f"{PASSWORD}\nsecond\n", f"{PASSWORD}\n\n", f"{PASSWORD} \n", f"\n{PASSWORD}"])
def test_a_file_with_more_than_its_line_is_refused_by_the_name_of_its_variable(tmp_path: Path, content: str) -> None:
    (tmp_path / "password").write_text(content)
    problem = problem_of({"TELEMETRY_ADMIN_PASSWORD_FILE": str(tmp_path / "password")})
    of_file = "TELEMETRY_ADMIN_PASSWORD_FILE"
    assert problem.startswith((f"{of_file} contains a line break", f"{of_file} begins"))
    assert "horse" not in problem


def test_a_carriage_return_makes_no_second_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/telemetry.db\r"
    assert problem_of({"TELEMETRY_DATABASE_URL": url}).startswith("TELEMETRY_DATABASE_URL contains a line break")
    (tmp_path / "url").write_bytes(f"{url}\n".encode())
    settings = load_settings(VALID | {"TELEMETRY_DATABASE_URL_FILE": str(tmp_path / "url")})
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/telemetry.db"


def test_keys_may_be_broken_into_lines() -> None:
    settings = load_settings(VALID | {"ENCRYPTION_KEY": f" {ENCRYPTION_KEY}\n"})
    assert len(settings.encryption_keys) == 1


@each("unseen", UNSEEN)
def test_no_password_accepts_invisible_characters(unseen: str) -> None:
    with pytest.raises(PasswordRefusedError, match=r"^The password (contains|begins or ends with) "):
        Passwords(CHEAP).hash(UNSEEN[unseen].format(PASSWORD))
