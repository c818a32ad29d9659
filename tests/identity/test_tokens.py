"""Service tokens: shown once, kept as digests, revocable, and they expire (finding M2)."""

import math
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from telemetry_service.domain.base64url import from_base64url
from telemetry_service.domain.errors import AccessDeniedError, NotFoundError, TokenExpiredError
from telemetry_service.domain.keyed_digest import KeyUse
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.authentication import Authentication, make_authentication
from telemetry_service.identity.provider_login import ProviderLogin
from telemetry_service.identity.scopes import Scope, granted
from telemetry_service.identity.token_text import TOKEN_PATTERN, written
from telemetry_service.identity.tokens import (
    BOOTSTRAP,
    LIFETIME,
    REMEMBERED,
    CreatedToken,
    TokenFacts,
    TokenNameTakenError,
    TokenRefusedError,
)
from telemetry_service.sealing.keyring import KeyRing, generate_key
from telemetry_service.storage.database import Database
from telemetry_service.storage.identity import StoredToken
from tests.identity.conftest import CHEAP, KEY, PASSWORD
from tests.support.actors import ADMIN, CLI, STRANGER
from tests.support.each import each
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import entries
from tests.support.statements import counted_statements


def _create(authentication: Authentication, name: str = "reporter", *scopes: Scope) -> str:
    return authentication.tokens.create(name, scopes or (Scope.REPORT,), CLI).token


def test_a_token_says_what_it_is(authentication: Authentication) -> None:
    created = authentication.tokens.create("reporter", [Scope.ADMIN, Scope.REPORT], CLI)
    assert re.fullmatch(TOKEN_PATTERN, created.token)
    assert created.facts.token_id in created.token
    assert created.facts.scopes == (Scope.REPORT, Scope.ADMIN)
    assert created.token not in repr(created)


def test_every_new_secret_has_256_bits(administered: Authentication) -> None:
    token = _create(administered).split("_")[2][:-6]  # Without the checksum.
    assert len(token) * math.log2(62) > 256
    session = administered.sessions.log_in("admin", PASSWORD, STRANGER).token.rpartition(".")[2]
    assert len(from_base64url(session)) == 32
    assert len(from_base64url(generate_key())) == 32
    login = ProviderLogin(0.0, "/", None)
    assert {len(from_base64url(it)) for it in (login.state, login.nonce, login.verifier)} == {32}


def test_a_valid_token_names_its_holder(authentication: Authentication) -> None:
    holder = authentication.tokens.verify(_create(authentication, "reporter", Scope.REPORT))
    assert holder.name == "reporter"
    assert holder.scopes == {Scope.REPORT}


def test_admin_implies_read_and_nothing_implies_report() -> None:
    assert granted([Scope.ADMIN]) == {Scope.ADMIN, Scope.READ, Scope.METRICS}
    assert granted([Scope.READ]) == {Scope.READ, Scope.METRICS}
    assert granted([Scope.METRICS]) == {Scope.METRICS}
    assert granted([Scope.REPORT]) == {Scope.REPORT}


def test_the_database_does_not_hold_the_token(authentication: Authentication, database: Database) -> None:
    token = _create(authentication)
    with database.read() as tx:
        stored = repr(tx.identity.tokens())
    secret = token[len("cct_") + 12 + len("_") : -6]
    assert len(secret) == 43
    assert secret not in stored


def test_made_up_tokens_are_refused(authentication: Authentication) -> None:
    token, other = _create(authentication), _create(authentication, "other")
    swapped = written(token[4:16], other[17:-6])
    unknown = written("a" * 12, token[17:-6])
    for wrong in ("", "cct_", token[:-1], token + "A", token.upper(), swapped, unknown, "é" * 60, token + "\n"):
        with pytest.raises(AccessDeniedError):
            authentication.tokens.verify(wrong)
        assert authentication.tokens.remembered(wrong) is None


@each("name", [BOOTSTRAP, "", "two words", "-dash first", "x" * 65, "é", "a\n", "cct/1"])
def test_a_token_needs_a_plain_name(authentication: Authentication, name: str) -> None:
    with pytest.raises(TokenRefusedError):
        _create(authentication, name)


def test_a_token_needs_a_scope(authentication: Authentication) -> None:
    with pytest.raises(TokenRefusedError):
        authentication.tokens.create("reporter", (), CLI)


def test_two_valid_tokens_do_not_share_a_name(authentication: Authentication) -> None:
    first = authentication.tokens.create("reporter", [Scope.REPORT], CLI)
    with pytest.raises(TokenRefusedError):
        _create(authentication, "reporter")
    authentication.tokens.revoke(first.facts.token_id, CLI)
    _create(authentication, "reporter")


