"""The tables. Every constraint has a name, so that a migration can find it on both databases."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    false,
    text,
)

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.facts import Environment, LicenseSource
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.periods import ClosedBy
from telemetry_service.domain.person import Role
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmissions import AttemptTrigger, State, Trigger
from telemetry_service.storage.declaration import Declarative, Mapped, mapped_column
from telemetry_service.storage.types import Id16, UtcDateTime, closed_set

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

BigId = BigInteger().with_variant(Integer, "sqlite")
"""SQLite assigns row numbers only in a column of type INTEGER."""


class Base(Declarative):
    """The root of the tables."""

    metadata = MetaData(naming_convention=NAMING)
    types: ClassVar = {
        bool: Boolean(),
        datetime: UtcDateTime(),
        UUID: Id16(),
        int: BigInteger(),
        date: Date(),
    }


def _single_row() -> CheckConstraint:
    return CheckConstraint("id = 1", name="single_row")


class Installation(Base):
    """The identity of this installation; one row, created at the first start."""

    __tablename__ = "installation"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    instance_id: Mapped[UUID]
    created_at: Mapped[datetime]
    connection_digest: Mapped[bytes | None] = mapped_column("connection_fingerprint", LargeBinary(32))
    """Keyed digest of the deployment's connection settings; a change makes held transmissions due."""
    restored_at: Mapped[datetime | None]
    """When a start noticed that this is an older copy; None once it is known what was sent since."""
    sealed_for: Mapped[UUID | None]
    """Random, and never changed: sealed values are bound to it, so that a copy in another database cannot be opened."""
    stamp: Mapped[bytes | None] = mapped_column(LargeBinary(48))
    """Made by ``stamps.py``, as in the other tables that have one."""


