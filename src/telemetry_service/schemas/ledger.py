"""The ledger, what a check of it found, and an attempt as a document."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from telemetry_service.domain.ledger import ANCHOR_PATTERN
from telemetry_service.schemas.base import Moment, ResponseModel, read_from

_MOST_ANCHORS = 100


class AnchorsInput(BaseModel):
    """What a check of the ledger must find."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    anchors: Annotated[tuple[Annotated[str, Field(pattern=ANCHOR_PATTERN)], ...], Field(max_length=_MOST_ANCHORS)] = ()
    """The digests of entries that you kept elsewhere: `HASH` or `SEQ:HASH`."""


class LedgerHeadResponse(ResponseModel):
    """The number and the digest of an entry."""

    seq: int
    sha256: str
    """Of its line. Keep it elsewhere: it is an anchor."""


class LedgerEntryResponse(ResponseModel):
    """An entry."""

    seq: int
    line: str
    """The signed entry (JWS in compact serialization)."""
    claims: dict[str, Any]
    """What it says. With `persons=true`, values are in place of their salted digests, unless they were erased."""
    unreadable: str | None
    """The column of its row that someone has written something else into; null if there is none. If that is the entry
    itself, `line` is empty."""


class LedgerResponse(ResponseModel):
    """A part of the ledger, oldest entry first."""

    entries: tuple[LedgerEntryResponse, ...]
    head: LedgerHeadResponse
    next_after: int | None
    """The `after` of the next part; null if this is the last one."""


class LedgerProblemResponse(ResponseModel):
    """What is wrong, or could not be proved."""

    seq: int | None
    """The entry; null if it is about the whole ledger."""
    code: str
    """Stable."""
    sentence: str
    transmission_id: UUID | None
    """The transmission, if it is about one."""


class LedgerReportResponse(ResponseModel):
    """What a check of the whole ledger found."""

    verified: bool
    checked_at: Moment
    head: LedgerHeadResponse | None
    problems: tuple[LedgerProblemResponse, ...]
    notes: tuple[LedgerProblemResponse, ...]
    """What could not be proved, and is no proof of a change either."""
    checked: dict[str, int]
    """How much was checked. Evidence counts once for each time that an entry names it."""
    not_checked: tuple[str, ...]


class PublicKeyResponse(ResponseModel):
    """A key that signs the ledger, or has signed a part of it."""

    key_id: str
    public_key: str
    """32 bytes in URL-safe base64."""
    fingerprint: str
    """The hex SHA-256 digest of the raw key."""


class LedgerKeysResponse(ResponseModel):
    """The keys of the ledger."""

    present: PublicKeyResponse | None
    """The one that signs; null if it cannot be opened with ENCRYPTION_KEY."""
    earlier: tuple[PublicKeyResponse, ...]
    """The others, the latest first."""


class MessageResponse(ResponseModel):
    """An attempt as a document: its headers and its exact bytes, with the digests that the ledger names."""

    transmission_id: str
    number: int = read_from("attempt.number")
    headers: dict[str, str] | None
    """The headers that identify and sign it, as the ledger has them; null if an earlier version made the attempt."""
    payload_sha256: str = read_from("attempt.payload_sha256")
    payload_base64: str | None
    """The payload before encryption; null if it is gone."""
    body_sha256: str = read_from("attempt.body_sha256")
    body_base64: str | None
    """The body as it crossed the network; null if it is gone."""
    encrypted: bool = read_from("attempt.encrypted")
    request_written: bool | None = read_from("attempt.request_written")
    """False if the attempt ended before anything was sent; null if unknown."""
    verified: bool = read_from("proof.holds")
    """Whether everything about the transmission was found as it was signed, for this response."""
    findings: tuple[str, ...]
    """What was not."""
