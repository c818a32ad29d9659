"""Service tokens: shown once, kept as digests, revocable."""

import re
from datetime import timedelta

import pytest

from telemetry_service.access.entrance import Entrance, make_entrance
from telemetry_service.access.scopes import Scope, granted
from telemetry_service.access.tokens import REMEMBERED, TokenRefusedError
from telemetry_service.domain.activity import Action
from telemetry_service.domain.errors import AccessDeniedError, NotFoundError
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database
from tests.access.conftest import CHEAP, KEY, activity
from tests.support.set_clock import SetClock


def _create(entrance: Entrance, name: str = "reporter", *scopes: Scope) -> str:
    return entrance.tokens.create(name, scopes or (Scope.REPORT,), "cli").token


def test_a_token_says_what_it_is(entrance: Entrance) -> None:
    created = entrance.tokens.create("reporter", [Scope.ADMIN, Scope.REPORT], "cli")
    assert re.fullmatch(r"cct_[a-z2-7]{12}_[A-Za-z0-9_-]{43}", created.token)
    assert created.facts.token_id in created.token
    assert created.facts.scopes == (Scope.REPORT, Scope.ADMIN)
    assert created.token not in repr(created)


def test_a_valid_token_names_its_holder(entrance: Entrance) -> None:
    holder = entrance.tokens.verify(_create(entrance, "reporter", Scope.REPORT))
    assert holder.name == "reporter"
    assert holder.scopes == {Scope.REPORT}


def test_admin_implies_read_and_nothing_implies_report() -> None:
    assert granted([Scope.ADMIN]) == {Scope.ADMIN, Scope.READ}
    assert granted([Scope.READ]) == {Scope.READ}
    assert granted([Scope.REPORT]) == {Scope.REPORT}


def test_the_database_does_not_hold_the_token(entrance: Entrance, database: Database) -> None:
    token = _create(entrance)
    with database.read() as tx:
        stored = repr(tx.access.tokens())
    secret = token[len("cct_") + 12 + len("_") :]
    assert len(secret) == 43
    assert secret not in stored


def test_made_up_tokens_are_refused(entrance: Entrance) -> None:
    token, other = _create(entrance), _create(entrance, "other")
    swapped = token[:17] + other[17:]
    unknown = "cct_" + "a" * 12 + token[16:]
    for wrong in ("", "cct_", token[:-1], token + "A", token.upper(), swapped, unknown, "é" * 60, token + "\n"):
        with pytest.raises(AccessDeniedError):
            entrance.tokens.verify(wrong)
        assert entrance.tokens.remembered(wrong) is None


@pytest.mark.parametrize("name", ["", "two words", "-dash first", "x" * 65, "é", "a\n", "cct/1"])
def test_a_token_needs_a_plain_name(entrance: Entrance, name: str) -> None:
    with pytest.raises(TokenRefusedError):
        _create(entrance, name)


def test_a_token_needs_a_scope(entrance: Entrance) -> None:
    with pytest.raises(TokenRefusedError):
        entrance.tokens.create("reporter", (), "cli")


def test_two_valid_tokens_do_not_share_a_name(entrance: Entrance) -> None:
    first = entrance.tokens.create("reporter", [Scope.REPORT], "cli")
    with pytest.raises(TokenRefusedError):
        _create(entrance, "reporter")
    entrance.tokens.revoke(first.facts.token_id, "cli")
    _create(entrance, "reporter")


def test_a_revoked_token_is_refused_at_once_here(entrance: Entrance) -> None:
    created = entrance.tokens.create("reporter", [Scope.REPORT], "cli")
    entrance.tokens.verify(created.token)
    entrance.tokens.revoke(created.facts.token_id, "cli")
    assert entrance.tokens.remembered(created.token) is None
    with pytest.raises(AccessDeniedError):
        entrance.tokens.verify(created.token)
    with pytest.raises(NotFoundError):
        entrance.tokens.revoke(created.facts.token_id, "cli")


def test_another_replica_believes_a_revoked_token_for_five_seconds_at_most(
    entrance: Entrance, database: Database, clock: SetClock
) -> None:
    replica = make_entrance(database, clock, KeyRing((KEY,)), CHEAP)
    created = entrance.tokens.create("reporter", [Scope.REPORT], "cli")
    replica.tokens.verify(created.token)
    entrance.tokens.revoke(created.facts.token_id, "cli")
    assert timedelta(seconds=5) == REMEMBERED
    clock.advance(timedelta(seconds=4.9))
    assert replica.tokens.remembered(created.token) is not None
    clock.advance(timedelta(seconds=0.1))
    assert replica.tokens.remembered(created.token) is None


def test_a_clock_set_back_does_not_make_the_memory_last(entrance: Entrance, clock: SetClock) -> None:
    token = _create(entrance)
    entrance.tokens.verify(token)
    clock.advance(timedelta(hours=-1))
    assert entrance.tokens.remembered(token) is None


def test_the_memory_holds_no_token(entrance: Entrance) -> None:
    token = _create(entrance)
    entrance.tokens.verify(token)
    assert token[17:] not in repr(vars(entrance.tokens))


def test_the_use_of_a_token_is_noted_at_most_once_a_minute(entrance: Entrance, clock: SetClock) -> None:
    token = _create(entrance)
    first = clock.now()
    for _ in range(12):
        entrance.tokens.verify(token)
        clock.advance(timedelta(seconds=5))
    assert [facts.last_used_at for facts in entrance.tokens.list()] == [first]
    entrance.tokens.verify(token)
    assert [facts.last_used_at for facts in entrance.tokens.list()] == [first + timedelta(minutes=1)]


def test_a_clock_set_back_does_not_keep_the_use_of_a_token_from_being_noted(
    entrance: Entrance, clock: SetClock
) -> None:
    token = _create(entrance)
    entrance.tokens.verify(token)
    clock.advance(timedelta(days=-365))
    entrance.tokens.verify(token)
    assert [facts.last_used_at for facts in entrance.tokens.list()] == [clock.now()]


def test_making_and_revoking_is_noted(entrance: Entrance, database: Database) -> None:
    created = entrance.tokens.create("reporter", [Scope.REPORT], "cli")
    entrance.tokens.revoke(created.facts.token_id, "admin")
    assert [(entry.action, entry.actor, entry.details["token_id"]) for entry in activity(database)] == [
        (Action.TOKEN_CREATED, "cli", created.facts.token_id),
        (Action.TOKEN_REVOKED, "admin", created.facts.token_id),
    ]


def test_tokens_outlive_a_rotation_of_the_keys_until_the_old_one_is_gone(
    entrance: Entrance, database: Database, clock: SetClock
) -> None:
    token = _create(entrance)
    make_entrance(database, clock, KeyRing((b"n" * 32, KEY)), CHEAP).tokens.verify(token)
    with pytest.raises(AccessDeniedError):
        make_entrance(database, clock, KeyRing((b"n" * 32,)), CHEAP).tokens.verify(token)
