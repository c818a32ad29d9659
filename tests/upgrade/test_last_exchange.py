"""Revision 0010 renames two causes and the table of the last exchange, and changes nothing else."""

import json

from sqlalchemy import Connection, Row, inspect, text

from telemetry_service.domain.causes import Cause
from telemetry_service.storage.database import Database
from telemetry_service.storage.migrate import migrate
from tests.support import migrations
from tests.support.lived_in import LivedIn

BEFORE, AFTER = "0009", "0010"
OLD, NEW = "license_server_contact", "license_server_last_exchange"
RENAMED = {"answer_malformed": "response_malformed", "answer_too_large": "response_too_large"}
LOGS, ATTEMPTS = "telemetry_transmission_logs", "telemetry_transmission_attempts"


def execute(url: str, statement: str, **values: object) -> None:
    with migrations.connected(url) as connection:
        connection.execute(text(statement), values)


def rows(url: str, query: str) -> list[Row[tuple[object, ...]]]:
    with migrations.connected(url) as connection:
        return list(connection.execute(text(query)).all())


def place_each_old_cause_everywhere(url: str) -> None:
    """Put both old causes into each column that holds causes."""
    migrations.upgrade(url, BEFORE)
    contact = "UPDATE license_server_contact SET attempt_cause = :first, test_cause = :second, typed_cause = :second"
    execute(url, contact, first="answer_malformed", second="answer_too_large")
    for table in (LOGS, ATTEMPTS):
        held = f"SELECT 1 FROM {table} WHERE cause = 'answer_malformed'"  # noqa: S608 - names of our own
        assert rows(url, held)
        execute(url, f"UPDATE {table} SET cause = 'answer_too_large' WHERE cause = 'busy'")  # noqa: S608 - names of our own
    for cause in RENAMED:
        note_test(url, cause)


def note_test(url: str, result: str) -> None:
    statement = (
        "INSERT INTO activity (at, actor, action, details)"
        " SELECT min(at), 'admin', 'connection_tested', :details FROM activity"
    )
    typed = statement.replace(":details", ":details" if "sqlite" in url else "CAST(:details AS json)")
    execute(url, typed, details=json.dumps({"result": result, "key": "saved"}))


def causes(url: str, contact: str) -> list[object]:
    """Return everything that holds a cause, in an order that does not depend on the causes."""
    found = [
        rows(url, f"SELECT sequence, cause FROM {LOGS} ORDER BY sequence"),  # noqa: S608 - names of our own
        rows(url, f"SELECT body_sha256, cause FROM {ATTEMPTS} ORDER BY body_sha256"),  # noqa: S608 - names of our own
        rows(url, f"SELECT attempt_cause, test_cause, typed_cause FROM {contact}"),  # noqa: S608 - names of our own
        rows(url, "SELECT id, details FROM activity WHERE action = 'connection_tested' ORDER BY id"),
    ]
    return [value for table in found for row in table for value in row]


def renamed(value: object) -> object:
    for old, new in RENAMED.items():
        value = json.loads(json.dumps(value, default=str).replace(old, new))
    return value


def test_each_cause_is_renamed_wherever_it_is_held_and_back_again(lived_in: LivedIn) -> None:
    url = lived_in.database_url
    place_each_old_cause_everywhere(url)
    before = causes(url, OLD)
    migrations.upgrade(url)
    after = causes(url, NEW)
    assert after == renamed(before) != before
    migrations.downgrade(url, BEFORE)
    assert causes(url, OLD) == before


def test_the_service_reads_what_was_renamed(lived_in: LivedIn) -> None:
    place_each_old_cause_everywhere(lived_in.database_url)
    migrate(lived_in.database_url)
    database = Database(lived_in.database_url)
    with database.read() as tx:
        record = tx.exchanges.record()
    database.close()
    assert record.last_attempt is not None
    assert record.last_attempt.cause is Cause.RESPONSE_MALFORMED


def schema(url: str) -> dict[str, object]:
    """Return the schema of the tables that the migration changes."""
    with migrations.connected(url) as connection:
        inspector = inspect(connection)
        present = {OLD, NEW, LOGS, ATTEMPTS} & set(inspector.get_table_names())
        found = {name: described(connection, name) for name in sorted(present)}
    return json.loads(json.dumps(found, default=str).replace(OLD, NEW))  # type: ignore[no-any-return]


def described(connection: Connection, table: str) -> list[object]:
    inspector = inspect(connection)
    parts: list[object] = [
        inspector.get_columns(table),
        inspector.get_pk_constraint(table),
        sorted(inspector.get_unique_constraints(table), key=str),
        inspector.get_foreign_keys(table),
        inspector.get_indexes(table),
        sorted(constraint["name"] or "" for constraint in inspector.get_check_constraints(table)),
    ]
    if connection.dialect.name == "sqlite":
        query = text("SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = :table")
        parts.append(connection.execute(query, {"table": table}).scalar())
    return parts


def test_nothing_of_the_schema_changes_but_names(lived_in: LivedIn) -> None:
    url = lived_in.database_url
    migrations.upgrade(url, BEFORE)
    before = schema(url)
    migrations.upgrade(url, AFTER)
    assert schema(url) == before
    migrations.downgrade(url, BEFORE)
    assert schema(url) == before


def test_the_number_of_a_transmission_that_was_purged_is_not_given_again(lived_in: LivedIn) -> None:
    url = lived_in.database_url
    migrations.upgrade(url, BEFORE)
    newest = highest(url)
    of_newest = f"transmission_id = (SELECT transmission_id FROM {LOGS} WHERE sequence = :newest)"  # noqa: S608 - names of our own
    execute(url, f"DELETE FROM {ATTEMPTS} WHERE {of_newest}", newest=newest)  # noqa: S608 - names of our own
    execute(url, f"DELETE FROM {LOGS} WHERE sequence = :newest", newest=newest)  # noqa: S608 - names of our own
    migrations.upgrade(url)
    insert_a_copy(url)
    assert highest(url) == newest + 1


def highest(url: str) -> int:
    with migrations.connected(url) as connection:
        return int(connection.execute(text(f"SELECT max(sequence) FROM {LOGS}")).scalar_one())  # noqa: S608 - our own


def insert_a_copy(url: str) -> None:
    """Insert a transmission whose number the database chooses, for a period that has none."""
    with migrations.connected(url) as connection:
        names = [column["name"] for column in inspect(connection).get_columns(LOGS) if column["name"] != "sequence"]
        chosen = {
            "transmission_id": "randomblob(16)" if "sqlite" in url else "gen_random_uuid()",
            "request_key": "NULL",
        }
        chosen["period_id"] = "(SELECT max(id) FROM reporting_periods)"
        values = ", ".join(chosen.get(name, f'"{name}"') for name in names)
        quoted = ", ".join(f'"{name}"' for name in names)
        connection.execute(text(f"INSERT INTO {LOGS} ({quoted}) SELECT {values} FROM {LOGS} LIMIT 1"))  # noqa: S608 - our own
