"""What other services may report: closed like the payload. Only a ``code_id`` contains text that a person chose.

Bouncer and pair IDs are opaque and are never sent; a ``code_id`` is, so its pattern is the payload's.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Annotated, Any, Literal
from uuid import UUID
from zlib import crc32

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, with_config
from typing_extensions import TypedDict

from telemetry_service.domain.given_members import no_defaults
from telemetry_service.domain.payload import CODE_ID_PATTERN, CUSTOMER_ID_PATTERN, MAX_CODES, LicenseStatus, Tier
from telemetry_service.domain.timestamps import Moment

MAX_REPORTS = 10_000
"""Usage reports in one call."""

MAX_REGISTRATIONS = 10_000
"""Bouncers in one replacement of the registry."""

MAX_REPORT_COUNT = 10**9
"""The largest count in one report: more than any bouncer counts between two reports."""

MAX_WAITING_CODES = 10 * MAX_CODES
"""Extension codes that may wait for a payload."""

OPAQUE_ID_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"

OpaqueId = Annotated[str, Field(pattern=OPAQUE_ID_PATTERN)]
ReportCount = Annotated[int, Field(ge=0, le=MAX_REPORT_COUNT)]


class Environment(StrEnum):
    """A bouncer's environment."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


EnvironmentName = Literal["sandbox", "production"]


