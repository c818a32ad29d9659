"""Whether the next purge was put off already: one that is overdue is put off once."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration."""
    with op.batch_alter_table("telemetry_schedule") as batch:
        batch.add_column(sa.Column("purge_put_off", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table("telemetry_schedule") as batch:
        batch.drop_column("purge_put_off")