def test_a_revoked_token_is_refused_at_once_here(authentication: Authentication) -> None:
    created = authentication.tokens.create("reporter", [Scope.REPORT], CLI)
    authentication.tokens.verify(created.token)
    authentication.tokens.revoke(created.facts.token_id, CLI)
    assert authentication.tokens.remembered(created.token) is None
    with pytest.raises(AccessDeniedError):
        authentication.tokens.verify(created.token)
    with pytest.raises(NotFoundError):
        authentication.tokens.revoke(created.facts.token_id, CLI)


def test_another_replica_believes_a_revoked_token_for_five_seconds_at_most(
    authentication: Authentication, database: Database, clock: FrozenClock
) -> None:
    replica = make_authentication(database, clock, KeyRing((KEY,)), CHEAP)
    created = authentication.tokens.create("reporter", [Scope.REPORT], CLI)
    replica.tokens.verify(created.token)
    authentication.tokens.revoke(created.facts.token_id, CLI)
    assert timedelta(seconds=5) == REMEMBERED
    clock.advance(timedelta(seconds=4.9))
    assert replica.tokens.remembered(created.token) is not None
    clock.advance(timedelta(seconds=0.1))
    assert replica.tokens.remembered(created.token) is None


def test_a_clock_set_back_does_not_make_the_memory_last(authentication: Authentication, clock: FrozenClock) -> None:
    token = _create(authentication)
    authentication.tokens.verify(token)
    clock.advance(timedelta(hours=-1))
    assert authentication.tokens.remembered(token) is None


def test_the_memory_holds_no_token(authentication: Authentication) -> None:
    token = _create(authentication)
    authentication.tokens.verify(token)
    assert token[17:] not in repr(vars(authentication.tokens))


def test_the_use_of_a_token_is_noted_at_most_once_a_minute(authentication: Authentication, clock: FrozenClock) -> None:
    token = _create(authentication)
    first = clock.now()
    for _ in range(12):
        authentication.tokens.verify(token)
        clock.advance(timedelta(seconds=5))
    assert [facts.last_used_at for facts in authentication.tokens.list()] == [first]
    authentication.tokens.verify(token)
    assert [facts.last_used_at for facts in authentication.tokens.list()] == [first + timedelta(minutes=1)]


def test_a_clock_set_back_does_not_keep_the_use_of_a_token_from_being_noted(
    authentication: Authentication, clock: FrozenClock
) -> None:
    token = _create(authentication)
    authentication.tokens.verify(token)
    clock.advance(timedelta(days=-365))
    authentication.tokens.verify(token)
    assert [facts.last_used_at for facts in authentication.tokens.list()] == [clock.now()]


def test_making_and_revoking_is_noted(authentication: Authentication, database: Database) -> None:
    created = authentication.tokens.create("reporter", [Scope.REPORT], CLI)
    authentication.tokens.revoke(created.facts.token_id, ADMIN)
    assert [(entry.kind, entry.actor, entry.details["token_id"]) for entry in entries(database)] == [
        (Kind.TOKEN_CREATED, "cli (operator)", created.facts.token_id),
        (Kind.TOKEN_REVOKED, "admin", created.facts.token_id),
    ]


def test_tokens_outlive_a_rotation_of_the_keys_until_the_old_one_is_gone(
    authentication: Authentication, database: Database, clock: FrozenClock
) -> None:
    used, unused = _create(authentication), _create(authentication, "unused")
    both = make_authentication(database, clock, KeyRing((b"n" * 32, KEY)), CHEAP)
    both.tokens.verify(used)
    with database.read() as tx:
        assert both.key_use(tx, clock.now()) == KeyUse(newest=1, older={"service tokens": 1}, lost=0)
    new = make_authentication(database, clock, KeyRing((b"n" * 32,)), CHEAP)
    assert new.tokens.verify(used).name == "reporter", "made again under the newest key when it was used"
    with pytest.raises(AccessDeniedError):
        new.tokens.verify(unused)
    with database.read() as tx:
        assert new.key_use(tx, clock.now()).lost == 1


def test_a_changed_token_is_told_from_a_real_one_by_its_checksum_alone(authentication: Authentication) -> None:
    # From GitHub's scheme: the CRC-32 of what is before it, in base 62 and six characters.
    token = _create(authentication)
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = 0
    for digit in token[-6:]:
        number = number * 62 + alphabet.index(digit)
    assert number == zlib.crc32(token[:-6].encode())
    changed = token[:20] + ("A" if token[20] != "A" else "B") + token[21:]
    with counted_statements() as asked, pytest.raises(AccessDeniedError):
        authentication.tokens.verify(changed)
    assert asked.statements == []