class TelemetryConfiguration(Base):
    """What the administrator saved; one row, with the version that a save must name."""

    __tablename__ = "telemetry_configuration"
    __table_args__ = (
        _single_row(),
        CheckConstraint("retention_days IN (7, 30, 90, 365)", name="retention_days"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version: Mapped[int]
    enabled: Mapped[bool]
    frequency: Mapped[Frequency] = mapped_column(closed_set(Frequency, "frequency"))
    encrypt_payload: Mapped[bool]
    anonymize_pii: Mapped[bool]
    retention_days: Mapped[int] = mapped_column(Integer)
    updated_at: Mapped[datetime]
    api_key_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    api_key_id: Mapped[str | None] = mapped_column(String(16))
    api_key_hint: Mapped[str | None] = mapped_column(String(4))
    api_key_set_at: Mapped[datetime | None]
    stamp: Mapped[bytes | None] = mapped_column(LargeBinary(48))


class ApiKeyOverlap(Base):
    """The API key before the present one, as long as it is still tried; one row, or none."""

    __tablename__ = "api_key_overlap"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """The key, its successor, and until when: sealed together, so that no one else can prolong it."""


class TelemetrySchedule(Base):
    """When the next tick and the next purge are due; one row, moved forward by compare-and-set."""

    __tablename__ = "telemetry_schedule"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    next_run_at: Mapped[datetime]
    next_purge_at: Mapped[datetime]
    purge_put_off: Mapped[bool] = mapped_column(server_default=false())
    """Whether the next purge was already put off or begun; it is not put off again."""
    verifying_until: Mapped[datetime | None]
    """The end of the lease of the process that verifies the whole ledger; None while none does."""


class TelemetryTick(Base):
    """Each tick that someone owned. Its key makes a second owner impossible."""

    __tablename__ = "telemetry_ticks"

    tick_key: Mapped[str] = mapped_column(String(40), primary_key=True)
    ran_at: Mapped[datetime]
    result: Mapped[str] = mapped_column(String(32))
    sequence: Mapped[int | None] = mapped_column(unique=True)
    """Its number from the counter of ``LastExchangeRow``, written when the tick ends."""
    period_id: Mapped[int | None]
    """The period that was open when it ran. While it is still open, what this tick left undone remains to be done. No
    foreign key: the period is purged one day, the tick is not."""


class ProcessHeartbeat(Base):
    """When each process last showed that it can write."""

    __tablename__ = "process_heartbeats"

    process_id: Mapped[UUID] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    encryption_keys: Mapped[str | None] = mapped_column(Text)
    """The IDs of its keys of ``ENCRYPTION_KEY`` in hex, newest first, with spaces in between."""


class ReportingPeriod(Base):
    """The reporting periods, of which exactly one is open."""

    __tablename__ = "reporting_periods"
    __table_args__ = (
        # With a partial index; see partial_indexes.py.
        Index("ix_reporting_periods_closed_at", "closed_at"),
        CheckConstraint("is_open = (closed_at IS NULL)", name="open_or_closed"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, Identity(), primary_key=True)
    opened_at: Mapped[datetime]
    is_open: Mapped[bool]
    reportable: Mapped[bool]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[ClosedBy | None] = mapped_column(closed_set(ClosedBy, "closed_by"))
    events: Mapped[int] = mapped_column(server_default=text("0"))
    decisions: Mapped[int] = mapped_column(server_default=text("0"))
    bouncers: Mapped[int] = mapped_column(server_default=text("0"))
    """With the two above: the sums that limit the open period, kept next to its counters. No payload uses them."""


class UsageBouncer(Base):
    """The distinct bouncers of the open period with their traffic; emptied when it is closed."""

    __tablename__ = "usage_bouncers"
    __table_args__ = ({"sqlite_with_rowid": False},)

    period_id: Mapped[int] = mapped_column(ForeignKey("reporting_periods.id"), primary_key=True)
    bouncer_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    has_traffic: Mapped[bool]
    has_decisions: Mapped[bool]


class UsageCounter(Base):
    """Counts by (period, UTC day, bouncer, environment); never a row per event or report."""

    __tablename__ = "usage_counters"
    __table_args__ = ({"sqlite_with_rowid": False},)

    period_id: Mapped[int] = mapped_column(ForeignKey("reporting_periods.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    bouncer_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    environment: Mapped[Environment] = mapped_column(closed_set(Environment, "environment"), primary_key=True)
    audit_events: Mapped[int]
    policy_decisions: Mapped[int]
    successful_decisions: Mapped[int]


class UsageReportId(Base):
    """The idempotency keys of the usage reports, 16 bytes each."""

    __tablename__ = "usage_report_ids"
    __table_args__ = (Index("ix_usage_report_ids_received_on", "received_on"), {"sqlite_with_rowid": False})

    report_id: Mapped[UUID] = mapped_column(primary_key=True)
    received_on: Mapped[int] = mapped_column(Integer)
    """The UTC day of the acknowledgment as its proleptic ordinal, which is small and sorts."""
    checksum: Mapped[int | None]
    """``checksum_of`` the report's content; None in rows of older versions."""


class Bouncer(Base):
    """The registry of bouncers."""

    __tablename__ = "bouncers"
    __table_args__ = (Index("ix_bouncers_pair_id", "pair_id"),)

    bouncer_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    environment: Mapped[Environment] = mapped_column(closed_set(Environment, "environment"))
    pair_id: Mapped[str] = mapped_column(String(64))
    registered_at: Mapped[datetime]


class LicensePostureRow(Base):
    """The license posture as last reported; one row."""

    __tablename__ = "license_posture"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    customer_id: Mapped[str | None] = mapped_column(String(80))
    tier: Mapped[Tier] = mapped_column(closed_set(Tier, "tier"))
    license_status: Mapped[LicenseStatus] = mapped_column(closed_set(LicenseStatus, "license_status"))
    expires_at: Mapped[datetime | None]
    token_issued_at: Mapped[datetime | None]
    token_expires_at: Mapped[datetime | None]
    token_refreshed_at: Mapped[datetime | None]
    source: Mapped[LicenseSource | None] = mapped_column(closed_set(LicenseSource, "source"))
    """Who reported it last; empty, like ``updated_at``, in a row written by version 0.1.0."""
    updated_at: Mapped[datetime | None]
    as_of: Mapped[datetime | None]
    """When its tier, status and expiry were said to be so: an older update is ignored."""
    stamp: Mapped[bytes | None] = mapped_column(LargeBinary(48))


class ExtensionCodeRow(Base):
    """Redeemed extension codes. A code is included in one transmission only, and is kept permanently."""

    __tablename__ = "extension_codes"
    __table_args__ = (Index("ix_extension_codes_transmission_id", "transmission_id", "redeemed_at"),)

    code_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    redeemed_at: Mapped[datetime]
    transmission_id: Mapped[UUID | None]
    """No foreign key: the transmission is purged one day, the code's idempotency key is not."""
    accepted_at: Mapped[datetime | None]


class TelemetryTransmissionLog(Base):
    """The outbox and the history: one row per period's payload, written before any network call."""

    __tablename__ = "telemetry_transmission_logs"
    __table_args__ = (
        Index("ix_telemetry_transmission_logs_due", "state", "next_attempt_at"),
        Index("ix_telemetry_transmission_logs_accepted_at", "accepted_at"),
        Index("ix_telemetry_transmission_logs_withdrawn_at", "withdrawn_at"),
        {"sqlite_autoincrement": True},
    )

    sequence: Mapped[int] = mapped_column(BigId, Identity(), primary_key=True)
    transmission_id: Mapped[UUID] = mapped_column(unique=True)
    period_id: Mapped[int] = mapped_column(ForeignKey("reporting_periods.id"), unique=True)
    trigger: Mapped[Trigger] = mapped_column(closed_set(Trigger, "trigger"))
    request_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """``request_key_of`` the caller's Idempotency-Key, if there was one."""
    state: Mapped[State] = mapped_column(closed_set(State, "state"))
    prepared_sha256: Mapped[str] = mapped_column(String(64))
    """The digest of its payload, whose bytes are evidence. If someone swaps them, they no longer match."""
    customer_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The sealed ID of the customer that the period was closed for; None if a row of version 0.1.0 does not show it."""
    records_sent: Mapped[int]
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    planned_at: Mapped[datetime | None]
    """When ``next_attempt_at`` was written, by the same clock. None in rows of older versions."""
    next_trigger: Mapped[AttemptTrigger] = mapped_column(closed_set(AttemptTrigger, "next_trigger"))
    claim_token: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]
    attempts_made: Mapped[int] = mapped_column(Integer)
    accepted_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    cause: Mapped[Cause | None] = mapped_column(closed_set(Cause, "cause"))
    response_code: Mapped[int | None] = mapped_column(Integer)
    receipt: Mapped[str | None] = mapped_column(String(4096))
    last_attempt_at: Mapped[datetime | None]
    last_duration_ms: Mapped[int | None] = mapped_column(Integer)


class TelemetryTransmissionAttempt(Base):
    """One try to deliver. What it sent is evidence, under these digests."""

    __tablename__ = "telemetry_transmission_attempts"

    transmission_id: Mapped[UUID] = mapped_column(
        ForeignKey("telemetry_transmission_logs.transmission_id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    trigger: Mapped[AttemptTrigger] = mapped_column(closed_set(AttemptTrigger, "trigger"))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    transmitted_at: Mapped[str] = mapped_column(String(24))
    customer_id: Mapped[str | None] = mapped_column(String(80))
    """Written by version 0.1.0 only: today the payload is kept as it was sent."""
    timestamp: Mapped[int]
    payload_sha256: Mapped[str] = mapped_column(String(64))
    body_sha256: Mapped[str] = mapped_column(String(64))
    body_bytes: Mapped[int] = mapped_column(Integer)
    encrypted: Mapped[bool]
    iv: Mapped[bytes | None] = mapped_column(LargeBinary(12))
    key_id: Mapped[str] = mapped_column(String(16))
    state: Mapped[State] = mapped_column(closed_set(State, "state"))
    cause: Mapped[Cause | None] = mapped_column(closed_set(Cause, "cause"))
    response_code: Mapped[int | None] = mapped_column(Integer)
    duplicate: Mapped[bool]
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    connection: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """A keyed digest of the connection that it used; None if an older version made it."""


class LastExchangeRow(Base):
    """The latest exchanges with the License Server; one row, so that the health does not depend on retention.

    Its counter numbers events in the order of their commits. A clock that is set back cannot change that order.
    """

    __tablename__ = "license_server_last_exchange"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_accepted_at: Mapped[datetime | None]
    attempt_at: Mapped[datetime | None]
    attempt_ok: Mapped[bool | None]
    attempt_cause: Mapped[Cause | None] = mapped_column(closed_set(Cause, "attempt_cause"))
    test_at: Mapped[datetime | None]
    test_ok: Mapped[bool | None]
    test_cause: Mapped[Cause | None] = mapped_column(closed_set(Cause, "test_cause"))
    sequence: Mapped[int] = mapped_column(server_default="0")
    """The last number given to an attempt, a connection test or a tick."""
    attempt_sequence: Mapped[int | None]
    test_sequence: Mapped[int | None]
    accepted_sequence: Mapped[int | None]
    connection_sequence: Mapped[int] = mapped_column(server_default="0")
    """The number at which the API key or the connection changed: earlier events say nothing about the present one."""
    typed_key_id: Mapped[str | None] = mapped_column(String(16))
    """The key of the latest connection test with an unsaved key; the test counts once that key is saved."""
    typed_ok: Mapped[bool | None]
    typed_cause: Mapped[str | None] = mapped_column(String(32))
    """No CHECK constraint: it is copied into ``test_cause``, which has one."""


class OldActivity(Base):
    """What version 0.1.0 kept in place of the ledger; taken over at the first start, and empty from then on."""

    __tablename__ = "activity"
    __table_args__ = (Index("ix_activity_at", "at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, Identity(), primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(32))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)


class LedgerLineRow(Base):
    """The ledger. ``line`` is the signed entry; the other columns are an index of it that nothing trusts."""

    __tablename__ = "telemetry_ledger"
    __table_args__ = (
        Index("ix_telemetry_ledger_transmission_id", "transmission_id", "seq"),
        Index("ix_telemetry_ledger_kind", "kind", "seq"),
        Index("ix_telemetry_ledger_at", "at", "seq"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(80))
    transmission_id: Mapped[UUID | None]


class LedgerHeadRow(Base):
    """The latest line and the key that signs the next; one row, locked last by each transaction that writes lines."""

    __tablename__ = "ledger_head"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime | None]
    """What the clock showed when the latest line was written."""
    key_id: Mapped[str | None] = mapped_column(String(16))
    """None before the first line of a new or migrated database."""
    checkpoint: Mapped[str | None] = mapped_column(Text)
    """The signed end of what was pruned, from which the chain starts; None while nothing was."""


class LedgerKeyRow(Base):
    """The keys that have signed lines. Of one that no longer signs, only the public key is left."""

    __tablename__ = "ledger_keys"

    key_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """The private key, or the public key of one that no longer signs, sealed so that no other can be put in its
    place."""


class LedgerVerification(Base):
    """What the latest check of the whole ledger found; one row, sealed so that no one else can write it."""

    __tablename__ = "ledger_verification"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class LedgerPendingRow(Base):
    """What happens often and is counted until the next waking, rather than written as a line each time."""

    __tablename__ = "ledger_pending"

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    actor: Mapped[str] = mapped_column(String(80), primary_key=True)
    about: Mapped[str] = mapped_column(String(40), primary_key=True)
    """What it was, if the kind has several; empty otherwise. Behind a slash, a digest of ``said``."""
    who: Mapped[dict[str, Any]] = mapped_column(JSON)
    said: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What tells it from others of the same kind: the transmission, and what was read of it."""
    times: Mapped[int]
    """How often it happened since the line that was written first."""
    since: Mapped[datetime]
    until: Mapped[datetime]


class LedgerSaltedValue(Base):
    """What the salted digests in lines stand for: persons, addresses, customers and codes. It can be erased alone."""

    __tablename__ = "ledger_salted_values"
    __table_args__ = (Index("ix_ledger_salted_values_at", "at"),)

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    salted: Mapped[bytes] = mapped_column(LargeBinary)
    """The 32 bytes of the salt, and the value in UTF-8."""
    at: Mapped[datetime]


class EvidenceRow(Base):
    """The exact bytes that the digests in lines name: payloads, and bodies as they were sent.

    They belong to their transmission, and are deleted with it.
    """

    __tablename__ = "evidence"
    __table_args__ = (Index("ix_evidence_sha256", "sha256"),)

    transmission_id: Mapped[UUID] = mapped_column(
        ForeignKey("telemetry_transmission_logs.transmission_id", ondelete="CASCADE"), primary_key=True
    )
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class AnnouncedSchema(Base):
    """The schemas of payloads, each with the time at which a version that prepares by it was first started here."""

    __tablename__ = "announced_schemas"

    schema_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    announced_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    """When it was approved, or its notice was over; None while its payloads wait."""
    stamp: Mapped[bytes | None] = mapped_column(LargeBinary(48))


class AdminAccount(Base):
    """The local administrator; one row, and none before a password was set."""

    __tablename__ = "admin_accounts"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    password_hash: Mapped[str] = mapped_column(String(255))
    password_generation: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    """Grows with each new password: what was issued under an earlier one is no longer known."""
    updated_at: Mapped[datetime]
    login_opened_at: Mapped[datetime | None]
    """When the password was set on the host although the deployment had closed the login; None if not."""


class AdminSession(Base):
    """A browser's session; only a keyed digest of its token is kept."""

    __tablename__ = "admin_sessions"

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    token_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    digest_key: Mapped[bytes | None] = mapped_column(LargeBinary(8))
    """The ID of the key under which the digest was made; None if an older version made it."""
    created_at: Mapped[datetime]
    authenticated_at: Mapped[datetime | None]
    """When the person last proved who it is: showing a secret requires that recently. None if the issuer never said."""
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    issuer: Mapped[str | None] = mapped_column(String(512))
    """Who authenticated the person; None for the local administrator."""
    subject: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str | None] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(closed_set(Role, "role"))
    sid: Mapped[str | None] = mapped_column(String(255))
    """The issuer's name for its session, which its back-channel log-out uses."""
    login_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    """Of the login at the issuer that opened or renewed the session: each is used once."""
    address: Mapped[str | None] = mapped_column(String(45))
    """Where the login came from."""
    browser: Mapped[str | None] = mapped_column(String(40))


class AttemptCount(Base):
    """What is counted: wrong passwords by source, reveals of the API key, and log-outs that a provider has reported."""

    __tablename__ = "attempt_counts"
    __table_args__ = (Index("ix_attempt_counts_last_at", "last_at"),)

    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    """What is counted together; an address is a keyed digest."""
    failures: Mapped[int] = mapped_column(Integer)
    blocked_until: Mapped[datetime | None]
    last_at: Mapped[datetime]


class ServiceToken(Base):
    """A token of another service; only a keyed digest of its secret is kept."""

    __tablename__ = "service_tokens"

    token_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    digest_key: Mapped[bytes | None] = mapped_column(LargeBinary(8))
    """As of a session."""
    scopes: Mapped[str] = mapped_column(String(64))
    """Space-separated, in a fixed order."""
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    """None for a token that never expires."""


class SourceCursor(Base):
    """How far the Control Plane's own database was read; one row, or none before the first try."""

    __tablename__ = "source_cursor"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version: Mapped[int]
    """Changes with the position: of several replicas that have read the same rows, one counts them."""
    position: Mapped[int | None]
    """None before the first connection."""
    row_key: Mapped[str | None] = mapped_column(String(64))
    floor: Mapped[int | None]
    """No row from this position on is ever caught up on."""
    there: Mapped[str | None] = mapped_column(Text)
    """The snapshot of what was there behind the first position already, and does not count."""
    anchor_position: Mapped[int | None]
    """The newest row that was read; None if it is not there."""
    anchor_key: Mapped[str | None] = mapped_column(String(64))
    anchor_digest: Mapped[str | None] = mapped_column(String(64))
    anchor_server: Mapped[str | None] = mapped_column(String(64))
    """When the server was started that had it; None of a file."""
    anchor_view: Mapped[str | None] = mapped_column(String(64))
    began_at: Mapped[datetime | None]
    rows: Mapped[int]
    complete_until: Mapped[datetime]
    marker_position: Mapped[int | None]
    marker_at: Mapped[datetime | None]
    looked_at: Mapped[datetime]
    obstacle: Mapped[str | None] = mapped_column(String(32))
    obstacle_text: Mapped[str | None] = mapped_column(String(1024))
    obstacle_since: Mapped[datetime | None]
    shared: Mapped[int] = mapped_column(Integer)
    shared_example: Mapped[str | None] = mapped_column(String(64))


class SourceCatchUp(Base):
    """How far older rows of the source are caught up on; one row, or none."""

    __tablename__ = "source_catch_up"
    __table_args__ = (_single_row(),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version: Mapped[int]
    before: Mapped[int]
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    there: Mapped[str | None] = mapped_column(Text)
    """The snapshot that says which of the rows were there; None for all."""
    position: Mapped[int]
    row_key: Mapped[str | None] = mapped_column(String(64))
    total: Mapped[int]
    looked_at: Mapped[int]
    counted: Mapped[int]
    finished: Mapped[bool]


class SourceBouncer(Base):
    """A bouncer that the source registers, so that this registration ends with its row there.

    It may have been reported too. That registration is kept here, and counts again once the source has none.
    """

    __tablename__ = "source_bouncers"

    bouncer_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    reported_environment: Mapped[Environment | None] = mapped_column(closed_set(Environment, "reported_environment"))
    reported_pair_id: Mapped[str | None] = mapped_column(String(64))


class SourceUsage(Base):
    """What the open period has from the source, by bouncer: all else that was counted was reported."""

    __tablename__ = "source_usage"

    period_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bouncer_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    events: Mapped[int]
