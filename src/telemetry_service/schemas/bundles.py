"""What became of the receipts of a bundle."""

from uuid import UUID

from telemetry_service.domain.receipts_file import ImportResult
from telemetry_service.schemas.base import ResponseModel


class ImportedTokenResponse(ResponseModel):
    """One receipt or refusal of the file."""

    transmission_id: UUID | None
    """Null if it is not genuine."""
    result: ImportResult
    code: str | None
    """Why the License Server refused the transmission, in its own code."""
    sentence: str


class ImportResponse(ResponseModel):
    """What became of the file: first its receipts, then its refusals, in their order."""

    accepted: int
    """Transmissions that are accepted now."""
    refused: int
    """Transmissions that the License Server refused. They can be exported again."""
    known: int
    """Receipts and refusals that changed nothing."""
    ignored: int
    """Receipts and refusals that are malformed, forged, or foreign."""
    tokens: tuple[ImportedTokenResponse, ...]
