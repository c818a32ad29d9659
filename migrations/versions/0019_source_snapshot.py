"""What a source on PostgreSQL had already, behind the position at which reading began: it does not count."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TABLES = ("source_cursor", "source_catch_up")


def upgrade() -> None:
    """Apply this migration. What was begun before continues as it was."""
    for table in _TABLES:
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("there", sa.Text(), nullable=True))


def downgrade() -> None:
    """Revert this migration."""
    for table in _TABLES:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("there")
