"""What tells the newest row that was read from another one, so that a restored source is noticed.

The next look of a source that was begun before notes it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_TEXTS = ("anchor_key", "anchor_digest", "anchor_server", "anchor_view")


def upgrade() -> None:
    """Apply this migration."""
    with op.batch_alter_table("source_cursor") as batch:
        batch.add_column(sa.Column("anchor_position", sa.BigInteger(), nullable=True))
        for name in _TEXTS:
            batch.add_column(sa.Column(name, sa.String(64), nullable=True))


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table("source_cursor") as batch:
        for name in ("anchor_position", *_TEXTS):
            batch.drop_column(name)
