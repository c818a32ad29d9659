"""Service tokens."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from telemetry_service.domain.keyed_digest import KeyAge
from telemetry_service.identity.scopes import Scope
from telemetry_service.identity.tokens import LIFETIME, LONGEST_LIFETIME, NAME_PATTERN
from telemetry_service.schemas.base import Moment, ResponseModel
from telemetry_service.schemas.member_texts import describe_members


class TokenInput(BaseModel):
    """A new service token."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", json_schema_extra=describe_members)

    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
    """The name of the token's user. No other valid token may have it."""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    """What it may do. `admin` includes `read`."""
    expires_in_days: Annotated[int, Field(ge=1, le=LONGEST_LIFETIME.days)] | None = LIFETIME.days
    """After how many days it expires; null for never. A token that another one creates expires with it at the
    latest."""

    @property
    def lifetime(self) -> timedelta | None:
        """How long it is valid; None if it never expires."""
        return None if self.expires_in_days is None else timedelta(days=self.expires_in_days)


class TokenResponse(ResponseModel):
    """What may be shown about a service token."""

    token_id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: Moment
    expires_at: Moment | None
    """Null if it never expires."""
    last_used_at: Moment | None
    """Accurate to about a minute."""
    revoked_at: Moment | None
    credential_key: KeyAge
    """Which key of `CREDENTIAL_ENCRYPTION_KEY` it depends on, until its next use. `lost`: one that is not in the list,
    so that no one can use the token."""


class TokensResponse(ResponseModel):
    """The service tokens, oldest first, revoked and expired ones too."""

    tokens: tuple[TokenResponse, ...]


class CreatedTokenResponse(TokenResponse):
    """A new service token."""

    token: str
    """It is not shown again."""
