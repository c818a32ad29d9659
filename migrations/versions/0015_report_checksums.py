"""A checksum of each usage report, by which other content under the same ID is noticed."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration. Reports that were acknowledged before have no checksum."""
    op.add_column("usage_report_ids", sa.Column("checksum", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table("usage_report_ids") as batch:
        batch.drop_column("checksum")
