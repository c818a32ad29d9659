"""Keep the sums and the distinct bouncers of the open period next to its counters."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SUMS = ("events", "decisions", "bouncers")
_LARGEST = 2**63 - 1


def upgrade() -> None:
    """Apply this migration, and add up what the open period has come to."""
    for name in _SUMS:
        column = sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column("reporting_periods", column)
    op.create_table(
        "usage_bouncers",
        sa.Column("period_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bouncer_id", sa.String(length=64), nullable=False),
        sa.Column("has_traffic", sa.Boolean(), nullable=False),
        sa.Column("has_decisions", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["period_id"], ["reporting_periods.id"], name=op.f("fk_usage_bouncers_period_id")),
        sa.PrimaryKeyConstraint("period_id", "bouncer_id", name=op.f("pk_usage_bouncers")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO usage_bouncers (period_id, bouncer_id, has_traffic, has_decisions)"
        " SELECT period_id, bouncer_id, max(CASE WHEN audit_events > 0 OR policy_decisions > 0 THEN 1 ELSE 0 END) = 1,"
        " max(CASE WHEN policy_decisions > 0 THEN 1 ELSE 0 END) = 1"
        " FROM usage_counters WHERE period_id IN (SELECT id FROM reporting_periods WHERE is_open)"
        " GROUP BY period_id, bouncer_id"
    )
    op.execute(
        f"UPDATE reporting_periods SET events = {_sum('audit_events')}, decisions = {_sum('policy_decisions')},"  # noqa: S608
        " bouncers = (SELECT count(*) FROM usage_bouncers b WHERE b.period_id = reporting_periods.id) WHERE is_open"
    )


def _sum(column: str) -> str:
    """Return the sum over a period's counters; one that no integer of the database can hold becomes the largest."""
    if op.get_bind().dialect.name == "sqlite":
        # total() adds up in floating point, exactly up to 2^53, and never overflows as sum() does.
        added = f"CAST(total(c.{column}) AS INTEGER)"
    else:
        added = f"CAST(LEAST(coalesce(sum(c.{column}), 0), {_LARGEST}) AS bigint)"
    return f"(SELECT {added} FROM usage_counters c WHERE c.period_id = reporting_periods.id)"  # noqa: S608 - our own names


def downgrade() -> None:
    """Revert this migration."""
    op.drop_table("usage_bouncers")
    for name in _SUMS:
        op.drop_column("reporting_periods", name)
