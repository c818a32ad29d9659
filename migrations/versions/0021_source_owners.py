"""What was reported of a bouncer that the source registers too.

Bouncers that both have registered before belong to the source until they are reported again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this migration."""
    environment = sa.Enum(
        "sandbox", "production", name="reported_environment", native_enum=False, create_constraint=True, length=32
    )
    with op.batch_alter_table("source_bouncers") as batch:
        batch.add_column(sa.Column("reported_environment", environment, nullable=True))
        batch.add_column(sa.Column("reported_pair_id", sa.String(64), nullable=True))


def downgrade() -> None:
    """Revert this migration. What was reported of bouncers of the source is lost."""
    with op.batch_alter_table("source_bouncers") as batch:
        batch.drop_column("reported_pair_id")
        batch.drop_constraint(op.f("ck_source_bouncers_reported_environment"), type_="check")
        batch.drop_column("reported_environment")
