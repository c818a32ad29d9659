"""All that is sent. Nothing outside this file reaches the License Server.

The payload is closed: every model is strict, frozen and refuses extra fields, and every string is an enumeration, a
UUID, a date or an anchored pattern. Only the content of extension codes is chosen by an outsider, within their pattern,
and without ``TELEMETRY_CUSTOMER_ID`` the customer.
``make docs`` writes these models, with their dictionary entries and rules, as the current schema document in
``payload_schemas/published/``. Everything else reads that document.

Rule of change: a field may be added only together with its dictionary entry, the product guide, the schema document and
the CHANGELOG. Loosening a pattern counts as adding a field.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from telemetry_service.domain.payload_schemas.rules import Distinct, NotAbove, Rule, Sum

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8785 section 3.2.2.3)."""

MAX_DAYS = 3_652_059
"""The number of days between the first and the last date that Python can represent."""

MAX_CODES = 1_000
"""Extension codes in one payload; the rest are included in the next."""

CODE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{2,63}$"
CUSTOMER_ID_PATTERN = r"^cus_[A-Za-z0-9]{6,64}$"
PSEUDONYM_PATTERN = r"^anon_[0-9a-f]{64}$"
VERSION_PATTERN = r"^[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}(-(alpha|beta|rc|dev)\.?[0-9]{1,5})?$"


def _field(*, meaning: str, why: str, source: str, example: Any, **constraints: Any) -> Any:  # noqa: ANN401 - pydantic's own Field is typed so
    """Declare a payload field together with its dictionary entry."""
    return Field(
        description=meaning,
        json_schema_extra={"why": why, "source": source},
        examples=[example],
        **constraints,
    )


class _Closed(BaseModel):
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()
    """What holds between the fields."""

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        for rule in self.rules:
            if not rule.holds(vars(self)):
                raise ValueError(rule.meaning)
        return self


class HealthStatus(StrEnum):
    """The health of the telemetry system, as a code."""

    HEALTHY = "healthy"
    WARNING = "warning"
    UNHEALTHY = "unhealthy"
    DISABLED = "disabled"
    NOT_CONFIGURED = "not_configured"


class Tier(StrEnum):
    """The subscription tier."""

    TRIAL = "trial"
    STARTER = "starter"
    PROFESSIONAL = "professional"
    ENTERPRISE = "enterprise"
    UNKNOWN = "unknown"


class LicenseStatus(StrEnum):
    """The state of the license."""

    TRIAL = "trial"
    ACTIVE = "active"
    GRACE = "grace"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


class TelemetryAvailability(StrEnum):
    """Whether payloads reach the License Server."""

    AVAILABLE = "available"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


_BILLING = "Charge per bouncer pair"
_VOLUME = "Decision-volume sanity check (no content)"
_VERIFY = "Verify subscription is paid / in-trial"
_STALLED = "Spot stalled / unhealthy installs early"
_COUNTERS = "Bouncer usage reports, totaled over the reporting period"
_REGISTRY = "The registry of bouncers"
_LICENSE = "The license posture reported by the Control Plane"
_OUTBOX = "This service's transmission log"

Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Days = Annotated[int, Field(ge=-MAX_DAYS, le=MAX_DAYS)]
CodeId = Annotated[str, Field(pattern=CODE_ID_PATTERN)]


class BouncerPairs(_Closed):
    """Pair counts for billing; the last three add up to the first."""

    rules = (
        Sum(
            parts=("sandbox_only_count", "production_only_count", "paired_count"),
            total="total_pairs",
            meaning="Sandbox-only, production-only and complete pairs add up to all pairs.",
        ),
    )
    total_pairs: Count = _field(
        meaning="Bouncer pairs known to the Control Plane.", why=_BILLING, source=_REGISTRY, example=12
    )
    sandbox_only_count: Count = _field(
        meaning="Pairs with only the sandbox bouncer registered.", why=_BILLING, source=_REGISTRY, example=2
    )
    production_only_count: Count = _field(
        meaning="Pairs with only the production bouncer registered.", why=_BILLING, source=_REGISTRY, example=1
    )
    paired_count: Count = _field(
        meaning="Pairs with both bouncers registered.", why=_BILLING, source=_REGISTRY, example=9
    )


class LicenseMetrics(_Closed):
    """License token connect / expiry / refresh, as booleans and ages."""

    license_token_connected: bool = _field(
        meaning="Whether the Control Plane holds a license token.", why=_VERIFY, source=_LICENSE, example=True
    )
    license_token_expired: bool = _field(
        meaning="Whether that token had expired by the end of the period.", why=_VERIFY, source=_LICENSE, example=False
    )
    license_token_refreshed: bool = _field(
        meaning="Whether the token was refreshed during the period.", why=_VERIFY, source=_LICENSE, example=True
    )
    license_token_age_days: Annotated[int, Field(ge=0, le=MAX_DAYS)] | None = _field(
        meaning="Whole days since the token was issued or last refreshed; null if unknown.",
        why=_VERIFY,
        source=_LICENSE,
        example=6,
    )
    license_token_expires_in_days: Days | None = _field(
        meaning="Whole days until the token expires, negative once expired; null if it does not expire.",
        why=_VERIFY,
        source=_LICENSE,
        example=24,
    )
    telemetry_last_attempt_ok: bool | None = _field(
        meaning="Whether the latest attempt to transmit was accepted; null if there was none.",
        why=_STALLED,
        source=_OUTBOX,
        example=True,
    )
    telemetry_last_success_age_hours: Count | None = _field(
        meaning="Whole hours since the last accepted transmission; null if there was none.",
        why=_STALLED,
        source=_OUTBOX,
        example=336,
    )


