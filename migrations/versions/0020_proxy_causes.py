"""What a proxy does wrong has three more causes: its name, its address, and its password."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_LOGS = "telemetry_transmission_logs"
_COLUMNS = {
    _LOGS: ("cause",),
    "telemetry_transmission_attempts": ("cause",),
    "license_server_last_exchange": ("attempt_cause", "test_cause"),
}
_NEW = ("proxy_not_resolved", "proxy_unreachable", "proxy_login_refused")
_BEFORE = (
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
    "payload_changed",
    "receipt_missing",
    "from_backup",
)


def upgrade() -> None:
    """Apply this migration. Earlier failures keep the cause that they have."""
    _allow((*_BEFORE, *_NEW))


def downgrade() -> None:
    """Revert this migration. The schema before has one cause for all of them."""
    for table, columns in _COLUMNS.items():
        for column in columns:
            rows = sa.table(table, sa.column(column))
            op.execute(rows.update().where(rows.c[column].in_(_NEW)).values({column: "proxy_failed"}))
    exchange = sa.table("license_server_last_exchange", sa.column("typed_cause"))
    op.execute(exchange.update().where(exchange.c.typed_cause.in_(_NEW)).values(typed_cause="proxy_failed"))
    _allow(_BEFORE)


def _allow(causes: Sequence[str]) -> None:
    highest = _highest_sequence()
    for table, columns in _COLUMNS.items():
        with _altered(table) as batch:
            for column in columns:
                name = op.f(f"ck_{table}_{column}")
                batch.drop_constraint(name, type_="check")
                batch.create_check_constraint(name, sa.column(column).in_(causes))
    _keep_sequence(highest)


def _altered(table: str) -> AbstractContextManager[BatchOperations]:
    """Open a table for changes. SQLite copies it, and does not report AUTOINCREMENT."""
    return op.batch_alter_table(table, table_kwargs={"sqlite_autoincrement": table == _LOGS})


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
