"""The configuration that an administrator saves, and the facts that only the deployment sets."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from telemetry_service.domain.given_members import no_defaults
from telemetry_service.domain.issuers import Doors
from telemetry_service.domain.locks import Setting
from telemetry_service.domain.public_url import PublicUrl
from telemetry_service.domain.release import AUTOMATIC, ReleasePolicy
from telemetry_service.domain.schedule import Frequency

API_KEY_SHORTEST, API_KEY_LONGEST = 16, 256
API_KEY_PATTERN = rf"^[\x21-\x7e]{{{API_KEY_SHORTEST},{API_KEY_LONGEST}}}$"
API_KEY_FORM = f"Use {API_KEY_SHORTEST}–{API_KEY_LONGEST} letters, digits, or symbols, no spaces."
API_KEY_REPEATED = "This is a placeholder, not an API key: it repeats a few characters."

DEFAULT_MAX_BOUNCERS = 100_000
"""More than any deployment has; each costs memory and time at every preview."""

_DISTINCT_MINIMUM = 4
"""Minimum number of different characters in a key. A random key of 16 hex digits has fewer once in a billion."""


def api_key_error(text: str) -> str | None:
    """Return a sentence that says why ``text`` cannot be an API key, or None if it can.

    Only the License Server knows whether it is the right one. There is no list of placeholder words: which placeholder
    a person chooses cannot be known, and a real key must never be refused for a word in it.
    """
    if not re.fullmatch(API_KEY_PATTERN, text):
        return API_KEY_FORM
    # A text that repeats a shorter one occurs in two copies of itself at an inner position.
    if len(set(text)) < _DISTINCT_MINIMUM or text in (text + text)[1:-1]:
        return API_KEY_REPEATED
    return None


def _not_repeated(text: str) -> str:
    if api_key_error(text) is not None:
        raise PydanticCustomError("api_key_repeated", "a placeholder")
    return text


class Retention(IntEnum):
    """Days for which telemetry is kept locally."""

    MINIMUM = 7
    DEFAULT = 30
    EXTENDED = 90
    MAXIMUM = 365


class Configuration(BaseModel):
    """The settings that a save replaces as a whole."""

    # Most generated clients already have a class Configuration.
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", title="TelemetryConfiguration")

    enabled: bool
    frequency: Frequency
    encrypt_payload: bool
    anonymize_pii: bool
    retention_days: Literal[7, 30, 90, 365]

    def applied_to(self, _before: Self) -> Self:
        """Return what is saved in the place of ``before``: all of this."""
        return self


class ConfigurationPatch(BaseModel):
    """The settings that change (RFC 7396); the others stay. No setting can be removed, so none is null."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", title="TelemetryConfigurationPatch", json_schema_extra=no_defaults
    )

    enabled: bool = True
    frequency: Frequency = Frequency.TWICE_MONTHLY
    encrypt_payload: bool = True
    anonymize_pii: bool = True
    retention_days: Literal[7, 30, 90, 365] = 30
    """A default counts only where the patch names it."""

    def applied_to(self, before: Configuration) -> Configuration:
        """Return what is saved in the place of ``before``."""
        return before.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class ApiKeyInput(BaseModel):
    """A new API key: 16 to 256 visible ASCII characters, and not a placeholder that repeats a few of them."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: Annotated[str, Field(pattern=API_KEY_PATTERN, repr=False), AfterValidator(_not_repeated)]


class NewApiKeyInput(ApiKeyInput):
    """The API key to save."""

    # In a Go client, NewApiKeyInput is what makes an ApiKeyInput.
    model_config = ConfigDict(title="ApiKeyToSave")

    overlap: bool = True
    """Whether the key that it replaces is still tried for up to 24 hours where this one is not accepted yet. False
    destroys it now: use that if it may be known to someone else."""


@dataclass(frozen=True, slots=True)
class ApiKeyFact:
    """What may be shown about the API key without showing it."""

    key_id: str
    hint: str
    set_at: datetime

    @property
    def configured(self) -> bool:
        """Whether there is a key."""
        return True


@dataclass(frozen=True, slots=True)
class OldApiKeyFact:
    """What may be shown about the key before the present one, while it is still tried."""

    key_id: str
    hint: str
    until: datetime
    """When it is destroyed, unless a payload is accepted under the new key before."""


@dataclass(frozen=True, slots=True)
class NoApiKey:
    """What is shown where there is no API key."""

    key_id: None = None
    hint: None = None
    set_at: None = None
    configured: bool = False


@dataclass(frozen=True, slots=True)
class StoredConfiguration:
    """The saved configuration, with the version that a save must name."""

    values: Configuration
    version: int
    updated_at: datetime
    api_key: ApiKeyFact | None


DEFAULT_LEDGER_RETENTION = timedelta(days=3650)


class Delivery(StrEnum):
    """How payloads reach the License Server."""

    ONLINE = "online"
    BUNDLE = "bundle"
    """In files that a person carries: nothing here opens a connection (``docs/air-gap.md``)."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What only the deployment decides; no page can change it."""

    license_server_configured: bool
    customer_id: str | None
    version: str
    enabled: bool
    """False where the deployment turned telemetry off permanently."""
    send_spread: timedelta
    max_bouncers: int = DEFAULT_MAX_BOUNCERS
    """Distinct bouncers in one period, and in the registry."""
    extension_code_pattern: str | None = None
    """A regular expression that the whole extension code must match. None accepts what the payload accepts."""
    proxy: bool = False
    """Whether the License Server is reached through a proxy."""
    trusted_proxies: tuple[str, ...] = ()
    """Whose word counts for the address that a request comes from."""
    public_url: PublicUrl | None = None
    """Where browsers reach the service; None if the deployment does not say."""
    console_url: PublicUrl | None = None
    """Where the console is that the breadcrumbs lead to."""
    frame_ancestors: tuple[str, ...] = ()
    """Other origins whose pages may show the tab in a frame."""
    hsts_subdomains: bool = False
    """Whether browsers must use TLS for the subdomains of the public host, too."""
    ledger_fingerprint: str | None = None
    """The hex SHA-256 digest of the ledger's public key that the deployment trusts."""
    ledger_retention: timedelta = DEFAULT_LEDGER_RETENTION
    demo_mode: bool = False
    """Whether the service runs as a demo, which starts without any keys."""
    release: ReleasePolicy = AUTOMATIC
    """Which payloads wait before they may leave."""
    bootstrap_token: bool = False
    """Whether the deployment sets a service token with the scope ``admin``."""
    require_receipt: bool = False
    """Whether a payload counts as accepted only with a valid receipt, or by an administrator's decision."""
    ephemeral_keys: bool = False
    """Whether keys are lost when the process ends. Only the demo mode allows it."""
    delivery: Delivery = Delivery.ONLINE
    doors: Doors = field(default_factory=Doors)
    """Who may log in, and how."""
    source_database: bool = False
    """Whether usage is also counted from the Control Plane's own database."""
    locked_settings: tuple[Setting, ...] = ()
    """What the deployment sets in the place of an administrator; their values are those of the configuration."""

    @property
    def locked(self) -> tuple[Setting, ...]:
        """What no administrator can change: these, and the switch while telemetry is turned off permanently."""
        return self.locked_settings if self.enabled else (Setting.ENABLED, *self.locked_settings)

    @property
    def in_bundles(self) -> bool:
        """Whether payloads leave in bundle files only."""
        return self.delivery is Delivery.BUNDLE

    @property
    def online(self) -> bool:
        """Whether there is a License Server to connect to."""
        return self.license_server_configured and not self.in_bundles

    @property
    def has_recipient(self) -> bool:
        """Whether payloads can reach a License Server in either way."""
        return self.license_server_configured or self.in_bundles


def hint_of(api_key: str) -> str:
    """Return the last four characters, which identify a key to its owner."""
    return api_key[-4:]
