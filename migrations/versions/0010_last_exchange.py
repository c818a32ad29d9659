"""Rename the table of the last exchange and two causes, as in the API and the code."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_CONTACT, _LAST_EXCHANGE = "license_server_contact", "license_server_last_exchange"
_LOGS, _ATTEMPTS = "telemetry_transmission_logs", "telemetry_transmission_attempts"
_RENAMED = {"answer_malformed": "response_malformed", "answer_too_large": "response_too_large"}
_KEPT = (
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
)


def upgrade() -> None:
    """Apply this migration."""
    _rename(_CONTACT, _LAST_EXCHANGE, _RENAMED)


def downgrade() -> None:
    """Revert this migration."""
    _rename(_LAST_EXCHANGE, _CONTACT, {new: old for old, new in _RENAMED.items()})


def _rename(before: str, after: str, causes: Mapping[str, str]) -> None:
    """Rename the table and the causes. CHECK constraints list the causes, so they are dropped in between."""
    highest = _highest_sequence()
    _drop_constraints(before)
    op.rename_table(before, after)
    _replace(after, causes)
    _create_constraints(after, (*_KEPT, *causes.values()))
    _keep_sequence(highest)


def _drop_constraints(contact: str) -> None:
    with op.batch_alter_table(contact) as batch:
        batch.drop_constraint(op.f(f"pk_{contact}"), type_="primary")
        for name in ("single_row", "attempt_cause", "test_cause"):
            batch.drop_constraint(op.f(f"ck_{contact}_{name}"), type_="check")
    for table in (_LOGS, _ATTEMPTS):
        with _altered(table) as batch:
            batch.drop_constraint(op.f(f"ck_{table}_cause"), type_="check")


def _create_constraints(contact: str, causes: Sequence[str]) -> None:
    with op.batch_alter_table(contact) as batch:
        batch.create_primary_key(op.f(f"pk_{contact}"), ["id"])
        batch.create_check_constraint(op.f(f"ck_{contact}_single_row"), "id = 1")
        for name in ("attempt_cause", "test_cause"):
            batch.create_check_constraint(op.f(f"ck_{contact}_{name}"), sa.column(name).in_(causes))
    for table in (_LOGS, _ATTEMPTS):
        with _altered(table) as batch:
            batch.create_check_constraint(op.f(f"ck_{table}_cause"), sa.column("cause").in_(causes))


def _altered(table: str) -> AbstractContextManager[BatchOperations]:
    """Open a table for changes. SQLite copies it, and does not report AUTOINCREMENT."""
    return op.batch_alter_table(table, table_kwargs={"sqlite_autoincrement": table == _LOGS})


def _replace(contact: str, causes: Mapping[str, str]) -> None:
    columns = [(contact, name) for name in ("attempt_cause", "test_cause", "typed_cause")]
    for table, name in (*columns, (_LOGS, "cause"), (_ATTEMPTS, "cause")):
        rows = sa.table(table, sa.column(name))
        for old, new in causes.items():
            op.execute(rows.update().where(rows.c[name] == old).values({name: new}))
    _replace_in_activity(causes)


def _replace_in_activity(causes: Mapping[str, str]) -> None:
    """Replace the causes in the results of connection tests, which are JSON."""
    activity = sa.table("activity", sa.column("id"), sa.column("action"), sa.column("details", sa.JSON()))
    connection = op.get_bind()
    tests = sa.select(activity.c.id, activity.c.details).where(activity.c.action == "connection_tested")
    for id_, details in connection.execute(tests).all():
        if details.get("result") in causes:
            renamed = {**details, "result": causes[details["result"]]}
            connection.execute(activity.update().where(activity.c.id == id_).values(details=renamed))


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
