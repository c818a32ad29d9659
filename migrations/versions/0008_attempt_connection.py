"""Store the connection of each attempt, so that a process notices that its connection has changed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLE = "telemetry_transmission_attempts"


def upgrade() -> None:
    """Apply this migration. The connection of earlier attempts is unknown."""
    op.add_column(_TABLE, sa.Column("connection", sa.LargeBinary(32), nullable=True))


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table(_TABLE) as batch:
        batch.drop_column("connection")
