"""When the command on the host opened a closed login. Until now, any new password did."""

import sqlalchemy as sa
from alembic import op

from telemetry_service.storage import types

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration. A closed login that was opened within the last hour closes."""
    with op.batch_alter_table("admin_accounts") as batch:
        batch.add_column(sa.Column("login_opened_at", types.UtcDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table("admin_accounts") as batch:
        batch.drop_column("login_opened_at")
