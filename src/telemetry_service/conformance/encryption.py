"""Encrypted bodies that a License Server has to refuse: it opens exactly the JWE of the protocol."""

import base64
import json
from dataclasses import replace

from telemetry_service.conformance.check import Check
from telemetry_service.conformance.message import JOSE, Customer
from telemetry_service.conformance.refusals import Sent, refused, right
from telemetry_service.conformance.session import Session
from telemetry_service.domain.base64url import to_base64url
from telemetry_service.sealing import jwe
from telemetry_service.sealing.identity import key_id

_HEADER, _KEY, _IV, _CIPHERTEXT, _TAG = range(5)
_OTHER_KEY = "ck_conformance_another_key_0123456789"


def _altered(session: Session, words: str, part: int, value: str) -> Sent:
    """Yield a transmission in which one part of the JWE is another, signed correctly."""
    parts = right(session).body.decode().split(".")
    parts[part] = value
    yield words, session.customer.signed(session.now(), ".".join(parts).encode(), JOSE)


def _parts(session: Session) -> Sent:
    body = right(session).body
    for words, changed in (("four parts", body.rpartition(b".")[0]), ("six parts", body + b".AAAA"), ("none", b"AAAA")):
        yield f"a JWE with {words}", session.customer.signed(session.now(), changed, JOSE)
    yield "JSON as application/jose", session.customer.signed(session.now(), right(session).payload, JOSE)


def _header(session: Session) -> Sent:
    usual = {"alg": "dir", "enc": "A256GCM", "kid": key_id(session.customer.api_key), "cty": "json"}
    for changes in ({"alg": "A256KW"}, {"enc": "A128GCM"}, {"zip": "DEF"}, {"crit": ["exp"]}, {"cty": None}):
        header = {name: value for name, value in {**usual, **changes}.items() if value is not None}
        text = to_base64url(json.dumps(header, separators=(",", ":")).encode()).decode()
        yield from _altered(session, f"a JWE whose header has {json.dumps(changes)}", _HEADER, text)


def _kid(session: Session) -> Sent:
    sealed = jwe.encrypt(right(session).payload, _OTHER_KEY, b"i" * jwe.IV_BYTES)
    yield "a JWE under another API key", session.customer.signed(session.now(), sealed, JOSE)


def _key(session: Session) -> Sent:
    """Yield a body that names the right key and is encrypted under another one."""
    other = replace(session.customer, api_key=_OTHER_KEY)
    parts = _sealed(other, right(session).payload)
    parts[_HEADER] = right(session).body.decode().split(".")[_HEADER]
    yield "a JWE that another key opens", session.customer.signed(session.now(), ".".join(parts).encode(), JOSE)
    yield from _altered(session, "a JWE with an encrypted key", _KEY, "AAAA")


def _sealed(customer: Customer, payload: bytes) -> list[str]:
    return jwe.encrypt(payload, customer.api_key, b"i" * jwe.IV_BYTES).decode().split(".")


def _tag(session: Session) -> Sent:
    yield from _altered(session, "a JWE with a wrong tag", _TAG, to_base64url(b"t" * 16).decode())
    yield from _altered(session, "a JWE with a short tag", _TAG, to_base64url(b"t" * 12).decode())


def _iv(session: Session) -> Sent:
    yield from _altered(session, "a JWE with an IV of 16 bytes", _IV, to_base64url(b"i" * 16).decode())


def _base64(session: Session) -> Sent:
    padded = base64.urlsafe_b64encode(b"i" * 13).decode()
    yield from _altered(session, "a JWE with padding", _IV, padded)
    tag = right(session).body.decode().split(".")[_TAG]
    yield from _altered(session, "a JWE with a character that is not base64url", _TAG, tag[:-1] + "+")


CHECKS = (
    Check("jwe-parts", "A JWE has five parts; any other body gets `400`.", refused(400, _parts)),
    Check(
        "jwe-header",
        "The protected header has exactly `alg`, `enc`, `kid`, and `cty`; any other one gets `400`.",
        refused(400, _header),
    ),
    Check("jwe-kid", "`kid` is the key ID of the request; any other one gets `400`.", refused(400, _kid)),
    Check(
        "jwe-key",
        "The body is encrypted directly under the content key of this API key; anything else gets `400`.",
        refused(400, _key),
    ),
    Check("jwe-tag", "A wrong or shortened tag gets `400`.", refused(400, _tag)),
    Check("jwe-iv", "An IV of other than 96 bits gets `400`.", refused(400, _iv)),
    Check("jwe-base64", "base64url has no padding and no other characters; else, `400`.", refused(400, _base64)),
)
