"""What SQLite cannot keep in its cache needs no folder for temporary files: a container has a read-only root."""

from telemetry_service.storage.engine import make_engine

IN_MEMORY = 2


def test_sqlite_keeps_what_is_temporary_in_memory(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar_one() == IN_MEMORY
    engine.dispose()
