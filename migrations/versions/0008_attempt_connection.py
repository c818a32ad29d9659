"""Keep with each attempt which connection it was made with, so that a changed one is noticed by whoever uses it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLE = "telemetry_transmission_attempts"


def upgrade() -> None:
    """Apply this migration. What was attempted before is of no connection that is known."""
    op.add_column(_TABLE, sa.Column("connection", sa.LargeBinary(32), nullable=True))


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table(_TABLE) as batch:
        batch.drop_column("connection")
