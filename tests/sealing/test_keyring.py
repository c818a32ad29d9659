"""What is stored is sealed, can be opened by any listed key, and by nothing else."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.sealing.keyring import KeyRing, Place
from tests.support.unbound import seal_unbound

OLD, NEW, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))
KEYS = st.binary(min_size=32, max_size=32)
HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
API_KEY = Place("api-key", HERE)
PURPOSES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(KEYS, st.binary(max_size=300), PURPOSES)
def test_what_was_sealed_can_be_opened(key: bytes, plaintext: bytes, purpose: str) -> None:
    ring = KeyRing((key,))
    sealed = ring.seal(plaintext, Place(purpose, HERE))
    assert ring.open(sealed, Place(purpose, HERE)) == plaintext
    assert len(plaintext) < 4 or plaintext not in sealed


@given(st.binary(max_size=64), st.data())
def test_any_bit_flipped_makes_it_unusable(plaintext: bytes, data: st.DataObject) -> None:
    ring = KeyRing((NEW,))
    sealed = bytearray(ring.seal(plaintext, API_KEY))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(KeyUnusableError):
        ring.open(bytes(sealed), API_KEY)


@given(st.binary(max_size=64), st.data())
def test_anything_shorter_is_unusable(plaintext: bytes, data: st.DataObject) -> None:
    ring = KeyRing((NEW,))
    sealed = ring.seal(plaintext, API_KEY)
    with pytest.raises(KeyUnusableError):
        ring.open(sealed[: data.draw(st.integers(0, len(sealed) - 1))], API_KEY)


@given(st.binary(max_size=100))
def test_anything_else_is_unusable(something: bytes) -> None:
    with pytest.raises(KeyUnusableError):
        KeyRing((NEW, OLD)).open(something, API_KEY)


def test_another_purpose_does_not_open_it() -> None:
    ring = KeyRing((NEW,))
    with pytest.raises(KeyUnusableError):
        ring.open(ring.seal(b"secret", API_KEY), Place("session", HERE))


def test_keys_can_be_rotated_without_a_break() -> None:
    before, during, after = KeyRing((OLD,)), KeyRing((NEW, OLD)), KeyRing((NEW,))
    sealed_before, sealed_during = before.seal(b"secret", API_KEY), during.seal(b"secret", API_KEY)
    assert during.open(sealed_before, API_KEY) == b"secret"
    assert after.open(sealed_during, API_KEY) == b"secret"
    for ring, sealed in ((after, sealed_before), (before, sealed_during)):
        with pytest.raises(KeyUnusableError):
            ring.open(sealed, API_KEY)


def test_the_same_secret_is_never_sealed_to_the_same_bytes() -> None:
    ring = KeyRing((NEW,))
    assert len({ring.seal(b"secret", API_KEY) for _ in range(50)}) == 50


def test_a_digest_matches_its_secret_under_any_of_the_keys() -> None:
    before, during, after = KeyRing((OLD,)), KeyRing((NEW, OLD)), KeyRing((NEW,))
    digest = before.digest(b"token", "service-token")
    assert during.matches(digest, b"token", "service-token")
    assert not after.matches(digest, b"token", "service-token")
    assert during.digest(b"token", "service-token") == after.digest(b"token", "service-token") != digest


@given(st.binary(max_size=40), st.binary(max_size=40), PURPOSES, PURPOSES)
def test_a_digest_matches_nothing_else(secret: bytes, other: bytes, purpose: str, other_purpose: str) -> None:
    ring = KeyRing((NEW, OLD))
    digest = ring.digest(secret, purpose)
    assert ring.matches(digest, secret, purpose)
    assert ring.matches(digest, other, other_purpose) == ((secret, purpose) == (other, other_purpose))
    assert not ring.matches(digest[:-1], secret, purpose)
    assert not ring.matches(b"", secret, purpose)


@pytest.mark.parametrize("keys", [(), (b"short",), (NEW, b"x" * 33)])
def test_a_key_ring_without_proper_keys_does_not_exist(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="at least one key"):
        KeyRing(keys)


def test_a_key_ring_shows_nothing_of_its_keys() -> None:
    ring = KeyRing((b"visible-key-visible-key-visible!",))
    assert "visible" not in repr(ring) + str(ring)


def test_another_installation_does_not_open_it() -> None:
    ring = KeyRing((NEW,))
    with pytest.raises(KeyUnusableError):
        ring.open(ring.seal(b"secret", API_KEY), Place("api-key", ELSEWHERE))


def test_what_the_first_release_sealed_is_opened_and_bound_under_its_own_key() -> None:
    ring = KeyRing((NEW, OLD))
    unbound = seal_unbound(OLD, b"secret", "api-key")
    assert ring.open(unbound, API_KEY) == ring.open(unbound, Place("api-key", ELSEWHERE)) == b"secret"
    bound = ring.bind(unbound, API_KEY)
    assert KeyRing((OLD,)).open(bound, API_KEY) == b"secret", "a replica that lacks the newest key can open it"
    with pytest.raises(KeyUnusableError):
        ring.open(bound, Place("api-key", ELSEWHERE))
    with pytest.raises(KeyUnusableError):
        ring.open(b"\x01" + bound[1:], API_KEY)


def test_a_digest_names_its_key() -> None:
    ring = KeyRing((NEW, OLD))
    digest = ring.new_digest(b"secret", "session")
    assert (digest.digest, digest.key_id) == (ring.digest(b"secret", "session"), ring.ids[0])
    assert ring.ids[1] == KeyRing((OLD,)).ids[0] != ring.ids[0]
