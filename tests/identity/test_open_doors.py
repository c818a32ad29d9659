"""A way in that the deployment has closed stays closed, and no session outlasts it."""

from dataclasses import replace
from datetime import timedelta

from telemetry_service.domain.issuers import Doors
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.accounts import LOCAL_ADMINISTRATOR
from telemetry_service.identity.authentication import Authentication, make_authentication
from telemetry_service.identity.sessions import OpenedSession, Place, Proven
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database
from tests.identity.conftest import CHEAP, DOORS, KEY, PASSWORD, is_open
from tests.support.actors import ADMIN, CLI, STRANGER, VIEWER
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import entries

NEW, NOWHERE = "another good password", Place(None, None)
MINUTE = timedelta(minutes=1)


def deployed(database: Database, clock: FrozenClock, doors: Doors) -> Authentication:
    return make_authentication(database, clock, KeyRing((KEY,)), CHEAP, doors=doors)


def log_in(authentication: Authentication, password: str = PASSWORD) -> OpenedSession:
    return authentication.sessions.log_in("admin", password, STRANGER)


def test_a2_only_the_host_opens_a_closed_login_and_for_an_hour(database: Database, clock: FrozenClock) -> None:
    accounts = (closed := deployed(database, clock, replace(DOORS, local_login=False))).accounts
    assert accounts.set_first_password(PASSWORD, CLI)
    assert not accounts.is_login_open(), "a first password is none that someone set to get in"
    assert accounts.set_password(PASSWORD, CLI)
    session = log_in(closed)
    clock.advance(59 * MINUTE)
    assert accounts.is_login_open()
    changed = closed.sessions.change_password(session.session, PASSWORD, NEW, ADMIN, NOWHERE)
    assert is_open(closed, changed)
    clock.advance(MINUTE)
    assert not accounts.is_login_open(), "who is in must not keep it open"
    assert not is_open(closed, changed)


def test_a2_a_password_that_was_set_while_the_login_was_open_does_not_keep_it_open(
    database: Database, clock: FrozenClock
) -> None:
    assert not deployed(database, clock, DOORS).accounts.set_password(PASSWORD, CLI)
    assert not deployed(database, clock, replace(DOORS, local_login=False)).accounts.is_login_open()


def test_a2_no_session_outlasts_the_way_that_its_person_came_in(
    administered: Authentication, database: Database, clock: FrozenClock
) -> None:
    local, remote = log_in(administered), administered.sessions.open(Proven(VIEWER, clock.now()), STRANGER)
    assert DOORS.provider is not None
    elsewhere = replace(DOORS.provider, issuer="https://other.example")
    for doors, lasting in {
        DOORS: [True, True],
        Doors(): [True, False],
        replace(DOORS, provider=elsewhere): [True, False],
        replace(DOORS, local_login=False): [False, True],
    }.items():
        then = deployed(database, clock, doors)
        assert [is_open(then, one) for one in (local, remote)] == lasting, doors
        own = [bool(then.own_sessions.list(person, None)) for person in (LOCAL_ADMINISTRATOR, VIEWER)]
        others = [bool(then.others_sessions.people(person)) for person in (VIEWER, LOCAL_ADMINISTRATOR)]
        assert own == others == lasting, "who is not in is not listed"


def test_a2_a_session_does_not_continue_when_its_way_in_opens_again(
    administered: Authentication, database: Database, clock: FrozenClock
) -> None:
    local, remote = log_in(administered), administered.sessions.open(Proven(VIEWER, clock.now()), STRANGER)
    administered.sessions.end_unadmitted(CLI)
    assert [is_open(administered, one) for one in (local, remote)] == [True, True]
    deployed(database, clock, replace(DOORS, local_login=False)).sessions.end_unadmitted(CLI)
    assert [is_open(administered, one) for one in (local, remote)] == [False, True]
    assert entries(database)[-1].kind is Kind.SESSIONS_ENDED
    local = log_in(administered)
    deployed(database, clock, replace(DOORS, local_login=False)).others_sessions.end_all(VIEWER, ADMIN)
    assert [is_open(administered, one) for one in (local, remote)] == [False, True], "everyone else"
