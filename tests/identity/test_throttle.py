"""Guessing is slowed down for who guesses, and for no one else."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from telemetry_service.domain.actor import Actor, stranger
from telemetry_service.domain.errors import LoginFailedError
from telemetry_service.identity.authentication import Authentication, make_authentication
from telemetry_service.identity.devices import Device
from telemetry_service.identity.throttle import (
    REVEALS,
    Limits,
    LoginBlockedError,
    RevealsBlockedError,
)
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.attempt_counts import Counted
from telemetry_service.storage.database import Database
from tests.identity.conftest import CHEAP, KEY, OLD_KEY, PASSWORD
from tests.support.actors import ADMIN, CLI, STRANGER
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import signed_database

WRONG = "not the password at all"
LONGEST = timedelta(minutes=15)
FEW = Limits(failures=10, addresses=50)


@pytest.fixture
def small(sqlite_url: str) -> Iterator[Database]:
    """A database for what is the same on both kinds."""
    database = signed_database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def known(small: Database, clock: FrozenClock) -> tuple[Authentication, Device]:
    """Authentication with an administrator, and the browser that has logged in."""
    authentication = make_authentication(small, clock, KeyRing((KEY,)), CHEAP, limits=FEW)
    authentication.accounts.set_password(PASSWORD, CLI)
    return authentication, device_of(authentication)


def device_of(authentication: Authentication, device: Device | None = None) -> Device:
    opened = authentication.sessions.log_in("admin", PASSWORD, STRANGER, device)
    found = authentication.devices.read(opened.device_cookie)
    assert found is not None
    return found


def outcome(
    authentication: Authentication, caller: Actor, device: Device | None = None, password: str = WRONG
) -> type[Exception] | None:
    try:
        authentication.sessions.log_in("admin", password, caller, device)
    except (LoginFailedError, LoginBlockedError) as refusal:
        return type(refusal)
    return None


def test_each_address_is_counted_alone_and_an_ipv6_network_is_one(known: tuple[Authentication, Device]) -> None:
    authentication, _device = known
    for _ in range(5):
        assert outcome(authentication, stranger("2001:db8::1")) is LoginFailedError
    assert outcome(authentication, stranger("2001:db8::2"), password=PASSWORD) is LoginBlockedError
    for other in (stranger("2001:db8:0:1::1"), stranger("192.0.2.1"), stranger(None)):
        assert outcome(authentication, other, password=PASSWORD) is None


def test_a_known_browser_is_counted_alone_wherever_it_is(known: tuple[Authentication, Device]) -> None:
    authentication, device = known
    for _ in range(6):
        outcome(authentication, STRANGER)
    assert outcome(authentication, STRANGER, password=PASSWORD) is LoginBlockedError
    assert outcome(authentication, STRANGER, device, PASSWORD) is None
    assert [outcome(authentication, stranger(f"192.0.2.{n}"), device) for n in range(6)] == [
        *[LoginFailedError] * 5,
        LoginBlockedError,
    ], "a stolen cookie buys no more tries than an address"


def test_a4_a_browser_keeps_what_it_is_known_by_until_it_logs_in_with_a_new_password(
    known: tuple[Authentication, Device],
) -> None:
    authentication, device = known
    assert device_of(authentication, device) == device
    authentication.accounts.set_password(PASSWORD, CLI)
    for _ in range(5):
        outcome(authentication, STRANGER, device)
    assert outcome(authentication, STRANGER, device, PASSWORD) is LoginBlockedError
    another = device_of(authentication)
    assert (another.device_id != device.device_id, another.generation) == (True, device.generation + 1)
    source = authentication.accounts.source_of(device, STRANGER)
    assert (source.known, source.was_known) == (False, True), "it counts among strangers"


def test_a4_failures_are_counted_for_an_ipv6_network_and_block_no_one_else_in_it(
    known: tuple[Authentication, Device], clock: FrozenClock
) -> None:
    authentication, _device = known
    neighbor, elsewhere = stranger("2001:db8:1:ffff::1"), stranger("2001:db8:2::1")
    for number in range(6):
        assert outcome(authentication, stranger(f"2001:db8:1:{number}::1")) is LoginFailedError
    admit = authentication.accounts.admit
    assert [admit(None, caller).failures for caller in (neighbor, elsewhere)] == [6, 0]
    assert outcome(authentication, neighbor, password=PASSWORD) is None
    clock.advance(timedelta(days=1))
    assert admit(None, neighbor).failures == 0


def test_what_a_browser_is_known_by_cannot_be_made_up(known: tuple[Authentication, Device], clock: FrozenClock) -> None:
    authentication, device = known
    cookie = authentication.devices.issue(device, device.generation)
    assert authentication.devices.read(cookie) == device
    other = f"{'0' * 32}{cookie[32:]}"
    newer = cookie.replace(f".{device.generation}.", f".{device.generation + 1}.")
    for made_up in (None, "", other, newer, cookie[:-1], cookie + "A", cookie.upper(), cookie + "\n"):
        assert authentication.devices.read(made_up) is None, made_up
    with_another_key = make_authentication(signed_database("sqlite:///nowhere.db"), clock, KeyRing((OLD_KEY,)), CHEAP)
    assert with_another_key.devices.read(cookie) is None


def test_an_open_session_is_counted_alone(known: tuple[Authentication, Device]) -> None:
    authentication, device = known
    one, other = (authentication.sessions.log_in("admin", PASSWORD, STRANGER, device).session for _ in range(2))
    for _ in range(8):
        outcome(authentication, STRANGER)
        outcome(authentication, ADMIN, device)
    for _ in range(5):
        with pytest.raises(LoginFailedError):
            authentication.sessions.reauthenticate(one, WRONG, ADMIN)
    with pytest.raises(LoginBlockedError):
        authentication.sessions.reauthenticate(one, PASSWORD, ADMIN)
    authentication.sessions.reauthenticate(other, PASSWORD, ADMIN)


def test_failures_of_yesterday_are_forgotten(known: tuple[Authentication, Device], clock: FrozenClock) -> None:
    authentication, _device = known
    for _ in range(4):
        outcome(authentication, STRANGER)
    clock.advance(timedelta(days=1))
    assert [outcome(authentication, STRANGER) for _ in range(6)] == [*[LoginFailedError] * 5, LoginBlockedError]


def test_many_addresses_have_one_try_each_once_strangers_have_failed_often(
    known: tuple[Authentication, Device], clock: FrozenClock
) -> None:
    authentication, _device = known
    for number in range(FEW.failures):
        assert outcome(authentication, stranger(f"192.0.2.{number}")) is LoginFailedError
    late = stranger("198.51.100.1")
    assert [outcome(authentication, late) for _ in range(3)] == [LoginFailedError, *[LoginBlockedError] * 2]
    clock.advance(LONGEST)
    assert outcome(authentication, late, password=PASSWORD) is None
    clock.advance(timedelta(hours=1))
    assert [outcome(authentication, stranger("198.51.100.2")) for _ in range(5)] == [LoginFailedError] * 5


def test_what_is_counted_is_bounded_and_pruned(
    known: tuple[Authentication, Device], small: Database, clock: FrozenClock
) -> None:
    authentication, _device = known
    outcome(authentication, STRANGER)
    session = authentication.sessions.log_in("admin", PASSWORD, ADMIN).session
    with pytest.raises(LoginFailedError):
        authentication.sessions.reauthenticate(session, WRONG, ADMIN)
    clock.advance(timedelta(hours=1))
    with small.write() as tx:
        for number in range(FEW.addresses + 10):
            tx.attempt_counts.begin(f"address:{number}", clock.now())
    authentication.throttle.prune()
    with small.read() as tx:
        assert tx.attempt_counts.sources("address:") == FEW.addresses
        assert tx.attempt_counts.sources("session:") == 1, "what a stranger adds moves nothing else out"
    clock.advance(timedelta(days=1, seconds=1))
    authentication.throttle.prune()
    with small.read() as tx:
        assert tx.attempt_counts.sources("") == 0


def test_an_address_is_not_stored(administered: Authentication, database: Database) -> None:
    outcome(administered, STRANGER)
    source = administered.accounts.source_of(None, STRANGER)
    assert STRANGER.address is not None
    assert STRANGER.address not in source.key
    with database.read() as tx:
        assert isinstance(tx.attempt_counts.find(source.key), Counted)


def test_tokens_are_shown_the_api_key_ten_times_an_hour(
    known: tuple[Authentication, Device], clock: FrozenClock
) -> None:
    throttle = known[0].throttle
    for _ in range(REVEALS):
        throttle.count_reveal()
    clock.advance(timedelta(minutes=59))
    with pytest.raises(RevealsBlockedError):
        throttle.count_reveal()
    with pytest.raises(RevealsBlockedError) as blocked:
        throttle.count_reveal()
    assert blocked.value.retry_after == 60
    clock.advance(timedelta(minutes=1))
    throttle.count_reveal()


@dataclass
class Attack:
    """A day of guessing from many addresses, and what came of it."""

    authentication: Authentication
    addresses: int
    guesses: int = 0
    turn: int = 0

    def guess(self, times: int) -> None:
        for _ in range(times):
            self.turn += 1
            caller = stranger(f"203.0.113.{self.turn % self.addresses}")
            if outcome(self.authentication, caller) is LoginFailedError:
                self.guesses += 1


def test_in_a_day_of_attack_from_many_addresses_the_administrator_gets_in_at_every_moment(
    known: tuple[Authentication, Device], clock: FrozenClock
) -> None:
    authentication, device = known
    attack = Attack(authentication, addresses=30)
    mistyped = stranger("198.51.100.250")
    for step in range(24):
        attack.guess(12)
        authentication.throttle.prune()
        assert outcome(authentication, stranger("203.0.113.1"), device, PASSWORD) is None, "beside an attacker"
        assert outcome(authentication, stranger(f"198.51.100.{step}"), password=PASSWORD) is None, "from anywhere"
        clock.advance(timedelta(hours=1))
    assert attack.guesses <= 24 * FEW.failures + attack.addresses * 24 * 4
    attack.guess(FEW.failures)
    assert outcome(authentication, mistyped) is LoginFailedError
    assert outcome(authentication, mistyped, password=PASSWORD) is LoginBlockedError
    clock.advance(LONGEST)
    assert outcome(authentication, mistyped, password=PASSWORD) is None
