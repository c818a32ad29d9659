"""Receipts: optional, unless a deployment pins the License Server's key. Then, each acceptance needs one."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from telemetry_service.conformance.check import Check, Finding, NotChecked
from telemetry_service.conformance.session import LEDGER_HEAD, Exchanged, Session
from telemetry_service.domain.outcome import Note
from telemetry_service.domain.receipt import claims_of_receipt, flaw_of_receipt

_WORDS = {
    Note.RECEIPT_DROPPED: "The receipt is not a JWS in compact serialization with a signature of 64 bytes.",
    Note.RECEIPT_HEADER_NOT_ALLOWED: "The receipt's header has a member or a value that is not listed: {}.",
    Note.RECEIPT_CLAIM_NOT_ALLOWED: "In the receipt's claims, one is missing, not listed, or has another form: {}.",
}


_OF_LICENSE = ("tier", "license_status", "expires_at")


def _token(exchanged: Exchanged) -> object:
    return exchanged.members.get("receipt") if exchanged.accepted else None


def _form(session: Session) -> Finding:
    token = _token(session.first)
    if token is None:
        return _missing(session)
    flaw = flaw_of_receipt(token if isinstance(token, str) else "")
    return None if flaw is None else _WORDS[flaw.note].format(flaw.member)


def _missing(session: Session) -> Finding:
    if not session.first.accepted:
        return NotChecked("No transmission was accepted.")
    if session.receipt_keys is not None:
        return "The response contains no receipt, although a public key is given."
    return NotChecked("The response contains no receipt.")


def _of_claims(look: Callable[[Session, Mapping[str, Any]], Finding]) -> Callable[[Session], Finding]:
    def run(session: Session) -> Finding:
        token = _token(session.first)
        claims = claims_of_receipt(token) if isinstance(token, str) else None
        if claims is None:
            return NotChecked("No response contained a receipt in the right form.")
        return look(session, claims)

    return run


def _signature(session: Session) -> Finding:
    token = _token(session.first)
    if not isinstance(token, str):
        return NotChecked("No response contained a receipt.")
    if session.receipt_keys is None:
        return NotChecked("No public key is given.")
    return None if session.receipt_keys.signed(token) else "No given public key has made the receipt's signature."


def _subject(session: Session, claims: Mapping[str, Any]) -> Finding:
    sent = session.first.message
    if claims["transmission_id"] != str(sent.transmission_id):
        return "The receipt names another transmission."
    if claims["payload_sha256"] == hashlib.sha256(sent.payload).hexdigest():
        return None
    if claims["payload_sha256"] == hashlib.sha256(sent.body).hexdigest():
        return "payload_sha256 is the digest of the body as sent; it has to be that of the decrypted payload."
    return "payload_sha256 is not the digest of the payload."


def _time(session: Session, claims: Mapping[str, Any]) -> Finding:
    said = session.first.members.get("received_at")
    return None if claims["received_at"] == said else f"The receipt says {claims['received_at']}, the response {said}."


def _ledger(_session: Session, claims: Mapping[str, Any]) -> Finding:
    if claims.get("ledger") is None:
        return NotChecked("The receipt does not repeat the head of the ledger, which is optional.")
    return None if claims["ledger"] == LEDGER_HEAD else "ledger is not the X-Telemetry-Ledger of the request."


def _license(session: Session, claims: Mapping[str, Any]) -> Finding:
    block = session.first.members.get("license")
    if block is None:
        return NotChecked("No response contained a license.")
    signed = claims.get("license") or {}
    same = isinstance(block, dict) and all(signed.get(name) == block.get(name) for name in _OF_LICENSE)
    return None if same else "The license in the receipt is not that in the response."


def _repeated(session: Session) -> Finding:
    if _token(session.first) is None or not session.again.accepted:
        return NotChecked("No repetition was accepted, or there are no receipts.")
    token = _token(session.again)
    claims = claims_of_receipt(token) if isinstance(token, str) else None
    if claims is None:
        return "The response to a repetition contains no receipt."
    sent = hashlib.sha256(session.first.message.payload).hexdigest()
    return None if claims["payload_sha256"] == sent else "The receipt of a repetition is for another payload."


CHECKS = (
    Check(
        "receipt-form",
        "A receipt is a JWS in compact serialization. Its header has `alg` (`EdDSA` or `Ed25519`) and perhaps `kid` and"
        " `typ`; its claims are `transmission_id`, `payload_sha256`, `received_at`, and perhaps `ledger`, `license`,"
        " and `iat`. With any other member, it counts as none.",
        _form,
    ),
    Check("receipt-signature", "A pinned Ed25519 key has signed the receipt.", _signature),
    Check(
        "receipt-subject",
        "A receipt is for this `transmission_id` and for `payload_sha256`, the hex SHA-256 of the canonical payload"
        " before encryption.",
        _of_claims(_subject),
    ),
    Check("receipt-time", "`received_at` of the receipt is that of the response.", _of_claims(_time)),
    Check(
        "receipt-ledger",
        "`ledger` in the receipt is optional. If it is there, it is the `X-Telemetry-Ledger` of the request.",
        _of_claims(_ledger),
    ),
    Check(
        "receipt-license",
        "A License Server that signs receipts puts the license into them: a service that pins the key believes it only"
        " there.",
        _of_claims(_license),
    ),
    Check(
        "receipt-repeat",
        "A duplicate gets a receipt too, for a payload that was sent under this ID.",
        _repeated,
    ),
)
