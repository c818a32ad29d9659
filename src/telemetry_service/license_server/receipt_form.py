"""The form of a receipt: a closed world, like the payload, because a receipt is kept, shown and exported.

What the License Server signs is its own affair, but a receipt in which anything could stand (an ``iss`` or a
``jku`` with the License Server's address, say) would carry that onto our pages. So only a receipt that says what
the protocol lists, and nothing else, is passed on; one with more counts as none. Whether it is genuine is not
judged here.
"""

import base64
import binascii
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from telemetry_service.domain.timestamps import Moment

_PARTS = 3
_SIGNATURE_BYTES = 64


class _Closed(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class _Header(_Closed):
    alg: Literal["EdDSA", "Ed25519"]
    typ: Annotated[str, Field(pattern=r"^[A-Za-z0-9+-]{1,32}$")] | None = None
    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None


_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""A tier or a status, one that this version does not know included."""


class _License(_Closed):
    tier: _Token | None = None
    license_status: _Token | None = None
    expires_at: Moment | None = None


class _Claims(_Closed):
    transmission_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    payload_sha256: _Digest
    received_at: Moment
    ledger: _Digest | None = None
    license: _License | None = None
    iat: Annotated[int, Field(ge=0)] | None = None


def in_closed_form(receipt: str) -> bool:
    """Whether ``receipt`` (JWS compact serialization) says what the protocol lists, and nothing else."""
    parts = receipt.split(".")
    if len(parts) != _PARTS:
        return False
    try:
        header, claims, signature = map(_decoded, parts)
        _read(_Header, header)
        _read(_Claims, claims)
    except (ValidationError, ValueError, RecursionError):
        return False
    return len(signature) == _SIGNATURE_BYTES


def _decoded(part: str) -> bytes:
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError from None
    # Bits left over behind the last byte would be a second text for the same receipt.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part.encode():
        raise ValueError
    return raw


def _read(model: type[_Closed], raw: bytes) -> None:
    json.loads(raw, object_pairs_hook=_without_duplicates)
    model.model_validate_json(raw)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members
