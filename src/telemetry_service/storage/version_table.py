"""The revision of a database, in a table with our own name, which no other application in the database uses.

Version 0.1.0 used Alembic's own name, ``alembic_version``. If that table contains the revision of 0.1.0 and our tables
exist, the revision is moved. Another application's table of that name is left alone and ignored.
"""

from sqlalchemy import Connection, inspect, text

VERSION_TABLE = "telemetry_alembic_version"

SELECT_REVISION = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a name of our own

_CREATE = text(
    f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL,"
    f" CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
)
"""The table as Alembic creates it."""

_OLD_TABLE = "alembic_version"
_OLD_REVISION = "0001"
"""The only revision ever written to the old table."""

_TABLES_OF_OLD = frozenset({"installation", "reporting_periods", "telemetry_transmission_logs", "usage_counters"})
"""Tables that exist if it is ours: another application may have a revision of the same name."""


def current_revision(connection: Connection) -> str | None:
    """Return the revision of a database, or None if it was never migrated."""
    if inspect(connection).has_table(VERSION_TABLE):
        return connection.execute(SELECT_REVISION).scalar()
    return _OLD_REVISION if has_old_revision(connection) else None


def has_old_revision(connection: Connection) -> bool:
    """Whether the revision is only in the table of version 0.1.0."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables or not tables.issuperset({_OLD_TABLE, *_TABLES_OF_OLD}):
        return False
    found = connection.execute(text(f"SELECT 1 FROM {_OLD_TABLE} WHERE version_num = :ours"), {"ours": _OLD_REVISION})  # noqa: S608 - a name of our own
    return found.first() is not None


def adopt_revision(connection: Connection) -> None:
    """Move the revision of version 0.1.0 to our own table. Repeating it is safe."""
    if not has_old_revision(connection):
        return
    connection.execute(_CREATE)
    ours = {"ours": _OLD_REVISION}
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} (version_num) VALUES (:ours)"), ours)  # noqa: S608 - our own name
    connection.execute(text(f"DELETE FROM {_OLD_TABLE} WHERE version_num = :ours"), ours)  # noqa: S608 - a name of our own
    if connection.execute(text(f"SELECT 1 FROM {_OLD_TABLE}")).first() is None:  # noqa: S608 - a name of our own
        connection.execute(text(f"DROP TABLE {_OLD_TABLE}"))
