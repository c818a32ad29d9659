"""Bundles: transmissions that a person carries. Where a License Server takes them in is up to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from telemetry_service.conformance.check import Check, Finding, NotChecked
from telemetry_service.conformance.message import Message
from telemetry_service.conformance.refusals import altered_signature, right
from telemetry_service.conformance.responses import expect_status, got
from telemetry_service.conformance.session import LEDGER_HEAD, Exchanged, Session
from telemetry_service.domain.bundle import FORMAT, written
from telemetry_service.domain.receipt import claims_of_receipt, claims_of_refusal

_AGE = timedelta(days=30)
_NO_PATH = NotChecked("No path for bundles is given.")


@dataclass(frozen=True, slots=True)
class _Taken:
    """The response to a bundle: the claims of its tokens in the right form, by transmission."""

    exchanged: Exchanged
    tokens: tuple[str, ...]
    receipts: Mapping[str, Mapping[str, Any]]
    refusals: Mapping[str, Mapping[str, Any]]


def _carry(session: Session, path: str, messages: Sequence[Message]) -> _Taken:
    exchanged = session.send_bundle(path, written([message.sealed for message in messages], LEDGER_HEAD))
    receipts = _texts(exchanged.members.get("receipts"))
    refused = _texts(exchanged.members.get("refused"))
    return _Taken(
        exchanged,
        (*receipts, *refused),
        {claims["transmission_id"]: claims for claims in map(claims_of_receipt, receipts) if claims is not None},
        {claims["transmission_id"]: claims for claims in map(claims_of_refusal, refused) if claims is not None},
    )


def _texts(value: object) -> list[str]:
    return [token for token in value if isinstance(token, str)] if isinstance(value, list) else []


def _lacks_receipt(taken: _Taken, message: Message, words: str) -> str | None:
    if str(message.transmission_id) in taken.receipts:
        return None
    refusal = taken.refusals.get(str(message.transmission_id))
    return f"{words} got {'no receipt' if refusal is None else refusal['code']} ({got(taken.exchanged)})."


def _accepted(session: Session) -> Finding:
    if session.bundle_path is None:
        return _NO_PATH
    messages = [right(session), right(session)]
    taken = _carry(session, session.bundle_path, messages)
    if wrong := expect_status(taken.exchanged, 200, sent="a bundle"):
        return wrong
    lacking = (_lacks_receipt(taken, message, "A transmission") for message in messages)
    return next((finding for finding in lacking if finding is not None), None)


def _old(session: Session) -> Finding:
    if session.bundle_path is None:
        return _NO_PATH
    sealed = right(session)
    old = session.customer.signed(session.now(-_AGE), sealed.body, sealed.header("Content-Type"))
    return _lacks_receipt(_carry(session, session.bundle_path, [old]), old, "A transmission signed 30 days ago")


def _again(session: Session) -> Finding:
    if session.bundle_path is None:
        return _NO_PATH
    message = right(session)
    session.send(message)
    return _lacks_receipt(_carry(session, session.bundle_path, [message]), message, "What was accepted before")


def _refused(session: Session) -> Finding:
    if session.bundle_path is None:
        return _NO_PATH
    wrong, correct = altered_signature(right(session)), right(session)
    taken = _carry(session, session.bundle_path, [wrong, correct])
    refusal = taken.refusals.get(str(wrong.transmission_id))
    if refusal is None:
        return f"A transmission with a wrong signature got no refusal ({got(taken.exchanged)})."
    if refusal["code"] != "signature-invalid":
        return f"A transmission with a wrong signature got the code {refusal['code']}."
    return _lacks_receipt(taken, correct, "A correct transmission beside a refused one")


def _signed(session: Session) -> Finding:
    if session.bundle_path is None:
        return _NO_PATH
    if session.receipt_keys is None:
        return NotChecked("No public key is given.")
    taken = _carry(session, session.bundle_path, [right(session), altered_signature(right(session))])
    if not taken.tokens:
        return f"The response to a bundle contains nothing signed ({got(taken.exchanged)})."
    signed = all(session.receipt_keys.signed(token) for token in taken.tokens)
    return None if signed else "No given public key has signed a receipt or a refusal of a bundle."


def _ledger(session: Session) -> Finding:
    if session.bundle_path is None:
        return _NO_PATH
    message = right(session)
    taken = _carry(session, session.bundle_path, [message])
    claims = taken.receipts.get(str(message.transmission_id))
    if claims is None or claims.get("ledger") is None:
        return NotChecked("The receipt does not repeat the head of the ledger, which is optional.")
    return None if claims["ledger"] == LEDGER_HEAD else "ledger is not the ledger_head of the bundle."


def _malformed(session: Session) -> Finding:
    if session.bundle_path is None:
        return _NO_PATH
    foreign = written([], LEDGER_HEAD).replace(FORMAT.encode(), b"another-format/1")
    for words, body in (("what is not JSON", b"no bundle"), ("a bundle of another format", foreign)):
        if wrong := expect_status(session.send_bundle(session.bundle_path, body), 400, sent=words):
            return wrong
    return None


CHECKS = (
    Check("bundle", "A bundle gets `200`, and each accepted transmission in it gets a receipt.", _accepted),
    Check("bundle-age", "A transmission in a bundle may have any age.", _old),
    Check("bundle-repeat", "A transmission in a bundle that was accepted before gets a receipt again.", _again),
    Check(
        "bundle-refusal",
        "Each transmission in a bundle is judged alone: a wrong one gets a signed refusal with its `transmission_id`"
        " and `code`, and the others are accepted.",
        _refused,
    ),
    Check("bundle-signature", "A pinned key has signed every receipt and refusal of a bundle.", _signed),
    Check(
        "bundle-ledger",
        "`ledger` in the receipts of a bundle is optional. If it is there, it is the bundle's `ledger_head`.",
        _ledger,
    ),
    Check("bundle-form", "What is not a bundle gets `400`, and nothing of it is accepted.", _malformed),
)
