"""The options of a reference License Server, passed between processes as one line of JSON."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from telemetry_service.domain.payload import CUSTOMER_ID_PATTERN, LicenseStatus, Tier

API_KEY_PATTERN = r"^[\x21-\x7e]{16,256}$"


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class LicenseBlock(_Closed):
    """The license posture in a response."""

    tier: Tier
    license_status: LicenseStatus
    expires_at: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,12}Z$")] | None = None
    """RFC 3339 in UTC; None for a license that does not expire."""


class Grant(_Closed):
    """An API key and its customer."""

    api_key: str = Field(pattern=API_KEY_PATTERN, repr=False)
    customer_id: str = Field(pattern=CUSTOMER_ID_PATTERN)


class ReferenceOptions(_Closed):
    """All options of a reference License Server."""

    store: Path
    """Its SQLite file; created if missing."""
    certificate_file: Path
    key_file: Path
    signing_key_file: Path
    """PEM with the Ed25519 key that signs receipts; created if missing."""
    grants: tuple[Grant, ...] = ()
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """0 lets the system choose one, which is announced."""
    ca_file: Path | None = None
    """The authority that clients trust; the server itself does not read it."""
    licenses: dict[str, LicenseBlock] = Field(default_factory=dict)
    """By customer ID: the license block in the responses to that customer."""
    require_encryption: bool = False
    schema_folder: Path | None = None
    """Holds payload schemas that are accepted beside the published ones, for example those of a newer version."""
    control_token: str | None = Field(default=None, min_length=16, repr=False)
    """Gives access to the control interface. Without it, there is none."""
