"""Number the exchanges and the ticks: a clock that can be set back does not show which one is the latest."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBERS = ("attempt_sequence", "test_sequence", "accepted_sequence")


def upgrade() -> None:
    """Apply this migration."""
    with op.batch_alter_table("license_server_contact") as batch:
        batch.add_column(sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False))
        for name in _NUMBERS:
            batch.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
    with op.batch_alter_table("telemetry_ticks") as batch:
        batch.add_column(sa.Column("sequence", sa.BigInteger(), nullable=True))
        batch.create_unique_constraint("uq_telemetry_ticks_sequence", ["sequence"])
    _number_what_is_there(op.get_bind())


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table("telemetry_ticks") as batch:
        batch.drop_constraint("uq_telemetry_ticks_sequence", type_="unique")
        batch.drop_column("sequence")
    with op.batch_alter_table("license_server_contact") as batch:
        for name in ("sequence", *_NUMBERS):
            batch.drop_column(name)


def _number_what_is_there(connection: sa.Connection) -> None:
    """Number everything by its time, the only order that older versions have kept."""
    events = [
        *_ticks(connection),
        *_contacts(connection, "attempt_at", "attempt_sequence"),
        *_contacts(connection, "test_at", "test_sequence"),
        *_contacts(connection, "last_accepted_at", "accepted_sequence"),
    ]
    # A tick makes the attempt that follows it in the same moment, and an accepted attempt is one event.
    for number, (_, statement, values) in enumerate(sorted(events, key=lambda event: event[0]), 1):
        connection.execute(sa.text(statement), {"number": number, **values})
    same = "UPDATE license_server_contact SET accepted_sequence = attempt_sequence WHERE last_accepted_at = attempt_at"
    connection.execute(sa.text(same))
    connection.execute(sa.text("UPDATE license_server_contact SET sequence = :number"), {"number": len(events)})


_Event = tuple[Any, str, dict[str, object]]
"""A moment (as text on SQLite; it sorts the same), and the statement that writes the number of what happened then."""


def _ticks(connection: sa.Connection) -> list[_Event]:
    statement = "UPDATE telemetry_ticks SET sequence = :number WHERE tick_key = :key"
    rows = connection.execute(sa.text("SELECT ran_at, tick_key FROM telemetry_ticks")).all()
    return [(at, statement, {"key": key}) for at, key in rows]


def _contacts(connection: sa.Connection, moment: str, number: str) -> list[_Event]:
    statement = f"UPDATE license_server_contact SET {number} = :number"  # noqa: S608 - one of our columns
    query = f"SELECT {moment} FROM license_server_contact WHERE {moment} IS NOT NULL"  # noqa: S608 - one of our columns
    return [(at, statement, {}) for at in connection.execute(sa.text(query)).scalars()]
