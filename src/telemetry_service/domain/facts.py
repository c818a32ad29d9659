"""What other services may report: closed like the payload. Only a ``code_id`` contains text that a person chose.

Bouncer and pair IDs are opaque and are never sent; a ``code_id`` is, so its pattern is the payload's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from telemetry_service.domain.payload import CODE_ID_PATTERN, CUSTOMER_ID_PATTERN, LicenseStatus, Tier
from telemetry_service.domain.timestamps import Moment

MAX_REPORTS = 10_000
"""Usage reports in one call."""

MAX_REPORT_COUNT = 10**9
"""The largest count in one report: more than any bouncer counts between two reports."""

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


def contradiction(reports: Sequence[UsageReport]) -> int | None:
    """Return the index of the first report with more successful decisions than decisions, or None."""
    for index, report in enumerate(reports):
        if report["successful_decisions"] > report["policy_decisions"]:
            return index
    return None


class LicenseSource(StrEnum):
    """Who reported the license posture or its latest change."""

    REPORTED = "reported"
    """The Control Plane, by ``PUT /license``."""
    LICENSE_SERVER = "license_server"
    """The License Server, with an acceptance: tier, status and expiry."""


def _without_defaults(schema: JsonDict) -> None:
    """A client that filled in a default would change what its user leaves out."""
    members = schema["properties"]
    for member in members.values() if isinstance(members, dict) else ():
        if isinstance(member, dict):
            member.pop("default", None)


class LicensePosture(_Fact):
    """The Control Plane's license and license token.

    As a report, it changes what it names (``model_fields_set``). An omitted member keeps the present value; null
    removes a value that is optional. Tier and status are never null.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

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


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """The result of one call: how many reports were counted now, and how many had been counted before."""

    accepted: int
    duplicates: int
