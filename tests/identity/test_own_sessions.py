"""Where a person is logged in: listed, marked, and ended one by one or together."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from telemetry_service.domain.errors import LoginFailedError, NotFoundError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.person import Person
from telemetry_service.identity.accounts import LOCAL_ADMINISTRATOR
from telemetry_service.identity.authentication import Authentication
from telemetry_service.identity.password_rules import PasswordRefusedError
from telemetry_service.identity.sessions import OpenedSession, Place, Proven
from telemetry_service.storage.database import Database
from tests.identity.conftest import PASSWORD, is_open
from tests.support.actors import ADMIN, STRANGER, VIEWER
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import entries

NEW = "another good password"


def log_in(authentication: Authentication, browser: str = "Firefox on Linux") -> OpenedSession:
    return authentication.sessions.log_in("admin", PASSWORD, STRANGER, None, browser)


def listed(authentication: Authentication, person: Person = LOCAL_ADMINISTRATOR) -> set[UUID]:
    return {one.session_id for one in authentication.own_sessions.list(person, None)}


def test_a_second_login_leaves_the_first_one_in_the_list(administered: Authentication, clock: FrozenClock) -> None:
    first = log_in(administered)
    clock.advance(timedelta(minutes=5))
    second = log_in(administered, "Chrome on Windows")
    latest, earlier = administered.own_sessions.list(LOCAL_ADMINISTRATOR, second.session.session_id)
    assert (latest.session_id, latest.browser, latest.current) == (
        second.session.session_id,
        "Chrome on Windows",
        True,
    )
    assert (earlier.session_id, earlier.address, earlier.current) == (
        first.session.session_id,
        STRANGER.address,
        False,
    )
    assert earlier.started_at == clock.now() - timedelta(minutes=5)


def test_what_has_ended_is_not_listed(administered: Authentication, clock: FrozenClock) -> None:
    log_in(administered)
    clock.advance(timedelta(hours=2))
    fresh = log_in(administered)
    assert listed(administered) == {fresh.session.session_id}


def test_one_session_is_ended_or_all_others_or_all(administered: Authentication, database: Database) -> None:
    one, other, third = (log_in(administered) for _ in range(3))
    own = administered.own_sessions
    own.end(LOCAL_ADMINISTRATOR, one.session.session_id, ADMIN)
    assert [is_open(administered, each) for each in (one, other, third)] == [False, True, True]
    with pytest.raises(NotFoundError):
        own.end(LOCAL_ADMINISTRATOR, one.session.session_id, ADMIN)
    assert own.end_all(LOCAL_ADMINISTRATOR, ADMIN, kept=third.session.session_id) == 1
    assert [is_open(administered, each) for each in (other, third)] == [False, True]
    assert own.end_all(LOCAL_ADMINISTRATOR, ADMIN, kept=third.session.session_id) == 0
    assert own.end_all(LOCAL_ADMINISTRATOR, ADMIN) == 1
    assert not is_open(administered, third)
    noted = [entry for entry in entries(database) if entry.kind is Kind.SESSIONS_ENDED]
    assert [(entry.actor, entry.details["sessions_ended"]) for entry in noted] == [("admin", 1)] * 3


def test_nobody_sees_or_ends_the_sessions_of_another_person(administered: Authentication, clock: FrozenClock) -> None:
    local = log_in(administered)
    viewer = administered.sessions.open(Proven(VIEWER, clock.now()), STRANGER)
    assert listed(administered) == {local.session.session_id}
    assert listed(administered, VIEWER) == {viewer.session.session_id}
    with pytest.raises(NotFoundError):
        administered.own_sessions.end(VIEWER, local.session.session_id, ADMIN)
    administered.own_sessions.end_all(VIEWER, ADMIN)
    assert is_open(administered, local)
    assert not is_open(administered, viewer)


def test_an_administrator_logs_out_one_other_person_or_everyone_else(
    administered: Authentication, database: Database, clock: FrozenClock
) -> None:
    own, others, known = log_in(administered), administered.others_sessions, len(entries(database))
    viewers = [administered.sessions.open(Proven(VIEWER, clock.now()), STRANGER) for _ in range(3)]
    (before,) = others.people(LOCAL_ADMINISTRATOR)
    administered.sessions.log_out(viewers.pop().session, ADMIN)
    clock.advance(timedelta(minutes=2))
    second = replace(VIEWER, subject="4712", name=None)
    namesake = administered.sessions.open(Proven(replace(second, subject="4713"), clock.now()), STRANGER)
    clock.advance(timedelta(minutes=2))
    other = administered.sessions.open(Proven(second, clock.now()), STRANGER)
    shown = others.people(LOCAL_ADMINISTRATOR)
    (after,) = [one for one in shown if one.person == VIEWER]
    assert before.person_id == after.person_id, "whichever of the sessions are left"
    assert [(one.person.subject, one.sessions) for one in shown] == [("4712", 1), ("4713", 1), (VIEWER.subject, 2)]
    (local,) = [one for one in others.people(VIEWER) if one.person == LOCAL_ADMINISTRATOR]
    with pytest.raises(NotFoundError):
        others.end(LOCAL_ADMINISTRATOR, local.person_id, ADMIN)
    assert others.end(LOCAL_ADMINISTRATOR, shown[-1].person_id, ADMIN) == 2
    assert [is_open(administered, each) for each in (*viewers, other, namesake, own)] == [False] * 2 + [True] * 3
    assert others.end_all(LOCAL_ADMINISTRATOR, ADMIN) == 2
    assert others.end_all(LOCAL_ADMINISTRATOR, ADMIN) == 0
    assert [is_open(administered, each) for each in (other, namesake, own)] == [False, False, True]
    assert others.people(LOCAL_ADMINISTRATOR) == ()
    noted = [entry for entry in entries(database)[known:] if entry.kind is Kind.SESSIONS_ENDED]
    assert [(entry.actor, entry.details["sessions_ended"]) for entry in noted] == [("admin", 2)] * 2


def test_a_new_password_needs_the_present_one_and_ends_the_other_sessions(
    administered: Authentication, database: Database, clock: FrozenClock
) -> None:
    this, other = log_in(administered), log_in(administered)
    viewer = administered.sessions.open(Proven(VIEWER, clock.now()), STRANGER)
    known = len(entries(database))
    place = Place(ADMIN.address, "Firefox on Linux")
    opened = administered.sessions.change_password(this.session, PASSWORD, NEW, ADMIN, place)
    assert [is_open(administered, each) for each in (this, other, opened, viewer)] == [False, False, True, True]
    (noted,) = entries(database)[known:]
    assert (noted.kind, noted.actor, noted.details["sessions_ended"]) == (Kind.PASSWORD_SET, "admin", 1)
    with pytest.raises(LoginFailedError):
        administered.sessions.log_in("admin", PASSWORD, STRANGER)
    administered.sessions.log_in("admin", NEW, STRANGER)
    device = administered.devices.read(opened.device_cookie)
    assert administered.accounts.source_of(device, STRANGER).known
    assert not administered.accounts.source_of(administered.devices.read(this.device_cookie), STRANGER).known


def test_a_wrong_present_password_and_a_weak_new_one_change_nothing(
    administered: Authentication, database: Database
) -> None:
    this = log_in(administered)
    place = Place(None, None)
    with pytest.raises(LoginFailedError):
        administered.sessions.change_password(this.session, "wrong", NEW, ADMIN, place)
    with pytest.raises(PasswordRefusedError):
        administered.sessions.change_password(this.session, PASSWORD, "password1234", ADMIN, place)
    assert is_open(administered, this)
    assert entries(database)[-1].kind is Kind.PASSWORD_REFUSED
    administered.sessions.log_in("admin", PASSWORD, STRANGER)
