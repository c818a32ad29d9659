"""A transmission stores the customer it was made for; the license posture stores who reported it, and when."""

import sqlalchemy as sa
from alembic import op

from telemetry_service.storage import types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SOURCES = ("reported", "license_server")


def upgrade() -> None:
    """Apply this migration. The source of the present posture is unknown and stays empty."""
    op.add_column("telemetry_transmission_logs", sa.Column("customer_sealed", sa.LargeBinary(), nullable=True))
    source = sa.Enum(*_SOURCES, name="source", native_enum=False, create_constraint=True, length=32)
    with op.batch_alter_table("license_posture") as table:
        table.add_column(sa.Column("source", source, nullable=True))
        table.add_column(sa.Column("updated_at", types.UtcDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Revert this migration."""
    with op.batch_alter_table("license_posture") as table:
        table.drop_constraint(op.f("ck_license_posture_source"), type_="check")
        table.drop_column("updated_at")
        table.drop_column("source")
    op.drop_column("telemetry_transmission_logs", "customer_sealed")
