"""When the next attempt was planned: a clock that shows less than that has been set back since."""

import sqlalchemy as sa
from alembic import op

from telemetry_service.storage import types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration."""
    op.add_column(
        "telemetry_transmission_logs", sa.Column("planned_at", types.UtcDateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table("telemetry_transmission_logs") as batch:
        batch.drop_column("planned_at")
