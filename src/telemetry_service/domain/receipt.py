"""The License Server's receipt for a payload, a JWS in compact serialization (RFC 7515): its parts and its form.

A receipt is kept, shown and exported, so its form is closed, like the payload's. The License Server may sign what it
likes, but a receipt that could contain anything (an ``iss`` or a ``jku`` with the License Server's address, say) would
carry that onto our pages. ``sealing`` checks whether a receipt is genuine.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from telemetry_service.domain.base64url import from_base64url
from telemetry_service.domain.outcome import Note
from telemetry_service.domain.timestamps import Moment, parse_moment

_PARTS = 3
_SIGNATURE_BYTES = 64
MOST_CHARACTERS = 4096
"""Several times the size of a real receipt, which is about 300."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt's parts."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    """What the signature covers."""
    signature: bytes


def parse_receipt(token: str) -> Receipt:
    """Return the parts of a receipt; their content is not checked.

    Raises:
        ValueError: it is not a receipt, or is ambiguous.
    """
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise ValueError
    header, claims, signature = map(from_base64url, parts)
    return Receipt(_members(header), _members(claims), f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why something is not a receipt of the protocol."""

    note: Note
    member: str = ""
    """Which member of the header or the claims it is about. Its sender chose the name, so no log contains it."""


def flaw_of_receipt(token: str) -> Flaw | None:
    """Return why ``token`` is not a receipt, or says more than the protocol lists; None if all is right."""
    return _read(token, ReceiptClaims)[1]


def claims_of_receipt(token: str) -> Mapping[str, Any] | None:
    """Return what a receipt says, without verifying it; None if it is none, or says more than the protocol lists."""
    return _read(token, ReceiptClaims)[0]


def signed_at(claims: Mapping[str, Any]) -> datetime | None:
    """Return when a receipt was signed: ``iat``, else the time of the acceptance. None if that cannot be read.

    A repeated receipt may be signed again, with the license of that time and the time of the first acceptance.
    """
    try:
        if isinstance(claims.get("iat"), int):
            return datetime.fromtimestamp(claims["iat"], UTC)
        return parse_moment(claims["received_at"])
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def claims_of_refusal(token: str) -> Mapping[str, Any] | None:
    """Return what a signed refusal of a bundle's transmission says, without verifying it; None if it is none."""
    return _read(token, RefusalClaims)[0]


def _read(token: str, form: type[BaseModel]) -> tuple[Mapping[str, Any] | None, Flaw | None]:
    """Return the claims of a token in its closed form, or its flaw."""
    try:
        receipt = parse_receipt(token) if len(token) <= MOST_CHARACTERS else None
    except ValueError:
        receipt = None
    if receipt is None or len(receipt.signature) != _SIGNATURE_BYTES:
        return None, Flaw(Note.RECEIPT_DROPPED)
    for model, members, note in (
        (ReceiptHeader, receipt.header, Note.RECEIPT_HEADER_NOT_ALLOWED),
        (form, receipt.claims, Note.RECEIPT_CLAIM_NOT_ALLOWED),
    ):
        try:
            model.model_validate(members)
        except ValidationError as error:
            return None, Flaw(note, ".".join(map(str, error.errors()[0]["loc"])))
    return receipt.claims, None


def _members(part: bytes) -> dict[str, Any]:
    try:
        members = json.loads(part.decode(), object_pairs_hook=_without_duplicates)
    except RecursionError:
        members = None
    if not isinstance(members, dict):
        raise ValueError  # noqa: TRY004 - refused like any other malformed receipt
    return members


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


class _Closed(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class ReceiptHeader(_Closed):
    """The protected header of a receipt and of a signed refusal."""

    alg: Literal["EdDSA", "Ed25519"]
    typ: Annotated[str, Field(pattern=r"^[A-Za-z0-9+-]{1,32}$")] | None = None
    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None


_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""A tier or a status, including one that this version does not know."""


class _License(_Closed):
    tier: _Token | None = None
    license_status: _Token | None = None
    expires_at: Moment | None = None


class ReceiptClaims(_Closed):
    """What a receipt says."""

    transmission_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    payload_sha256: _Digest
    received_at: Moment
    ledger: _Digest | None = None
    license: _License | None = None
    iat: Annotated[int, Field(ge=0)] | None = None


class RefusalClaims(_Closed):
    """What the signed refusal of a bundle's transmission says."""

    transmission_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    body_sha256: _Digest | None = None
    """Which attempt it means. Without it, the latest one."""
    refused_at: Moment | None = None
    iat: Annotated[int, Field(ge=0)] | None = None
