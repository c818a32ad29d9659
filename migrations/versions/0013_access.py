"""Failed passwords counted by where they come from, where a session is, and when a token ends.

What was counted for the one account is dropped: it also counted what strangers did.
"""

import sqlalchemy as sa
from alembic import op

from telemetry_service.storage import types

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration."""
    op.create_table(
        "attempt_counts",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("blocked_until", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("last_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_attempt_counts")),
    )
    op.create_index("ix_attempt_counts_last_at", "attempt_counts", ["last_at"])
    with op.batch_alter_table("admin_accounts") as batch:
        batch.add_column(sa.Column("password_generation", sa.Integer(), server_default="1", nullable=False))
        batch.drop_column("failed_logins")
        batch.drop_column("blocked_until")
    with op.batch_alter_table("admin_sessions") as batch:
        batch.add_column(sa.Column("address", sa.String(45), nullable=True))
        batch.add_column(sa.Column("browser", sa.String(40), nullable=True))
    with op.batch_alter_table("service_tokens") as batch:
        batch.add_column(sa.Column("expires_at", types.UtcDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table("service_tokens") as batch:
        batch.drop_column("expires_at")
    with op.batch_alter_table("admin_sessions") as batch:
        batch.drop_column("browser")
        batch.drop_column("address")
    with op.batch_alter_table("admin_accounts") as batch:
        batch.add_column(sa.Column("failed_logins", sa.Integer(), server_default="0", nullable=False))
        batch.add_column(sa.Column("blocked_until", types.UtcDateTime(timezone=True), nullable=True))
        batch.drop_column("password_generation")
    with op.batch_alter_table("admin_accounts") as batch:
        batch.alter_column("failed_logins", existing_type=sa.Integer(), server_default=None)
    op.drop_index("ix_attempt_counts_last_at", table_name="attempt_counts")
    op.drop_table("attempt_counts")
