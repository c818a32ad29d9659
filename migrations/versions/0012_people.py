"""Sessions know whose they are: an issuer, a subject, a name and a role."""

import sqlalchemy as sa
from alembic import op

from telemetry_service.storage import types

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SESSIONS = "admin_sessions"
_ROLES = ("viewer", "administrator")
_MOMENT = types.UtcDateTime(timezone=True)


def upgrade() -> None:
    """Apply this migration. Until now, every session was the local administrator's."""
    with op.batch_alter_table(_SESSIONS) as batch:
        batch.alter_column("authenticated_at", existing_type=_MOMENT, nullable=True)
        batch.add_column(sa.Column("issuer", sa.String(512), nullable=True))
        batch.add_column(sa.Column("subject", sa.String(255), nullable=True))
        batch.add_column(sa.Column("name", sa.String(200), nullable=True))
        batch.add_column(sa.Column("role", sa.String(32), nullable=False, server_default="administrator"))
        batch.add_column(sa.Column("sid", sa.String(255), nullable=True))
        batch.add_column(sa.Column("login_digest", sa.LargeBinary(32), nullable=True))
        batch.create_unique_constraint(op.f("uq_admin_sessions_login_digest"), ["login_digest"])
        batch.create_check_constraint(op.f("ck_admin_sessions_role"), sa.column("role").in_(_ROLES))
    with op.batch_alter_table(_SESSIONS) as batch:
        batch.alter_column("role", existing_type=sa.String(32), server_default=None)


def downgrade() -> None:
    """Revert this migration. The version before would take anyone's session for the administrator's: they end."""
    op.execute("DELETE FROM admin_sessions WHERE issuer IS NOT NULL OR authenticated_at IS NULL")
    with op.batch_alter_table(_SESSIONS) as batch:
        batch.drop_constraint(op.f("uq_admin_sessions_login_digest"), type_="unique")
        batch.drop_constraint(op.f("ck_admin_sessions_role"), type_="check")
        for column in ("issuer", "subject", "name", "role", "sid", "login_digest"):
            batch.drop_column(column)
        batch.alter_column("authenticated_at", existing_type=_MOMENT, nullable=False)
