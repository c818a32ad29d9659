"""The ledger, and the exact bytes of payloads as evidence, named by their digests.

What the tables held before is not in the ledger yet: a migration has no key to sign with. The first start takes it
over.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

from telemetry_service.storage import types

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_LOGS, _ATTEMPTS = "telemetry_transmission_logs", "telemetry_transmission_attempts"
_EXCHANGES = "license_server_last_exchange"
_STAMPED = ("installation", "telemetry_configuration", "license_posture")
_ROWS = 500
"""Payloads that are moved at a time."""

_STATES = ("pending", "success", "retrying", "held", "rejected")
_NEW_STATES = ("awaiting_release", "exported", "withdrawn")
_TRIGGERS = ("tick", "back_off", "retry", "send_now", "connection_changed")
_NEW_TRIGGERS = ("released", "bundle")
_NEW_CAUSES = ("payload_changed", "receipt_missing", "from_backup")
_CAUSES = (
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
    "interrupted",
    "payload_invalid",
    "response_malformed",
    "response_too_large",
)
_ACTIONS = (
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
)
_CLOSED_BY = ("tick", "send_now", "switched_off", "switched_on")
_Closed = Mapping[tuple[str, str], Sequence[str]]

_BEFORE: _Closed = {
    (_LOGS, "state"): _STATES,
    (_LOGS, "next_trigger"): _TRIGGERS,
    (_LOGS, "cause"): _CAUSES,
    (_ATTEMPTS, "state"): _STATES,
    (_ATTEMPTS, "trigger"): _TRIGGERS,
    (_ATTEMPTS, "cause"): _CAUSES,
    (_EXCHANGES, "attempt_cause"): _CAUSES,
    (_EXCHANGES, "test_cause"): _CAUSES,
}
_ADDED: _Closed = {
    (_LOGS, "state"): _NEW_STATES,
    (_LOGS, "next_trigger"): _NEW_TRIGGERS,
    (_LOGS, "cause"): _NEW_CAUSES,
    (_ATTEMPTS, "state"): _NEW_STATES,
    (_ATTEMPTS, "trigger"): _NEW_TRIGGERS,
    (_ATTEMPTS, "cause"): _NEW_CAUSES,
    (_EXCHANGES, "attempt_cause"): _NEW_CAUSES,
    (_EXCHANGES, "test_cause"): _NEW_CAUSES,
}
_AFTER: _Closed = {column: (*members, *_ADDED[column]) for column, members in _BEFORE.items()}


def upgrade() -> None:
    """Apply this migration."""
    highest = _highest_sequence()
    _create_ledger()
    _create_evidence()
    _create_announced_schemas()
    for table in _STAMPED:
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("stamp", sa.LargeBinary(48), nullable=True))
    with op.batch_alter_table("activity", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_constraint(op.f("ck_activity_action"), type_="check")
    with _altered(_LOGS) as batch:
        batch.add_column(sa.Column("prepared_sha256", sa.String(64), server_default="", nullable=False))
        batch.add_column(sa.Column("withdrawn_at", types.UtcDateTime(timezone=True), nullable=True))
        batch.create_index("ix_telemetry_transmission_logs_withdrawn_at", ["withdrawn_at"])
    _move_payloads()
    with _altered(_LOGS) as batch:
        _replace_constraints(batch, _LOGS, _AFTER)
        batch.alter_column("prepared_sha256", existing_type=sa.String(64), server_default=None)
        batch.drop_column("payload")
        batch.drop_column("receipt_verified")
    with _altered(_ATTEMPTS) as batch:
        _replace_constraints(batch, _ATTEMPTS, _AFTER)
        batch.alter_column("customer_id", existing_type=sa.String(80), nullable=True)
    with op.batch_alter_table(_EXCHANGES) as batch:
        _replace_constraints(batch, _EXCHANGES, _AFTER)
    with op.batch_alter_table("installation") as batch:
        batch.add_column(sa.Column("restored_at", types.UtcDateTime(timezone=True), nullable=True))
    with op.batch_alter_table("license_posture") as batch:
        batch.add_column(sa.Column("as_of", types.UtcDateTime(timezone=True), nullable=True))
    op.execute("UPDATE license_posture SET as_of = updated_at")
    with op.batch_alter_table("telemetry_schedule") as batch:
        batch.add_column(sa.Column("verifying_until", types.UtcDateTime(timezone=True), nullable=True))
    _replace_closed_by((*_CLOSED_BY, "restored"))
    _keep_sequence(highest)


def downgrade() -> None:
    """Revert this migration. What the ledger says is lost, and so is each attempt's evidence."""
    highest = _highest_sequence()
    _forget_what_is_new()
    with _altered(_LOGS) as batch:
        batch.add_column(sa.Column("payload", sa.LargeBinary(), server_default="", nullable=False))
        batch.add_column(sa.Column("receipt_verified", sa.Boolean(), nullable=True))
    _move_payloads_back()
    with _altered(_LOGS) as batch:
        _replace_constraints(batch, _LOGS, _BEFORE)
        batch.alter_column("payload", existing_type=sa.LargeBinary(), server_default=None)
        batch.drop_column("prepared_sha256")
        batch.drop_index("ix_telemetry_transmission_logs_withdrawn_at")
        batch.drop_column("withdrawn_at")
    with _altered(_ATTEMPTS) as batch:
        _replace_constraints(batch, _ATTEMPTS, _BEFORE)
        batch.alter_column("customer_id", existing_type=sa.String(80), nullable=False)
    with op.batch_alter_table(_EXCHANGES) as batch:
        _replace_constraints(batch, _EXCHANGES, _BEFORE)
    with op.batch_alter_table("activity", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.create_check_constraint(op.f("ck_activity_action"), sa.column("action").in_(_ACTIONS))
    with op.batch_alter_table("installation") as batch:
        batch.drop_column("restored_at")
    with op.batch_alter_table("license_posture") as batch:
        batch.drop_column("as_of")
    with op.batch_alter_table("telemetry_schedule") as batch:
        batch.drop_column("verifying_until")
    for table in _STAMPED:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("stamp")
    op.execute("UPDATE reporting_periods SET closed_by = 'switched_off' WHERE closed_by = 'restored'")
    _replace_closed_by(_CLOSED_BY)
    _keep_sequence(highest)
    for table in (
        "announced_schemas",
        "evidence",
        "ledger_salted_values",
        "ledger_pending",
        "ledger_verification",
        "ledger_keys",
        "ledger_head",
        "telemetry_ledger",
    ):
        op.drop_table(table)


def _create_ledger() -> None:
    op.create_table(
        "telemetry_ledger",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("transmission_id", types.Id16(length=16), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_telemetry_ledger")),
    )
    op.create_index("ix_telemetry_ledger_transmission_id", "telemetry_ledger", ["transmission_id", "seq"])
    op.create_index("ix_telemetry_ledger_kind", "telemetry_ledger", ["kind", "seq"])
    head = op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("key_id", sa.String(16), nullable=True),
        sa.Column("checkpoint", sa.Text(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_ledger_head_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_head")),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "sha256": "0" * 64}])
    op.create_table(
        "ledger_keys",
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_ledger_keys")),
    )
    op.create_table(
        "ledger_verification",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_ledger_verification_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_verification")),
    )
    op.create_table(
        "ledger_pending",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("about", sa.String(40), nullable=False),
        sa.Column("who", sa.JSON(), nullable=False),
        sa.Column("said", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("since", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", types.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "actor", "about", name=op.f("pk_ledger_pending")),
    )


def _create_evidence() -> None:
    op.create_table(
        "ledger_salted_values",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("salted", sa.LargeBinary(), nullable=False),
        sa.Column("at", types.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_ledger_salted_values")),
    )
    op.create_index("ix_ledger_salted_values_at", "ledger_salted_values", ["at"])
    op.create_table(
        "evidence",
        sa.Column("transmission_id", types.Id16(length=16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transmission_id"],
            [f"{_LOGS}.transmission_id"],
            name=op.f("fk_evidence_transmission_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("transmission_id", "sha256", name=op.f("pk_evidence")),
    )
    op.create_index("ix_evidence_sha256", "evidence", ["sha256"])


def _create_announced_schemas() -> None:
    op.create_table(
        "announced_schemas",
        sa.Column("schema_sha256", sa.String(64), nullable=False),
        sa.Column("announced_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("settled_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("stamp", sa.LargeBinary(48), nullable=True),
        sa.PrimaryKeyConstraint("schema_sha256", name=op.f("pk_announced_schemas")),
    )


def _replace_closed_by(members: Sequence[str]) -> None:
    with op.batch_alter_table("reporting_periods", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_constraint(op.f("ck_reporting_periods_closed_by"), type_="check")
        batch.create_check_constraint(op.f("ck_reporting_periods_closed_by"), sa.column("closed_by").in_(members))


def _altered(table: str) -> AbstractContextManager[BatchOperations]:
    """Open a table for changes. SQLite copies it, and does not report AUTOINCREMENT."""
    return op.batch_alter_table(table, table_kwargs={"sqlite_autoincrement": table == _LOGS})


def _replace_constraints(batch: BatchOperations, table: str, closed: _Closed) -> None:
    for (of, column), members in closed.items():
        if of == table:
            batch.drop_constraint(op.f(f"ck_{table}_{column}"), type_="check")
            batch.create_check_constraint(op.f(f"ck_{table}_{column}"), sa.column(column).in_(members))


_LOG = sa.table(
    _LOGS,
    sa.column("sequence"),
    sa.column("transmission_id"),
    sa.column("payload"),
    sa.column("prepared_sha256"),
    sa.column("state"),
    sa.column("cause"),
    sa.column("next_trigger"),
)
_EVIDENCE = sa.table("evidence", sa.column("transmission_id"), sa.column("sha256"), sa.column("content"))


def _move_payloads() -> None:
    connection = op.get_bind()
    query = sa.select(_LOG.c.sequence, _LOG.c.transmission_id, _LOG.c.payload).order_by(_LOG.c.sequence).limit(_ROWS)
    after = 0
    while rows := connection.execute(query.where(_LOG.c.sequence > after)).all():
        for row in rows:
            content = bytes(row.payload)
            digest = hashlib.sha256(content).hexdigest()
            kept = {"transmission_id": row.transmission_id, "sha256": digest, "content": content}
            connection.execute(_EVIDENCE.insert().values(kept))
            of_row = _LOG.update().where(_LOG.c.sequence == row.sequence)
            connection.execute(of_row.values(prepared_sha256=digest))
        after = rows[-1].sequence


def _move_payloads_back() -> None:
    connection = op.get_bind()
    query = sa.select(_LOG.c.sequence, _LOG.c.transmission_id, _LOG.c.prepared_sha256).order_by(_LOG.c.sequence)
    for row in connection.execute(query).all():
        of_row = _EVIDENCE.c.transmission_id == row.transmission_id
        named = _EVIDENCE.c.sha256 == row.prepared_sha256
        content = connection.execute(sa.select(_EVIDENCE.c.content).where(of_row, named)).scalar() or b""
        connection.execute(_LOG.update().where(_LOG.c.sequence == row.sequence).values(payload=content))


def _forget_what_is_new() -> None:
    """Remove what the schema before cannot hold.

    A withdrawn transmission goes, and its period stays as one that is not reported. Whatever waits for a release or a
    receipt is held.
    """
    attempts = sa.table(
        _ATTEMPTS,
        *(sa.column(name) for name in ("transmission_id", "state", "cause", "trigger", "customer_id")),
    )
    exchanges = sa.table(_EXCHANGES, sa.column("attempt_cause"), sa.column("test_cause"))
    withdrawn = sa.select(_LOG.c.transmission_id).where(_LOG.c.state == "withdrawn")
    for table in (attempts, _EVIDENCE):
        op.execute(table.delete().where(table.c.transmission_id.in_(withdrawn)))
    op.execute(_LOG.delete().where(_LOG.c.state == "withdrawn"))
    for table in (_LOG, attempts):
        op.execute(table.update().where(table.c.state.in_(_NEW_STATES)).values(state="held"))
        op.execute(table.update().where(table.c.cause.in_(_NEW_CAUSES)).values(cause="payload_invalid"))
    op.execute(_LOG.update().where(_LOG.c.next_trigger.in_(_NEW_TRIGGERS)).values(next_trigger="retry"))
    op.execute(attempts.update().where(attempts.c.trigger.in_(_NEW_TRIGGERS)).values(trigger="retry"))
    op.execute(attempts.update().where(attempts.c.customer_id.is_(None)).values(customer_id=""))
    for column in (exchanges.c.attempt_cause, exchanges.c.test_cause):
        op.execute(exchanges.update().where(column.in_(_NEW_CAUSES)).values({column: "payload_invalid"}))


def _highest_sequence() -> int | None:
    """Return the highest number that SQLite ever gave to a transmission, including purged ones."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return None
    counter = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :table")
    return connection.execute(counter, {"table": _LOGS}).scalar()


def _keep_sequence(highest: int | None) -> None:
    """Let the next transmission follow that number. A copied table knows only its present rows."""
    if highest is None:
        return
    connection = op.get_bind()
    connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :table"), {"table": _LOGS})
    given = {"table": _LOGS, "highest": highest}
    connection.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :highest)"), given)
