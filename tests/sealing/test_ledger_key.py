"""A line of the ledger is a JWS that stock libraries verify, and that nobody else can write."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.ledger_key import LedgerKey, fingerprint, read_line, unverified
from tests.support.each import each

# The protocol speaks of EdDSA, the name that RFC 8037 gave and RFC 9864 has since replaced by Ed25519.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

KEY = LedgerKey(bytes(range(32)))
KEYS = {KEY.key_id: KEY.public_key}
CLAIMS: dict[str, object] = {"seq": 7, "prev": "0" * 64, "kind": "prepared", "actor": {"type": "service"}}
LINE = KEY.sign(CLAIMS)


def test_a_stock_library_verifies_a_line_under_the_public_key_alone() -> None:
    public = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": to_base64url(KEY.public_key).decode()})
    verified = jws.deserialize_compact(LINE, public, algorithms=["EdDSA"])
    assert verified.payload == canonical_json(json.loads(json.dumps(CLAIMS)))
    assert verified.headers() == {"alg": "EdDSA", "kid": KEY.key_id, "typ": "control-core-ledger"}


def test_a_key_is_named_by_the_beginning_of_its_fingerprint() -> None:
    assert fingerprint(KEY.public_key) == KEY.fingerprint
    assert KEY.fingerprint.startswith(KEY.key_id)
    assert len(KEY.key_id) == 16


def test_a_line_says_what_was_signed_and_the_same_each_time() -> None:
    assert read_line(LINE, KEYS) == CLAIMS
    assert KEY.sign(dict(reversed(CLAIMS.items()))) == LINE


@given(st.data())
def test_a_line_with_any_character_changed_is_not_ours(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(LINE) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != LINE[place]))
    assert read_line(LINE[:place] + other + LINE[place + 1 :], KEYS) is None


@each("line", ["", ".", "..", "a.b.c", "....", "é.é.é", LINE[:-1], LINE + "A", LINE + ".x", LINE.replace(".", "", 1)])
def test_what_is_no_line_is_not_ours(line: str) -> None:
    assert read_line(line, KEYS) is None


def test_the_line_of_another_key_is_not_ours_whatever_key_it_names() -> None:
    other = LedgerKey.generate()
    assert read_line(other.sign(CLAIMS), KEYS) is None
    assert read_line(LINE, {KEY.key_id: other.public_key}) is None
    assert read_line(LINE, {}) is None
    header, said, _ = LINE.split(".")
    assert read_line(f"{header}.{said}.{other.sign(CLAIMS).split('.')[2]}", KEYS) is None


def test_what_a_line_says_can_be_read_without_a_key_and_never_fails() -> None:
    assert unverified(LINE) == CLAIMS
    for line in ("", "a.b.c", "é.é", "x." + to_base64url(b"[]").decode() + ".y"):
        assert unverified(line) == {}


def test_two_keys_are_never_alike() -> None:
    assert LedgerKey.generate().public_key != LedgerKey.generate().public_key
