"""What a database holds, to be compared with what it held before."""

from collections import Counter

from sqlalchemy import Connection, create_engine, inspect, literal_column, select, table

Dump = dict[str, Counter[str]]


def dump(database_url: str) -> Dump:
    """Return the rows of every table, in no order."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as connection:
            # Not by a reflection of the columns: that takes many times as long as to read the rows.
            return {name: _rows(connection, name) for name in inspect(connection).get_table_names()}
    finally:
        engine.dispose()


def _rows(connection: Connection, name: str) -> Counter[str]:
    return Counter(map(repr, connection.execute(select(literal_column("*")).select_from(table(name)))))


def tables(database_url: str) -> list[str]:
    """Return the names of the tables."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def changed(before: Dump, after: Dump) -> set[str]:
    """Return the tables whose rows differ, and those that came or went."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
