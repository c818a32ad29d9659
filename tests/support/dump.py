"""What a database holds, to be compared with what it held before."""

from collections import Counter

from sqlalchemy import MetaData, create_engine, inspect

Dump = dict[str, Counter[str]]


def dump(database_url: str) -> Dump:
    """Return the rows of every table, in no order."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as connection:
            metadata = MetaData()
            metadata.reflect(connection)
            rows = {table.name: connection.execute(table.select()) for table in metadata.sorted_tables}
            return {name: Counter(map(repr, found)) for name, found in rows.items()}
    finally:
        engine.dispose()


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
