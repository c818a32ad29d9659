"""The configuration that an administrator saves, and the facts that only the deployment sets."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from telemetry_service.domain.schedule import Frequency

API_KEY_PATTERN = r"^[\x21-\x7e]{16,256}$"


class Retention(IntEnum):
    """Days for which telemetry is kept locally."""

    MINIMUM = 7
    DEFAULT = 30
    EXTENDED = 90
    MAXIMUM = 365


class Configuration(BaseModel):
    """What one save replaces as a whole."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    enabled: bool
    frequency: Frequency
    encrypt_payload: bool
    anonymize_pii: bool
    retention_days: Literal[7, 30, 90, 365]


class ApiKeyInput(BaseModel):
    """A new API key: visible ASCII, 16 to 256 characters."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: Annotated[str, Field(pattern=API_KEY_PATTERN, repr=False)]


@dataclass(frozen=True, slots=True)
class ApiKeyFact:
    """What may be shown of the API key without showing it."""

    key_id: str
    hint: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class StoredConfiguration:
    """The configuration as it stands, with the version that a save must name."""

    values: Configuration
    version: int
    updated_at: datetime
    api_key: ApiKeyFact | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """What only the deployment decides, and no page can change."""

    license_server_configured: bool
    customer_id: str | None
    version: str
    enabled: bool
    """False where the deployment switched telemetry off for good."""
    send_spread: timedelta
    demo_mode: bool = False
    """Whether the service runs to be tried out, and would start without any keys."""
    ephemeral_keys: bool = False
    """Whether keys are lost when the process ends. Only the demo mode allows it."""


def hint_of(api_key: str) -> str:
    """Return the last four characters, which identify a key to its owner."""
    return api_key[-4:]
