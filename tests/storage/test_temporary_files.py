"""What SQLite cannot keep in its cache needs no folder for temporary files, and what is freed goes back to the disk."""

from telemetry_service.storage.engine import make_engine

IN_MEMORY = 2
INCREMENTAL = 2


def test_sqlite_keeps_what_is_temporary_in_memory(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar_one() == IN_MEMORY
    engine.dispose()


def test_a_new_database_gives_the_pages_that_are_freed_back(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() == INCREMENTAL
    engine.dispose()
