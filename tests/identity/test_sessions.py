"""Browser sessions are kept on the server, end by themselves, and can be ended."""

from datetime import timedelta

import pytest

from telemetry_service.domain.errors import AccessDeniedError, LoginFailedError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.person import Person
from telemetry_service.identity.authentication import Authentication, make_authentication
from telemetry_service.identity.sessions import LoggedOut, OpenedSession, Proven
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database
from tests.identity.conftest import CHEAP, KEY, PASSWORD
from tests.support.actors import ADMIN, ADMINISTRATOR, ISSUER, STRANGER, VIEWER
from tests.support.each import each
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import entries

MINUTE = timedelta(minutes=1)


def _log_in(authentication: Authentication) -> str:
    return authentication.sessions.log_in("admin", PASSWORD, STRANGER).token


def _is_valid(authentication: Authentication, token: str) -> bool:
    try:
        authentication.sessions.find(token)
    except AccessDeniedError:
        return False
    return True


def test_a_session_is_found_by_its_cookie(administered: Authentication) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    assert administered.sessions.find(opened.token) == opened.session


def test_every_login_opens_its_own_session(administered: Authentication) -> None:
    assert _log_in(administered) != _log_in(administered)


@each("token", ["", ".", "x", "0" * 32 + "." + "A" * 43, "0" * 32 + "." + "A" * 42, "é" * 76, "\0"])
def test_a_made_up_cookie_is_refused(administered: Authentication, token: str) -> None:
    assert not _is_valid(administered, token)


def test_a_session_with_another_secret_is_refused(administered: Authentication) -> None:
    first, second = _log_in(administered), _log_in(administered)
    assert not _is_valid(administered, first[:33] + second[33:])


def test_the_database_does_not_hold_what_the_cookie_holds(administered: Authentication, database: Database) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    with database.read() as tx:
        stored = tx.identity.session(opened.session.session_id)
    assert opened.token.partition(".")[2] not in repr(stored)
    assert opened.token not in repr(opened)


def test_an_unused_session_ends_after_two_hours(administered: Authentication, clock: FrozenClock) -> None:
    token = _log_in(administered)
    clock.advance(119 * MINUTE)
    assert _is_valid(administered, token)
    clock.advance(119 * MINUTE)
    assert _is_valid(administered, token)
    clock.advance(120 * MINUTE)
    assert not _is_valid(administered, token)


def test_a_session_ends_after_twelve_hours_however_busy_it_is(administered: Authentication, clock: FrozenClock) -> None:
    token = _log_in(administered)
    for _ in range(11):
        clock.advance(60 * MINUTE)
        assert _is_valid(administered, token)
    clock.advance(60 * MINUTE)
    assert not _is_valid(administered, token)


def test_logging_out_ends_the_session_and_no_other(administered: Authentication, database: Database) -> None:
    gone, stays = administered.sessions.log_in("admin", PASSWORD, STRANGER), _log_in(administered)
    administered.sessions.log_out(gone.session, ADMIN)
    assert not _is_valid(administered, gone.token)
    assert _is_valid(administered, stays)
    assert entries(database)[-1].kind is Kind.LOGOUT


def test_the_password_counts_as_recent_for_ten_minutes(administered: Authentication, clock: FrozenClock) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    clock.advance(10 * MINUTE)
    assert opened.session.is_recent(clock.now())
    clock.advance(timedelta(seconds=1))
    assert not opened.session.is_recent(clock.now())
    token = administered.sessions.reauthenticate(opened.session, PASSWORD, ADMIN)
    assert administered.sessions.find(token).is_recent(clock.now())


def test_a_session_that_is_used_notes_its_person_and_that_a_wrong_password_showed_nothing(
    administered: Authentication, database: Database
) -> None:
    session = administered.sessions.log_in("admin", PASSWORD, STRANGER).session
    with pytest.raises(LoginFailedError):
        administered.sessions.reauthenticate(session, "not the password at all", ADMIN)
    administered.sessions.reauthenticate(session, PASSWORD, ADMIN)
    administered.sessions.log_out(session, ADMIN)
    assert [(entry.kind, entry.actor) for entry in entries(database)[-3:]] == [
        (Kind.REVEAL_REFUSED, "admin"),
        (Kind.LOGIN, "admin"),
        (Kind.LOGOUT, "admin"),
    ]


