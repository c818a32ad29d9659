"""Store a tick's period, an exchange's connection, and a test with a typed key until that key is saved."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TYPED = ("typed_key_id", "typed_ok", "typed_cause")


def upgrade() -> None:
    """Apply this migration."""
    with op.batch_alter_table("telemetry_ticks") as batch:
        batch.add_column(sa.Column("period_id", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("license_server_contact") as batch:
        batch.add_column(sa.Column("connection_sequence", sa.BigInteger(), server_default="0", nullable=False))
        batch.add_column(sa.Column("typed_key_id", sa.String(length=16), nullable=True))
        batch.add_column(sa.Column("typed_ok", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("typed_cause", sa.String(length=32), nullable=True))
    # A tick that ran since the open period began left it open: only closing a period opens another.
    op.execute(
        "UPDATE telemetry_ticks SET period_id = (SELECT p.id FROM reporting_periods p"
        " WHERE p.is_open AND p.opened_at < telemetry_ticks.ran_at)"
    )


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table("license_server_contact") as batch:
        for name in ("connection_sequence", *_TYPED):
            batch.drop_column(name)
    with op.batch_alter_table("telemetry_ticks") as batch:
        batch.drop_column("period_id")
