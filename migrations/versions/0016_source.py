"""How far the Control Plane's own database was read, what was caught up on, and what came from there."""

import sqlalchemy as sa
from alembic import op

from telemetry_service.storage import types

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, types.UtcDateTime(timezone=True), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """Apply this migration."""
    op.create_table(
        "source_cursor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        _number("version"),
        _number("position", nullable=True),
        sa.Column("row_key", sa.String(64), nullable=True),
        _number("floor", nullable=True),
        _moment("began_at", nullable=True),
        _number("rows"),
        _moment("complete_until"),
        _number("marker_position", nullable=True),
        _moment("marker_at", nullable=True),
        _moment("looked_at"),
        sa.Column("obstacle", sa.String(32), nullable=True),
        sa.Column("obstacle_text", sa.String(1024), nullable=True),
        _moment("obstacle_since", nullable=True),
        sa.Column("shared", sa.Integer(), nullable=False),
        sa.Column("shared_example", sa.String(64), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_source_cursor_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_cursor")),
    )
    op.create_table(
        "source_catch_up",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        _number("version"),
        _number("before"),
        _moment("since"),
        _moment("until", nullable=True),
        _number("position"),
        sa.Column("row_key", sa.String(64), nullable=True),
        _number("total"),
        _number("looked_at"),
        _number("counted"),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_source_catch_up_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_catch_up")),
    )
    op.create_table(
        "source_bouncers",
        sa.Column("bouncer_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("bouncer_id", name=op.f("pk_source_bouncers")),
    )
    op.create_table(
        "source_usage",
        sa.Column("period_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bouncer_id", sa.String(64), nullable=False),
        _number("events"),
        sa.PrimaryKeyConstraint("period_id", "bouncer_id", name=op.f("pk_source_usage")),
    )


def downgrade() -> None:
    """Revert this migration. An older version reads no source."""
    for table in ("source_usage", "source_bouncers", "source_catch_up", "source_cursor"):
        op.drop_table(table)
