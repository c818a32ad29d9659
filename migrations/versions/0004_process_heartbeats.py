"""A row for each process that wakes: what it commits there shows that it can write."""

import sqlalchemy as sa
from alembic import op

from telemetry_service.storage import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration."""
    op.create_table(
        "process_heartbeats",
        sa.Column("process_id", types.Id16(length=16), nullable=False),
        sa.Column("started_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("beat_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_process_heartbeats")),
    )


def downgrade() -> None:
    """Revert this migration."""
    op.drop_table("process_heartbeats")
