"""The actor of a command: the user of the operating system, whatever the environment says and whoever it is."""

import os
import pwd

import pytest

from telemetry_service.cli.open_service import command_actor
from telemetry_service.domain.actor import Actor, ActorKind


def test_a_command_is_its_users_who_cannot_choose_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    user = pwd.getpwuid(0)
    monkeypatch.setattr(os, "getuid", lambda: user.pw_uid)
    assert command_actor() == Actor(ActorKind.COMMAND, user.pw_name)


def test_a_user_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    unnamed = next(uid for uid in range(60_000, 65_000) if not _has_name(uid))
    monkeypatch.setattr(os, "getuid", lambda: unnamed)
    assert command_actor() == Actor(ActorKind.COMMAND, str(unnamed))


def _has_name(uid: int) -> bool:
    return any(entry.pw_uid == uid for entry in pwd.getpwall())