class _Fact(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class BouncerRegistration(_Fact):
    """A bouncer's registration."""

    environment: Environment
    pair_id: OpaqueId


class NamedRegistration(BouncerRegistration):
    """A bouncer with its registration."""

    bouncer_id: OpaqueId


class Registry(_Fact):
    """All bouncers there are."""

    bouncers: Annotated[tuple[NamedRegistration, ...], Field(max_length=MAX_REGISTRATIONS)]


_CLOSED = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@with_config(_CLOSED)
class UsageReport(TypedDict):
    """Counts since the reporter's last report; ``report_id`` is its idempotency key.

    A typed dictionary and not a model: thousands of them arrive in one call, and this is validated
    several times faster.
    """

    report_id: UUID
    bouncer_id: OpaqueId
    environment: EnvironmentName
    audit_events: ReportCount
    policy_decisions: ReportCount
    successful_decisions: ReportCount


@with_config(_CLOSED)
class UsageBatch(TypedDict):
    """One call's reports."""

    reports: Annotated[list[UsageReport], Field(min_length=1, max_length=MAX_REPORTS)]


def contradicts_itself(report: UsageReport) -> bool:
    """Whether a report has more successful decisions than decisions, or more decisions than events.

    Each decision is an audit event too.
    """
    return not report["successful_decisions"] <= report["policy_decisions"] <= report["audit_events"]


Content = tuple[str, str, int, int, int]
"""Bouncer, environment, audit events, decisions, and successful decisions."""

_CONTENT = itemgetter("bouncer_id", "environment", "audit_events", "policy_decisions", "successful_decisions")


def content_of(report: UsageReport) -> Content:
    """Return what a report says, without its ID."""
    content: Content = _CONTENT(report)
    return content


def checksum_of(content: Content) -> int:
    """Return 32 bits that tell the content of a report from that of another one with the same ID."""
    bouncer_id, environment, events, decisions, successes = content
    return crc32(f"{bouncer_id} {environment} {events} {decisions} {successes}".encode())


class LicenseSource(StrEnum):
    """Who reported the license posture or its latest change."""

    REPORTED = "reported"
    """The Control Plane, by ``PUT /license``."""
    LICENSE_SERVER = "license_server"
    """The License Server, with an acceptance: tier, status and expiry."""


class LicensePosture(_Fact):
    """The Control Plane's license and license token.

    As a report, it changes what it names (``model_fields_set``). An omitted member keeps the present value; null
    removes a value that is optional. Tier and status are never null.
    """

    model_config = ConfigDict(json_schema_extra=no_defaults)

    customer_id: Annotated[str, Field(pattern=CUSTOMER_ID_PATTERN)] | None = None
    tier: Tier = Tier.UNKNOWN
    license_status: LicenseStatus = LicenseStatus.UNKNOWN
    expires_at: Moment | None = None
    token_issued_at: Moment | None = None
    token_expires_at: Moment | None = None
    token_refreshed_at: Moment | None = None


_VALUE_PATTERN = r"^[A-Za-z0-9_-]{1,32}$"


def _of_any_version(values: type[StrEnum]) -> Any:  # noqa: ANN401 - annotations of a type
    """Take a value that this version does not know as ``unknown``: a newer Control Plane may report one."""

    def known(value: object) -> object:
        foreign = isinstance(value, str) and value not in set(values) and re.fullmatch(_VALUE_PATTERN, value, re.ASCII)
        return "unknown" if foreign else value

    described = {"type": "string", "pattern": _VALUE_PATTERN, "examples": [member.value for member in values]}
    return BeforeValidator(known), WithJsonSchema(described)


class ReportedLicense(LicensePosture):
    """A report of the license. It may name a tier or a status that this version does not know."""

    tier: Annotated[Tier, *_of_any_version(Tier)] = Tier.UNKNOWN
    license_status: Annotated[LicenseStatus, *_of_any_version(LicenseStatus)] = LicenseStatus.UNKNOWN


class ExtensionCode(_Fact):
    """A redeemed extension code, idempotent by its `code_id`."""

    code_id: Annotated[str, Field(pattern=CODE_ID_PATTERN)]
    redeemed_at: Moment


@dataclass(frozen=True, slots=True)
class RegisteredBouncer:
    """A bouncer as the registry keeps it."""

    bouncer_id: str
    environment: Environment
    pair_id: str
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPosture:
    """The present license posture. Source and time are None before the first report, and in a row written by 0.1.0."""

    values: LicensePosture
    source: LicenseSource | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class PostureChange:
    """The license posture before and after a report that changed something."""

    old: LicensePosture
    new: LicensePosture


class WarningCode(StrEnum):
    """What is probably not meant, although it was taken."""

    ENVIRONMENT_DIFFERS = "environment-differs"
    """Usage of another environment than the one that its bouncer is registered for."""
    REPORT_ID_REUSED = "report-id-reused"
    """The ID of a report that was counted with other content."""
    PAIR_HAS_TWO_PRODUCTION_BOUNCERS = "pair-has-two-production-bouncers"
    SOURCE_REGISTERS_OTHERWISE = "source-registers-otherwise"
    """The registration of a bouncer that the source database registers with another environment or pair."""


_WARNINGS = {
    WarningCode.ENVIRONMENT_DIFFERS: (
        "The bouncer is registered for the other environment. Its usage was counted as reported; correct the"
        " registration or the reporter."
    ),
    WarningCode.REPORT_ID_REUSED: (
        "A report with this ID and other content was counted before, so this one was not. Give each report its own ID."
    ),
    WarningCode.PAIR_HAS_TWO_PRODUCTION_BOUNCERS: (
        "Another production bouncer is registered for the same pair. A pair is one sandbox and one production bouncer;"
        " it is priced as one pair."
    ),
    WarningCode.SOURCE_REGISTERS_OTHERWISE: (
        "The source database registers this bouncer with another environment or pair, which counts as long as it does."
        " Correct the view telemetry_source_bouncers or the registration."
    ),
}


@dataclass(frozen=True, slots=True)
class FactWarning:
    """Something that was taken and is probably not meant, and what it is about."""

    code: WarningCode
    bouncer_id: str
    index: int | None = None
    report_id: UUID | None = None

    @property
    def sentence(self) -> str:
        """What is wrong and what was done."""
        return _WARNINGS[self.code]


WARNINGS_SHOWN = 100
"""Warnings in one response."""


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """The result of one call: how many reports were counted now, and how many had been counted before."""

    accepted: int
    duplicates: int
    reportable: bool = True
    """False if telemetry is off: what is counted meanwhile is never sent."""
    warnings: tuple[FactWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisteredWith:
    """A registered bouncer, with what is probably wrong."""

    bouncer: RegisteredBouncer
    warnings: tuple[FactWarning, ...]


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """What a replacement of the registry changes."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int
    warnings: tuple[FactWarning, ...]

    @property
    def changes_something(self) -> bool:
        """Whether it differs from what is registered."""
        return bool(self.added or self.removed or self.changed)
