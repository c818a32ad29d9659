"""Takes in a bundle: every transmission in it is verified like one from the network, except for its age.

The response is a file too: a receipt for each transmission that is accepted or was before, and a signed refusal with
its code for each other one.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers

from telemetry_service.reference import strict_json
from telemetry_service.reference.body import MAX_BODY_BYTES
from telemetry_service.reference.options import LicenseBlock
from telemetry_service.reference.receipts import Receipt, ReceiptSigner, Refused
from telemetry_service.reference.receiver import Receiver
from telemetry_service.reference.refusals import Reason, RefusalError

FORMAT = "control-core-telemetry-bundle/1"
MAX_BUNDLE_BYTES = 32 * 1024 * 1024
MAX_TRANSMISSIONS = 10_000

_HEAD = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("id", "key_id", "signature", "content_type", "body_b64")
_MEMBERS = frozenset({*_TEXTS, "timestamp"})
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(slots=True)
class Taken:
    """What became of a bundle."""

    receipts: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)
    """Why each refused transmission was refused, by its ID."""
    duplicates: int = 0

    @property
    def content(self) -> bytes:
        """The file for the sender."""
        return json.dumps({"receipts": self.receipts, "refused": self.refused}, indent=1).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class Carried:
    """A transmission of a bundle."""

    headers: Headers
    body: bytes
    transmission_id: str
    key_id: str


def take_bundle(
    bundle: bytes, receiver: Receiver, signer: ReceiptSigner, licenses: dict[str, LicenseBlock] | None = None
) -> Taken:
    """Accept or refuse each transmission of a bundle. Safe to repeat: a duplicate gets a receipt again.

    Raises:
        RefusalError: it is not a bundle. Nothing was stored then.
    """
    carried, ledger = read_bundle(bundle)
    taken = Taken()
    for it in carried:
        try:
            acceptance = receiver.receive(it.headers, it.body, carried=True)
        except RefusalError as refusal:
            code = receiver.code_of(refusal, it.key_id)
            taken.codes[it.transmission_id] = code
            said = Refused(it.transmission_id, code, hashlib.sha256(it.body).hexdigest(), receiver.now())
            taken.refused.append(signer.sign_refusal(said))
            continue
        entry = acceptance.entry
        block = (licenses or {}).get(entry.customer_id)
        license_ = None if block is None else block.model_dump(mode="json")
        receipt = Receipt(entry.transmission_id, entry.payload_sha256, entry.received_at, license_, ledger)
        taken.receipts.append(signer.sign(receipt))
        taken.duplicates += acceptance.duplicate
    return taken


def read_bundle(bundle: bytes) -> tuple[Sequence[Carried], str]:
    """Return the transmissions of a bundle, and the head of its sender's ledger.

    Raises:
        RefusalError: it is not a bundle.
    """
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise RefusalError(Reason.BODY_TOO_LARGE)
    if not bundle.isascii():
        raise RefusalError(Reason.BUNDLE_MALFORMED)
    try:
        document = strict_json.parse(bundle)
    except RefusalError:
        raise RefusalError(Reason.BUNDLE_MALFORMED) from None
    if not isinstance(document, dict) or set(document) != {"format", "transmissions", "ledger_head"}:
        raise RefusalError(Reason.BUNDLE_MALFORMED)
    head, listed = document["ledger_head"], document["transmissions"]
    known = document["format"] == FORMAT and isinstance(head, str) and _HEAD.fullmatch(head)
    if not known or not isinstance(listed, list) or len(listed) > MAX_TRANSMISSIONS:
        raise RefusalError(Reason.BUNDLE_MALFORMED)
    return [_carried(member) for member in listed], head


def _carried(member: Any) -> Carried:  # noqa: ANN401 - any JSON value
    """Return a transmission of the bundle, in the form that it would have over the network."""
    if not isinstance(member, dict) or set(member) != _MEMBERS:
        raise RefusalError(Reason.BUNDLE_MALFORMED)
    timestamp = member["timestamp"]
    if type(timestamp) is not int or not all(isinstance(member[name], str) for name in _TEXTS):
        raise RefusalError(Reason.BUNDLE_MALFORMED)
    if not _ID.fullmatch(member["id"]) or not all(member[name].isascii() for name in _TEXTS):
        raise RefusalError(Reason.BUNDLE_MALFORMED)
    headers = Headers(
        {
            "Content-Type": member["content_type"],
            "X-Telemetry-Id": member["id"],
            "X-Telemetry-Timestamp": str(timestamp),
            "X-Telemetry-Signature": member["signature"],
            "X-Telemetry-Key-Id": member["key_id"],
        }
    )
    return Carried(headers, _body(member["body_b64"]), member["id"], member["key_id"])


def _body(text: str) -> bytes:
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RefusalError(Reason.BUNDLE_MALFORMED) from None
    if len(body) > MAX_BODY_BYTES:
        raise RefusalError(Reason.BODY_TOO_LARGE)
    return body
