"""Revision 0020 adds three causes of what a proxy does wrong; on the way back they are the one of before."""

from sqlalchemy import text

from telemetry_service.storage.migrate import migrate
from tests.support import migrations
from tests.support.lived_in import LivedIn

BEFORE = "0019"
COLUMNS = (
    ("telemetry_transmission_logs", "cause"),
    ("telemetry_transmission_attempts", "cause"),
    ("license_server_last_exchange", "attempt_cause"),
    ("license_server_last_exchange", "test_cause"),
    ("license_server_last_exchange", "typed_cause"),
)


def test_the_new_causes_are_the_earlier_one_after_a_downgrade_and_no_number_is_given_twice(lived_in: LivedIn) -> None:
    migrate(lived_in.database_url)
    counted = rows(lived_in.database_url)
    with migrations.connected(lived_in.database_url) as connection:
        for table, column in COLUMNS:
            for cause in ("proxy_not_resolved", "proxy_unreachable", "proxy_login_refused"):
                connection.execute(text(f"UPDATE {table} SET {column} = '{cause}'"))  # noqa: S608 - names of our own
    migrations.downgrade(lived_in.database_url, BEFORE)
    with migrations.connected(lived_in.database_url) as connection:
        for table, column in COLUMNS:
            found = connection.execute(text(f"SELECT DISTINCT {column} FROM {table}")).scalars().all()  # noqa: S608
            assert found == ["proxy_failed"], (table, column)
    migrate(lived_in.database_url)
    assert rows(lived_in.database_url) == counted


def rows(url: str) -> list[int]:
    """Return how many rows each table has, and the last number of a transmission where SQLite counts them."""
    statements = [f"SELECT count(*) FROM {table}" for table, _ in COLUMNS]  # noqa: S608 - names of our own
    if url.startswith("sqlite"):
        statements.append("SELECT seq FROM sqlite_sequence WHERE name = 'telemetry_transmission_logs'")
    with migrations.connected(url) as connection:
        return [int(connection.execute(text(statement)).scalar_one()) for statement in statements]