def test_a_login_from_the_future_is_not_recent(administered: Authentication, clock: FrozenClock) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    clock.advance(-MINUTE)
    assert not opened.session.is_recent(clock.now())


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=1), timedelta(days=365)])
def test_a_clock_set_back_makes_no_session_last_longer(
    administered: Authentication, clock: FrozenClock, back: timedelta
) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    clock.advance(-back)
    assert not _is_valid(administered, opened.token)
    assert _is_valid(administered, administered.sessions.log_in("admin", PASSWORD, STRANGER).token)


def test_a_session_goes_on_across_clocks_that_differ_a_little_and_is_idle_by_the_clock_that_is_right(
    administered: Authentication, clock: FrozenClock
) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    clock.advance(-4 * MINUTE)
    assert _is_valid(administered, opened.token)
    clock.advance(90 * MINUTE)
    assert _is_valid(administered, opened.token)
    clock.advance(-60 * MINUTE)
    assert _is_valid(administered, opened.token), "it was opened before this moment"
    clock.advance(120 * MINUTE)
    assert not _is_valid(administered, opened.token), "two hours by the clock since it was set back"


def test_a_wrong_password_does_not_count_as_recent(administered: Authentication, clock: FrozenClock) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    clock.advance(11 * MINUTE)
    with pytest.raises(LoginFailedError):
        administered.sessions.reauthenticate(opened.session, "not the password at all", ADMIN)
    assert not administered.sessions.find(opened.token).is_recent(clock.now())


def test_authenticating_again_gives_the_session_a_new_token(administered: Authentication, clock: FrozenClock) -> None:
    sessions = administered.sessions
    local = sessions.log_in("admin", PASSWORD, STRANGER)
    remote = sessions.open(Proven(VIEWER, clock.now()), STRANGER)
    renewed = {
        local: sessions.reauthenticate(local.session, PASSWORD, ADMIN),
        remote: sessions.renew(remote.session, Proven(VIEWER, clock.now(), login_digest=b"1" * 32), STRANGER),
    }
    for before, token in renewed.items():
        assert not _is_valid(administered, before.token)
        assert sessions.find(token).session_id == before.session.session_id
        assert sessions.is_proof(token, before.session.csrf_token), "pages that are open stay usable"


def test_a_log_out_at_the_issuer_ends_the_session_it_names_and_those_without_a_name(
    administered: Authentication, clock: FrozenClock
) -> None:
    sessions, now = administered.sessions, clock.now()

    def opened(sid: str | None, person: Person = VIEWER) -> OpenedSession:
        return sessions.open(Proven(person, now, sid), STRANGER)

    renewed, nameless = opened("old"), opened(None)
    stays = [opened("another"), opened(None, ADMINISTRATOR)]
    token = sessions.renew(renewed.session, Proven(VIEWER, now, "new", b"1" * 32), STRANGER)
    sessions.end_of(LoggedOut(ISSUER, "new", VIEWER.subject, now + MINUTE, "first"))
    assert not _is_valid(administered, token)
    assert not _is_valid(administered, nameless.token)
    assert all(_is_valid(administered, one.token) for one in stays)
    sessions.end_of(LoggedOut(ISSUER, None, VIEWER.subject, now + MINUTE, "second"))
    assert [_is_valid(administered, one.token) for one in stays] == [False, True]


def test_a_csrf_token_is_the_proof_of_its_own_session_alone(administered: Authentication) -> None:
    mine = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    other = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    sessions = administered.sessions
    assert sessions.is_proof(mine.token, mine.session.csrf_token)
    assert not sessions.is_proof(mine.token, other.session.csrf_token)
    assert not sessions.is_proof("", mine.session.csrf_token)
    for wrong in ("", "x", "é", mine.session.csrf_token[:-1], mine.token, mine.token.partition(".")[2]):
        assert not sessions.is_proof(mine.token, wrong)


def test_sessions_outlive_a_rotation_of_the_keys_until_the_old_one_is_gone(
    administered: Authentication, database: Database, clock: FrozenClock
) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    rotated = make_authentication(database, clock, KeyRing((b"n" * 32, KEY)), CHEAP)
    found = rotated.sessions.find(opened.token)
    assert found.session_id == opened.session.session_id
    assert rotated.sessions.is_proof(opened.token, opened.session.csrf_token)
    assert rotated.sessions.is_proof(opened.token, found.csrf_token)
    assert not _is_valid(make_authentication(database, clock, KeyRing((b"n" * 32,)), CHEAP), opened.token)


def test_expired_sessions_are_cleared_away_by_the_next_login(
    administered: Authentication, database: Database, clock: FrozenClock
) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    clock.advance(timedelta(hours=13))
    _log_in(administered)
    with database.read() as tx:
        assert tx.identity.session(opened.session.session_id) is None