def test_a_token_of_an_earlier_version_stays_valid(
    authentication: Authentication, database: Database, clock: FrozenClock
) -> None:
    secret = "Ab_-" + "x" * 39
    digest = KeyRing((KEY,)).digest(secret.encode(), "service-token")
    earlier = StoredToken(
        "a" * 12, "earlier", digest, ("read",), clock.now(), last_used_at=None, revoked_at=None, expires_at=None
    )
    with database.write() as tx:
        tx.identity.add_token(earlier)
    clock.advance(timedelta(days=5_000))
    assert authentication.tokens.verify(f"cct_{'a' * 12}_{secret}").name == "earlier"


def test_a_token_expires_after_a_year_unless_it_is_said_otherwise(
    authentication: Authentication, database: Database, clock: FrozenClock
) -> None:
    tokens, began = authentication.tokens, clock.now()
    usual = tokens.create("usual", [Scope.READ], CLI)
    short = tokens.create("short", [Scope.READ], CLI, timedelta(days=90))
    never = tokens.create("never", [Scope.READ], CLI, None)
    ends = {facts.name: facts.expires_at for facts in tokens.list()}
    assert ends == {"usual": began + LIFETIME, "short": began + timedelta(days=90), "never": None}
    clock.advance(timedelta(days=90) - timedelta(seconds=1))
    for token in (usual, short, never):
        tokens.verify(token.token)
    clock.advance(timedelta(seconds=1))
    assert tokens.remembered(short.token) is None, "although it was verified a second ago"
    with pytest.raises(TokenExpiredError):
        tokens.verify(short.token)
    clock.advance(timedelta(days=275))
    with pytest.raises(TokenExpiredError):
        tokens.verify(usual.token)
    assert tokens.verify(never.token).name == "never"
    said = [entry.details["token_expires"] for entry in entries(database) if entry.kind is Kind.TOKEN_CREATED]
    assert said == ["2027-11-03T10:00:00.000Z", "2027-02-01T10:00:00.000Z", "never"]


def test_only_who_has_an_expired_token_learns_that_it_has_expired(
    authentication: Authentication, clock: FrozenClock
) -> None:
    created = authentication.tokens.create("short", [Scope.READ], CLI, timedelta(days=1))
    clock.advance(timedelta(days=2))
    with pytest.raises(AccessDeniedError) as refusal:
        authentication.tokens.verify(written(created.facts.token_id, "A" * 43))
    assert refusal.type is AccessDeniedError
    authentication.tokens.revoke(created.facts.token_id, CLI)
    with pytest.raises(AccessDeniedError) as refusal:
        authentication.tokens.verify(created.token)
    assert refusal.type is AccessDeniedError


def test_an_expired_token_leaves_its_name(authentication: Authentication, clock: FrozenClock) -> None:
    authentication.tokens.create("reporter", [Scope.READ], CLI, timedelta(days=30))
    assert [facts.expires_soon(clock.now()) for facts in authentication.tokens.list()] == [False]
    clock.advance(timedelta(days=16))
    assert [facts.expires_soon(clock.now()) for facts in authentication.tokens.list()] == [True]
    with pytest.raises(TokenNameTakenError):
        _create(authentication)
    assert isinstance(authentication.tokens.create_if_missing("reporter", [Scope.READ], CLI), TokenFacts)
    clock.advance(timedelta(days=14))
    assert isinstance(authentication.tokens.create_if_missing("reporter", [Scope.READ], CLI), CreatedToken)


def test_of_many_jobs_at_the_same_moment_one_creates_the_token(
    authentication: Authentication, database: Database
) -> None:
    ready = Barrier(6)

    def create(_job: int) -> CreatedToken | TokenFacts:
        ready.wait()
        return authentication.tokens.create_if_missing("reporter", [Scope.REPORT], CLI)

    with ThreadPoolExecutor(6) as jobs:
        found = list(jobs.map(create, range(6)))
    (created,) = [one for one in found if isinstance(one, CreatedToken)]
    assert [one for one in found if one != created.facts and one is not created] == []
    assert authentication.tokens.list() == (created.facts,)
    assert [entry.kind for entry in entries(database)].count(Kind.TOKEN_CREATED) == 1


def test_the_deployments_own_token_admits_as_long_as_it_is_set(database: Database, clock: FrozenClock) -> None:
    secret = "0123456789abcdef0123456789ABCDEF"
    set_ = make_authentication(database, clock, KeyRing((KEY,)), CHEAP, bootstrap_token=secret)
    holder = set_.tokens.remembered(secret)
    assert holder is not None
    assert holder.name == BOOTSTRAP
    assert holder.scopes == {Scope.ADMIN, Scope.READ, Scope.METRICS}
    for wrong in (secret[:-1], secret + "0", secret.lower(), ""):
        assert set_.tokens.remembered(wrong) is None
    unset = make_authentication(database, clock, KeyRing((KEY,)), CHEAP)
    assert unset.tokens.remembered(secret) is None
    with pytest.raises(AccessDeniedError):
        unset.tokens.verify(secret)
