"""What sealed values are bound to, the API key before the present one, and which keys a process or a digest has."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from telemetry_service.storage import types

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_WITH_DIGESTS = ("admin_sessions", "service_tokens")


def upgrade() -> None:
    """Apply this migration."""
    with op.batch_alter_table("installation") as batch:
        batch.add_column(sa.Column("sealed_for", types.Id16(length=16), nullable=True))
    installation = sa.table("installation", sa.column("sealed_for", types.Id16(length=16)))
    op.execute(sa.update(installation).values(sealed_for=uuid4()))
    with op.batch_alter_table("process_heartbeats") as batch:
        batch.add_column(sa.Column("encryption_keys", sa.Text(), nullable=True))
    for table in _WITH_DIGESTS:
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("digest_key", sa.LargeBinary(8), nullable=True))
    op.create_table(
        "api_key_overlap",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_api_key_overlap_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key_overlap")),
    )


def downgrade() -> None:
    """Revert this migration. What is sealed for this installation cannot be opened by an older version."""
    op.drop_table("api_key_overlap")
    for table in _WITH_DIGESTS:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("digest_key")
    with op.batch_alter_table("process_heartbeats") as batch:
        batch.drop_column("encryption_keys")
    with op.batch_alter_table("installation") as batch:
        batch.drop_column("sealed_for")
