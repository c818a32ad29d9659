"""The License Server's response to a bundle: a file of signed receipts and refusals, and what became of each.

The file comes from outside and passes through many hands. So its form is closed and bounded, and nothing in it is
believed but what a pinned key has signed.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import ReceiptsMalformedError
from telemetry_service.domain.outcome import CUSTOMER_MISMATCH, Failure, Held, Rejected
from telemetry_service.domain.receipt import MOST_CHARACTERS

FILE_BYTES = 512 * 1024
"""Several times the receipts of the largest bundle."""

_MOST_TOKENS = 10_000

_WITHOUT_NUL = r"^[^\x00]*$"
"""For the description: no text of a request may contain NUL."""

_Token = Annotated[str, Field(max_length=MOST_CHARACTERS, json_schema_extra={"pattern": _WITHOUT_NUL})]
_Tokens = Annotated[tuple[_Token, ...], Field(max_length=_MOST_TOKENS)]


class ReceiptsFile(BaseModel):
    """The receipts of accepted transmissions and the refusals of others, each a JWS in compact serialization.

    A part of a file is one too.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    receipts: _Tokens = ()
    refused: _Tokens = ()


def read_receipts_file(raw: bytes) -> ReceiptsFile:
    """Return the content of a file.

    Raises:
        ReceiptsMalformedError: it is not such a file, or is too large.
    """
    if len(raw) > FILE_BYTES:
        message = f"{ReceiptsMalformedError.sentence} It is larger than {FILE_BYTES // 1024} KiB."
        raise ReceiptsMalformedError(message)
    try:
        json.loads(raw.decode("utf-8"), object_pairs_hook=_distinct)
        return ReceiptsFile.model_validate_json(raw)
    except (ValueError, RecursionError):  # A ValidationError and a UnicodeDecodeError are ValueErrors.
        raise ReceiptsMalformedError from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


class ImportResult(StrEnum):
    """What became of a receipt or a refusal; the code is stable."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    KNOWN = "known"
    MALFORMED = "malformed"
    FORGED = "forged"
    FOREIGN = "foreign"
    NOT_SENT = "not_sent"

    @property
    def sentence(self) -> str:
        """What it means."""
        return _SENTENCES[self]

    @property
    def changes(self) -> bool:
        """Whether it changed the transmission."""
        return self in {ImportResult.ACCEPTED, ImportResult.REFUSED}


_SENTENCES = {
    ImportResult.ACCEPTED: "The License Server accepted this transmission.",
    ImportResult.REFUSED: "The License Server refused this transmission. It can be exported again.",
    ImportResult.KNOWN: "Nothing changed: this is known already, or a later one has been imported.",
    ImportResult.MALFORMED: "Ignored: this is not a receipt, or it says more than a receipt may.",
    ImportResult.FORGED: "Ignored: none of the pinned keys has signed this.",
    ImportResult.FOREIGN: "Ignored: this installation has no such transmission.",
    ImportResult.NOT_SENT: "Ignored: this names a payload that this installation never sent under this ID.",
}


@dataclass(frozen=True, slots=True)
class ImportedToken:
    """One receipt or refusal of the file, and what became of it."""

    result: ImportResult
    transmission_id: UUID | None = None
    """None if it names none that can be believed."""
    code: str | None = None
    """Why the License Server refused it, in its own code."""

    @property
    def sentence(self) -> str:
        """What became of it."""
        return self.result.sentence if self.code is None else f"{self.result.sentence} Code: {self.code}."


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a whole file, in its order: the receipts, then the refusals."""

    tokens: tuple[ImportedToken, ...]

    def count(self, *results: ImportResult) -> int:
        """Return how many had one of these results."""
        return sum(token.result in results for token in self.tokens)

    @property
    def accepted(self) -> int:
        """Transmissions that are accepted now."""
        return self.count(ImportResult.ACCEPTED)

    @property
    def refused(self) -> int:
        """Transmissions that were refused, and can be exported again."""
        return self.count(ImportResult.REFUSED)

    @property
    def known(self) -> int:
        """Receipts that changed nothing."""
        return self.count(ImportResult.KNOWN)

    @property
    def ignored(self) -> int:
        """Receipts that are not believed."""
        return len(self.tokens) - self.accepted - self.refused - self.known


_BAD_KEY = frozenset({"key-unknown", "key-revoked", "signature-invalid"})


def outcome_of_refusal(code: str) -> Failure:
    """Return the outcome of a transmission that the License Server refused with ``code``."""
    if code in _BAD_KEY:
        return Held(Cause.API_KEY_NOT_ACCEPTED)
    if code == CUSTOMER_MISMATCH:
        return Held(Cause.FORBIDDEN, customer_refused=True)
    return Rejected(Cause.ID_CONFLICT if code == "id-conflict" else Cause.PAYLOAD_REFUSED)