class PreparedPayload(_Closed):
    """The payload as stored in the transmission log: everything but the time of sending."""

    rules = (
        Sum(
            parts=("sandbox_events", "production_events"),
            total="total_events",
            meaning="Sandbox and production events add up to all events.",
        ),
        NotAbove(
            smaller="successful_decisions",
            larger="policy_decision_count",
            meaning="There are no more successful decisions than decisions.",
        ),
        NotAbove(
            smaller="active_reporting_bouncer_count",
            larger="bouncer_count",
            meaning="A bouncer with decisions counts as one with traffic.",
        ),
        Distinct(name="redeemed_extension_codes", meaning="An extension code is redeemed only once."),
    )
    customer_id: str = _field(
        meaning=(
            "Stripe customer identifier (mapped from your installation); while PII anonymization is on, a pseudonym"
            " that the License Server can link to it."
        ),
        why=_VERIFY,
        source=(
            "The deployment (TELEMETRY_CUSTOMER_ID) or the license posture; the pseudonym is derived from it and the"
            " API key"
        ),
        example="anon_" + "5f" * 32,
        pattern=f"{CUSTOMER_ID_PATTERN}|{PSEUDONYM_PATTERN}",
    )
    instance_id: str = _field(
        meaning="Control Plane installation id (random UUID, no IP). It stays the same until it is reset.",
        why="Tell a customer's installations apart",
        source="Generated at random at the first start",
        example="0f8fad5b-d9cb-469f-a165-70867728950e",
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    )
    date: str = _field(
        meaning="Reporting day: the UTC date on which the period ended.",
        why="Date the counts",
        source="The end of the reporting period",
        example="2026-11-15",
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
    )
    bouncer_count: Count = _field(
        meaning="Active bouncers reporting traffic: any event or decision in the period.",
        why=_BILLING,
        source=_COUNTERS,
        example=21,
    )
    deployed_bouncer_count: Count = _field(
        meaning="Bouncers registered with the Control Plane at the end of the period.",
        why=_BILLING,
        source=_REGISTRY,
        example=22,
    )
    active_reporting_bouncer_count: Count = _field(
        meaning="Bouncers that emitted at least one decision in the window.", why=_STALLED, source=_COUNTERS, example=20
    )
    policy_decision_count: Count = _field(
        meaning="Total decisions across all bouncers.", why=_VOLUME, source=_COUNTERS, example=184_220
    )
    total_events: Count = _field(
        meaning="Audit events recorded (counts only).", why=_VOLUME, source=_COUNTERS, example=201_904
    )
    successful_decisions: Count = _field(
        meaning="Decisions made without an error (counts only).",
        why=_VOLUME,
        source=_COUNTERS,
        example=183_901,
    )
    sandbox_events: Count = _field(
        meaning="Audit events from sandbox environments (counts only).", why=_VOLUME, source=_COUNTERS, example=41_004
    )
    production_events: Count = _field(
        meaning="Audit events from production environments (counts only).",
        why=_VOLUME,
        source=_COUNTERS,
        example=160_900,
    )
    health_status: HealthStatus = _field(
        meaning="Overall health of the telemetry system.", why=_STALLED, source="The health rules", example="healthy"
    )
    deployment_version: str = _field(
        meaning="Version of the Control Plane deployment.",
        why=_STALLED,
        source="The deployment (TELEMETRY_DEPLOYMENT_VERSION)",
        example="4.2.0",
        pattern=VERSION_PATTERN,
        max_length=32,
    )
    tier: Tier = _field(meaning="Subscription tier.", why=_VERIFY, source=_LICENSE, example="professional")
    license_status: LicenseStatus = _field(
        meaning="State of the license.", why=_VERIFY, source=_LICENSE, example="active"
    )
    days_remaining: Days | None = _field(
        meaning="Whole days until the license expires, negative once expired; null if it does not expire.",
        why=_VERIFY,
        source=_LICENSE,
        example=112,
    )
    telemetry_availability: TelemetryAvailability = _field(
        meaning="Whether payloads reach the License Server.", why=_STALLED, source=_OUTBOX, example="available"
    )
    bouncer_pairs: BouncerPairs = _field(
        meaning="Pair counts for billing.",
        why=_BILLING,
        source=_REGISTRY,
        example={"total_pairs": 12, "sandbox_only_count": 2, "production_only_count": 1, "paired_count": 9},
    )
    license_metrics: LicenseMetrics = _field(
        meaning="License token connect / expiry / refresh booleans and ages.",
        why=_VERIFY,
        source=_LICENSE,
        example={
            "license_token_connected": True,
            "license_token_expired": False,
            "license_token_refreshed": True,
            "license_token_age_days": 6,
            "license_token_expires_in_days": 24,
            "telemetry_last_attempt_ok": True,
            "telemetry_last_success_age_hours": 336,
        },
    )
    redeemed_extension_codes: tuple[CodeId, ...] = _field(
        meaning=(
            "code_id values that no earlier transmission included (single-use IDs only), oldest first. A caller"
            " chooses their text."
        ),
        why="Confirm extension codes are redeemed",
        source="Extension codes reported by the Control Plane that match TELEMETRY_EXTENSION_CODE_PATTERN",
        example=["EXT-30D-7Q2M"],
        max_length=MAX_CODES,
    )


class TelemetryAggregatePayload(PreparedPayload):
    """Exactly what is sent: the prepared payload and the time of one attempt to send it."""

    transmitted_at: str = _field(
        meaning="Wallclock at send time, UTC.",
        why="Distinguish a late transmission from a late period",
        source="The clock at each attempt",
        example="2026-11-15T02:03:17.042Z",
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$",
    )
