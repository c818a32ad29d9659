"""The local administrator: no default account, and no guessing."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from telemetry_service.domain.actor import DEPLOYMENT
from telemetry_service.domain.errors import AccessDeniedError, LoginFailedError, TelemetryError
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.authentication import Authentication, make_authentication
from telemetry_service.identity.password_rules import PasswordRefusedError
from telemetry_service.identity.passwords import HashCost, Passwords
from telemetry_service.identity.throttle import LoginBlockedError, block_after
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database
from tests.identity.conftest import CHEAP, KEY, PASSWORD
from tests.support.actors import CLI, STRANGER
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import entries

WRONG = "not the password at all"


def test_there_is_no_default_account(authentication: Authentication) -> None:
    assert not authentication.accounts.exist()
    for password in ("", "admin", "password", PASSWORD, "nobody has this password"):
        with pytest.raises(LoginFailedError):
            authentication.sessions.log_in("admin", password, STRANGER)


def test_logins_before_there_is_an_account_leave_no_trace(authentication: Authentication, database: Database) -> None:
    for _ in range(20):
        assert _fail(authentication) is LoginFailedError
    assert entries(database) == []


def test_the_first_password_is_set_only_once(authentication: Authentication) -> None:
    assert authentication.accounts.set_first_password(PASSWORD, DEPLOYMENT)
    assert not authentication.accounts.set_first_password("another password", DEPLOYMENT)
    authentication.sessions.log_in("admin", PASSWORD, STRANGER)


def test_replicas_that_start_together_agree_on_the_first_password(authentication: Authentication) -> None:
    passwords = [f"the password of replica {number}" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda password: authentication.accounts.set_first_password(password, DEPLOYMENT), passwords)
        )
    assert made.count(True) == 1
    authentication.sessions.log_in("admin", passwords[made.index(True)], STRANGER)


@pytest.mark.parametrize("password", ["", "elevenchars", "x" * 1025, "lone surrogate \ud800"])
def test_a_password_has_twelve_to_a_thousand_characters_of_text(authentication: Authentication, password: str) -> None:
    with pytest.raises(PasswordRefusedError):
        authentication.accounts.set_password(password, CLI)
    assert not authentication.accounts.exist()


def test_a_password_is_kept_as_an_argon2id_hash_alone(administered: Authentication, database: Database) -> None:
    assert administered.accounts.exist()
    with database.read() as tx:
        account = tx.identity.account()
    assert account is not None
    assert account.password_hash.startswith("$argon2id$")
    assert PASSWORD not in account.password_hash


def test_the_usual_cost_of_a_hash_is_that_of_rfc_9106() -> None:
    assert Passwords().hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_the_parts_are_put_together_without_hashing_anything(database: Database, clock: FrozenClock) -> None:
    # At this cost one hash takes 64 MiB and, on this machine, longer than all of a start: so the CPU time shows it.
    one_hash = _cpu_seconds(lambda: Passwords().hash(PASSWORD))
    made = _cpu_seconds(lambda: make_authentication(database, clock, KeyRing((KEY,))))
    assert made < one_hash / 4


def test_a_wrong_name_costs_as_much_as_a_wrong_password() -> None:
    passwords = Passwords(HashCost(rounds=2, memory_kib=16_384, lanes=1))
    known = passwords.hash(PASSWORD)
    wrong_password = min(_cpu_seconds(lambda: passwords.verify(known, WRONG)) for _ in range(5))
    wrong_name = min(_cpu_seconds(lambda: passwords.verify(None, WRONG)) for _ in range(5))
    assert wrong_name > wrong_password / 2
    assert wrong_password > wrong_name / 2


def test_what_is_verified_for_a_wrong_name_is_a_hash_at_todays_cost() -> None:
    # It is there from the beginning, so the first login of all differs in nothing from the ones after it.
    cost = HashCost(rounds=1, memory_kib=64, lanes=2)
    nobodys = Passwords(cost)._nobodys  # noqa: SLF001 - nobody else can see it, which is the point
    assert nobodys.startswith("$argon2id$v=19$m=64,t=1,p=2$")
    assert Passwords(cost).renewed(nobodys, PASSWORD) is None
    assert Passwords(cost)._nobodys != nobodys  # noqa: SLF001


@pytest.mark.parametrize("odd", ["a blank at the end ", "a zero\u200bwidth space", "a tab\tin it"])
def test_a_password_of_an_earlier_version_lets_in_and_gets_todays_cost_whatever_is_unseen_in_it(
    authentication: Authentication, database: Database, clock: FrozenClock, odd: str
) -> None:
    with pytest.raises(PasswordRefusedError):
        authentication.accounts.set_password(odd, CLI)
    with database.write() as tx:
        tx.identity.set_password(PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash(odd), clock.now())
    for _ in range(2):
        authentication.sessions.log_in("admin", odd, STRANGER)
    with database.read() as tx:
        account = tx.identity.account()
    assert account is not None
    assert Passwords(CHEAP).renewed(account.password_hash, odd) is None


def test_the_same_letters_are_the_same_password_however_a_keyboard_composes_them(
    authentication: Authentication,
) -> None:
    authentication.accounts.set_password("Zürich am Abend", CLI)
    authentication.sessions.log_in("admin", "Zu\u0308rich am Abend", STRANGER)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("admin", WRONG),
        ("Admin", PASSWORD),
        ("root", PASSWORD),
        ("", PASSWORD),
        ("admin", "x" * 2_000),
        ("admin", "\ud800"),
    ],
)
def test_a_wrong_name_and_a_wrong_password_are_refused_alike(
    administered: Authentication, name: str, password: str
) -> None:
    with pytest.raises(LoginFailedError) as refusal:
        administered.sessions.log_in(name, password, STRANGER)
    assert refusal.value.text == LoginFailedError.sentence


def test_five_failures_are_free_and_then_each_doubles_the_wait() -> None:
    waits = [block_after(failures) for failures in range(12)]
    seconds = [None if wait is None else wait.total_seconds() for wait in waits]
    assert seconds == [None] * 5 + [30, 60, 120, 240, 480, 900, 900]
    assert block_after(10**9) == timedelta(minutes=15)


def _fail(authentication: Authentication, name: str = "admin") -> type[TelemetryError]:
    with pytest.raises(TelemetryError) as refusal:
        authentication.sessions.log_in(name, WRONG, STRANGER)
    return type(refusal.value)


@pytest.mark.parametrize("name", ["admin", "somebody"])
def test_guessing_is_slowed_down_whatever_the_name(administered: Authentication, clock: FrozenClock, name: str) -> None:
    assert [_fail(administered, name) for _ in range(6)] == [LoginFailedError] * 5 + [LoginBlockedError]
    with pytest.raises(LoginBlockedError) as blocked:
        administered.sessions.log_in("admin", PASSWORD, STRANGER)
    assert blocked.value.retry_after == 30
    clock.advance(timedelta(seconds=30))
    administered.sessions.log_in("admin", PASSWORD, STRANGER)


def test_a_refusal_during_a_block_does_not_prolong_it(administered: Authentication, clock: FrozenClock) -> None:
    for _ in range(20):
        _fail(administered)
    clock.advance(timedelta(seconds=30))
    assert _fail(administered) is LoginFailedError
    assert _fail(administered) is LoginBlockedError


def test_a_right_password_forgets_the_failures(administered: Authentication) -> None:
    for _ in range(4):
        _fail(administered)
    administered.sessions.log_in("admin", PASSWORD, STRANGER)
    assert [_fail(administered) for _ in range(5)] == [LoginFailedError] * 5


def test_guesses_made_at_the_same_moment_do_not_outrun_the_count(administered: Authentication) -> None:
    with ThreadPoolExecutor(12) as pool:
        refusals = list(pool.map(lambda _: _fail(administered), range(12)))
    assert refusals.count(LoginFailedError) == 5


def test_a_clock_set_back_does_not_make_a_block_last_for_years(
    administered: Authentication, clock: FrozenClock
) -> None:
    for _ in range(5):
        _fail(administered)
    clock.advance(timedelta(days=-3650))
    with pytest.raises(LoginBlockedError) as blocked:
        administered.sessions.log_in("admin", PASSWORD, STRANGER)
    assert blocked.value.retry_after <= 30, "as long as it was meant, and not as long as any may be"
    clock.advance(timedelta(seconds=30))
    administered.sessions.log_in("admin", PASSWORD, STRANGER)


def test_setting_the_password_lifts_a_block_and_ends_every_session(administered: Authentication) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    for _ in range(6):
        _fail(administered)
    administered.accounts.set_password("another good password", CLI)
    with pytest.raises(AccessDeniedError):
        administered.sessions.find(opened.token)
    administered.sessions.log_in("admin", "another good password", STRANGER)


def test_a_password_never_expires(administered: Authentication, clock: FrozenClock) -> None:
    for years in (1, 10, 50):
        clock.advance(timedelta(days=366 * years))
        administered.sessions.log_in("admin", PASSWORD, STRANGER)


def test_a_password_hashed_at_another_cost_is_rehashed_at_the_next_login(
    administered: Authentication, database: Database, clock: FrozenClock
) -> None:
    opened = administered.sessions.log_in("admin", PASSWORD, STRANGER)
    dearer = make_authentication(database, clock, KeyRing((KEY,)), HashCost(rounds=2, memory_kib=16, lanes=1))
    dearer.sessions.log_in("admin", PASSWORD, STRANGER)
    with database.read() as tx:
        account = tx.identity.account()
    assert account is not None
    assert "$m=16,t=2,p=1$" in account.password_hash
    assert dearer.sessions.find(opened.token) == opened.session
    dearer.sessions.log_in("admin", PASSWORD, STRANGER)


def test_a_login_checked_against_a_password_that_was_replaced_meanwhile_is_refused(
    administered: Authentication, database: Database
) -> None:
    source = administered.accounts.source_of(None, STRANGER)
    checked = administered.accounts.check("admin", PASSWORD, STRANGER, source)
    administered.accounts.set_password("another good password", CLI)
    with pytest.raises(LoginFailedError), database.write() as tx:
        administered.accounts.accept(tx, checked)


def test_logins_are_noted_and_what_was_typed_is_not(administered: Authentication, database: Database) -> None:
    with pytest.raises(LoginFailedError):
        administered.sessions.log_in("my-password-in-the-wrong-field", "neither", STRANGER)
    administered.sessions.log_in("admin", PASSWORD, STRANGER)
    noted = entries(database)
    assert [(entry.kind, entry.actor) for entry in noted] == [
        (Kind.PASSWORD_SET, "cli (operator)"),
        (Kind.LOGIN_FAILED, "nobody"),
        (Kind.LOGIN, "admin"),
    ]
    assert "my-password" not in repr(noted)


def test_a_cheap_hash_is_only_for_tests() -> None:
    assert CHEAP.memory_kib < HashCost().memory_kib


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
