"""The indexes of some rows only, for comparing the database with the tables.

To declare one, SQLAlchemy loads both dialects with all their drivers, which the service does not need. So only
``migrations/env.py`` imports this module.
"""

from sqlalchemy import Index, text

from telemetry_service.storage.tables import Base, ReportingPeriod

METADATA = Base.metadata
"""The tables, with these indexes."""

Index(
    "uq_reporting_periods_open",
    ReportingPeriod.is_open,
    unique=True,
    sqlite_where=text("is_open"),
    postgresql_where=text("is_open"),
)
