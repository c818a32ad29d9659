"""The ledger by time, to find which transmissions have changed since a moment."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration."""
    op.create_index("ix_telemetry_ledger_at", "telemetry_ledger", ["at", "seq"], unique=False)


def downgrade() -> None:
    """Revert this migration."""
    op.drop_index("ix_telemetry_ledger_at", "telemetry_ledger")
