"""The first schema."""

import sqlalchemy as sa
from alembic import op

from telemetry_service.storage import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration."""
    op.create_table(
        "activity",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column(
            "action",
            sa.Enum(
                "configuration_saved",
                "api_key_set",
                "api_key_removed",
                "api_key_revealed",
                "connection_tested",
                "sent_now",
                "retried",
                "exported",
                "tick",
                "purged",
                "logged_in",
                "login_failed",
                "logged_out",
                "password_set",
                "token_created",
                "token_revoked",
                name="action",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_activity_at", "activity", ["at"], unique=False)

    op.create_table(
        "admin_accounts",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("blocked_until", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("updated_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_admin_accounts_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_accounts")),
    )
    op.create_table(
        "admin_sessions",
        sa.Column("session_id", types.Id16(length=16), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("authenticated_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_admin_sessions")),
    )
    op.create_table(
        "bouncers",
        sa.Column("bouncer_id", sa.String(length=64), nullable=False),
        sa.Column(
            "environment",
            sa.Enum("sandbox", "production", name="environment", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("pair_id", sa.String(length=64), nullable=False),
        sa.Column("registered_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bouncer_id", name=op.f("pk_bouncers")),
    )
    op.create_index("ix_bouncers_pair_id", "bouncers", ["pair_id"], unique=False)

    op.create_table(
        "extension_codes",
        sa.Column("code_id", sa.String(length=64), nullable=False),
        sa.Column("redeemed_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("transmission_id", types.Id16(length=16), nullable=True),
        sa.Column("accepted_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("code_id", name=op.f("pk_extension_codes")),
    )
    op.create_index(
        "ix_extension_codes_transmission_id", "extension_codes", ["transmission_id", "redeemed_at"], unique=False
    )

    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("instance_id", types.Id16(length=16), nullable=False),
        sa.Column("created_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("connection_fingerprint", sa.LargeBinary(length=32), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "license_posture",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("customer_id", sa.String(length=80), nullable=True),
        sa.Column(
            "tier",
            sa.Enum(
                "trial",
                "starter",
                "professional",
                "enterprise",
                "unknown",
                name="tier",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "license_status",
            sa.Enum(
                "trial",
                "active",
                "grace",
                "expired",
                "suspended",
                "unknown",
                name="license_status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("expires_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("token_issued_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("token_expires_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("token_refreshed_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_license_posture_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_license_posture")),
    )
    op.create_table(
        "license_server_contact",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_accepted_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("attempt_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("attempt_ok", sa.Boolean(), nullable=True),
        sa.Column(
            "attempt_cause",
            sa.Enum(
                "name_not_resolved",
                "connection_refused",
                "connection_failed",
                "connection_lost",
                "proxy_failed",
                "deadline_exceeded",
                "tls_failed",
                "tls_version",
                "certificate_expired",
                "certificate_wrong_host",
                "certificate_untrusted",
                "clock_wrong",
                "api_key_not_accepted",
                "forbidden",
                "busy",
                "server_error",
                "redirected",
                "not_found",
                "payload_refused",
                "id_conflict",
                "unexpected_status",
                "answer_malformed",
                "answer_too_large",
                "interrupted",
                "payload_invalid",
                name="attempt_cause",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("test_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("test_ok", sa.Boolean(), nullable=True),
        sa.Column(
            "test_cause",
            sa.Enum(
                "name_not_resolved",
                "connection_refused",
                "connection_failed",
                "connection_lost",
                "proxy_failed",
                "deadline_exceeded",
                "tls_failed",
                "tls_version",
                "certificate_expired",
                "certificate_wrong_host",
                "certificate_untrusted",
                "clock_wrong",
                "api_key_not_accepted",
                "forbidden",
                "busy",
                "server_error",
                "redirected",
                "not_found",
                "payload_refused",
                "id_conflict",
                "unexpected_status",
                "answer_malformed",
                "answer_too_large",
                "interrupted",
                "payload_invalid",
                name="test_cause",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck_license_server_contact_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_license_server_contact")),
    )
    op.create_table(
        "reporting_periods",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("opened_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("reportable", sa.Boolean(), nullable=False),
        sa.Column("closed_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column(
            "closed_by",
            sa.Enum(
                "tick",
                "send_now",
                "switched_off",
                "switched_on",
                name="closed_by",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.CheckConstraint("is_open = (closed_at IS NULL)", name=op.f("ck_reporting_periods_open_or_closed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reporting_periods")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reporting_periods_closed_at", "reporting_periods", ["closed_at"], unique=False)
    op.create_index(
        "uq_reporting_periods_open",
        "reporting_periods",
        ["is_open"],
        unique=True,
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    )

    op.create_table(
        "service_tokens",
        sa.Column("token_id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", sa.String(length=64), nullable=False),
        sa.Column("created_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_service_tokens")),
    )
    op.create_table(
        "telemetry_configuration",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column(
            "frequency",
            sa.Enum(
                "twice_monthly",
                "weekly",
                "monthly",
                "daily",
                name="frequency",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("encrypt_payload", sa.Boolean(), nullable=False),
        sa.Column("anonymize_pii", sa.Boolean(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("api_key_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("api_key_id", sa.String(length=16), nullable=True),
        sa.Column("api_key_hint", sa.String(length=4), nullable=True),
        sa.Column("api_key_set_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_telemetry_configuration_single_row")),
        sa.CheckConstraint(
            "retention_days IN (7, 30, 90, 365)", name=op.f("ck_telemetry_configuration_retention_days")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_telemetry_configuration")),
    )
    op.create_table(
        "telemetry_schedule",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_run_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("next_purge_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_telemetry_schedule_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_telemetry_schedule")),
    )
    op.create_table(
        "telemetry_ticks",
        sa.Column("tick_key", sa.String(length=40), nullable=False),
        sa.Column("ran_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("result", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("tick_key", name=op.f("pk_telemetry_ticks")),
    )
    op.create_table(
        "usage_report_ids",
        sa.Column("report_id", types.Id16(length=16), nullable=False),
        sa.Column("received_on", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_usage_report_ids")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_report_ids_received_on", "usage_report_ids", ["received_on"], unique=False)

    op.create_table(
        "telemetry_transmission_logs",
        sa.Column(
            "sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("transmission_id", types.Id16(length=16), nullable=False),
        sa.Column("period_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "trigger",
            sa.Enum("scheduled", "manual", name="trigger", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("request_key", sa.String(length=64), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "success",
                "retrying",
                "held",
                "rejected",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("records_sent", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column(
            "next_trigger",
            sa.Enum(
                "tick",
                "back_off",
                "retry",
                "send_now",
                "connection_changed",
                name="next_trigger",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("claim_token", types.Id16(length=16), nullable=True),
        sa.Column("claimed_until", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("attempts_made", sa.Integer(), nullable=False),
        sa.Column("accepted_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column(
            "cause",
            sa.Enum(
                "name_not_resolved",
                "connection_refused",
                "connection_failed",
                "connection_lost",
                "proxy_failed",
                "deadline_exceeded",
                "tls_failed",
                "tls_version",
                "certificate_expired",
                "certificate_wrong_host",
                "certificate_untrusted",
                "clock_wrong",
                "api_key_not_accepted",
                "forbidden",
                "busy",
                "server_error",
                "redirected",
                "not_found",
                "payload_refused",
                "id_conflict",
                "unexpected_status",
                "answer_malformed",
                "answer_too_large",
                "interrupted",
                "payload_invalid",
                name="cause",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("response_code", sa.Integer(), nullable=True),
        sa.Column("receipt", sa.String(length=4096), nullable=True),
        sa.Column("receipt_verified", sa.Boolean(), nullable=True),
        sa.Column("last_attempt_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("last_duration_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["period_id"], ["reporting_periods.id"], name=op.f("fk_telemetry_transmission_logs_period_id")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_telemetry_transmission_logs")),
        sa.UniqueConstraint("period_id", name=op.f("uq_telemetry_transmission_logs_period_id")),
        sa.UniqueConstraint("request_key", name=op.f("uq_telemetry_transmission_logs_request_key")),
        sa.UniqueConstraint("transmission_id", name=op.f("uq_telemetry_transmission_logs_transmission_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_telemetry_transmission_logs_accepted_at", "telemetry_transmission_logs", ["accepted_at"], unique=False
    )
    op.create_index(
        "ix_telemetry_transmission_logs_due", "telemetry_transmission_logs", ["state", "next_attempt_at"], unique=False
    )

    op.create_table(
        "usage_counters",
        sa.Column("period_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bouncer_id", sa.String(length=64), nullable=False),
        sa.Column(
            "environment",
            sa.Enum("sandbox", "production", name="environment", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("audit_events", sa.BigInteger(), nullable=False),
        sa.Column("policy_decisions", sa.BigInteger(), nullable=False),
        sa.Column("successful_decisions", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["period_id"], ["reporting_periods.id"], name=op.f("fk_usage_counters_period_id")),
        sa.PrimaryKeyConstraint("period_id", "day", "bouncer_id", "environment", name=op.f("pk_usage_counters")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "telemetry_transmission_attempts",
        sa.Column("transmission_id", types.Id16(length=16), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "trigger",
            sa.Enum(
                "tick",
                "back_off",
                "retry",
                "send_now",
                "connection_changed",
                name="trigger",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("started_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("finished_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("transmitted_at", sa.String(length=24), nullable=False),
        sa.Column("customer_id", sa.String(length=80), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("body_bytes", sa.Integer(), nullable=False),
        sa.Column("encrypted", sa.Boolean(), nullable=False),
        sa.Column("iv", sa.LargeBinary(length=12), nullable=True),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "success",
                "retrying",
                "held",
                "rejected",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "cause",
            sa.Enum(
                "name_not_resolved",
                "connection_refused",
                "connection_failed",
                "connection_lost",
                "proxy_failed",
                "deadline_exceeded",
                "tls_failed",
                "tls_version",
                "certificate_expired",
                "certificate_wrong_host",
                "certificate_untrusted",
                "clock_wrong",
                "api_key_not_accepted",
                "forbidden",
                "busy",
                "server_error",
                "redirected",
                "not_found",
                "payload_refused",
                "id_conflict",
                "unexpected_status",
                "answer_malformed",
                "answer_too_large",
                "interrupted",
                "payload_invalid",
                name="cause",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("response_code", sa.Integer(), nullable=True),
        sa.Column("duplicate", sa.Boolean(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["transmission_id"],
            ["telemetry_transmission_logs.transmission_id"],
            name=op.f("fk_telemetry_transmission_attempts_transmission_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("transmission_id", "number", name=op.f("pk_telemetry_transmission_attempts")),
    )


def downgrade() -> None:
    """Revert this migration."""
    op.drop_table("telemetry_transmission_attempts")
    op.drop_table("usage_counters")
    op.drop_index("ix_telemetry_transmission_logs_due", "telemetry_transmission_logs")
    op.drop_index("ix_telemetry_transmission_logs_accepted_at", "telemetry_transmission_logs")

    op.drop_table("telemetry_transmission_logs")
    op.drop_index("ix_usage_report_ids_received_on", "usage_report_ids")

    op.drop_table("usage_report_ids")
    op.drop_table("telemetry_ticks")
    op.drop_table("telemetry_schedule")
    op.drop_table("telemetry_configuration")
    op.drop_table("service_tokens")
    op.drop_index(
        "uq_reporting_periods_open",
        "reporting_periods",
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    )
    op.drop_index("ix_reporting_periods_closed_at", "reporting_periods")

    op.drop_table("reporting_periods")
    op.drop_table("license_server_contact")
    op.drop_table("license_posture")
    op.drop_table("installation")
    op.drop_index("ix_extension_codes_transmission_id", "extension_codes")

    op.drop_table("extension_codes")
    op.drop_index("ix_bouncers_pair_id", "bouncers")

    op.drop_table("bouncers")
    op.drop_table("admin_sessions")
    op.drop_table("admin_accounts")
    op.drop_index("ix_activity_at", "activity")

    op.drop_table("activity")
