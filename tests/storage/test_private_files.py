"""The SQLite file holds the password's hash and the sealed API key: it is for its owner alone."""

from pathlib import Path

from telemetry_service.storage.migrate import migrate
from telemetry_service.storage.private_files import open_to_others


def test_the_database_and_a_folder_made_for_it_are_for_their_owner_alone(tmp_path: Path) -> None:
    database = tmp_path / "data" / "telemetry.db"
    migrate(f"sqlite:///{database}")
    assert database.stat().st_mode & 0o777 == 0o600
    assert database.parent.stat().st_mode & 0o777 == 0o700


def test_the_service_closes_files_that_are_open_to_others(tmp_path: Path) -> None:
    database = tmp_path / "telemetry.db"
    migrate(f"sqlite:///{database}")
    beside = database.with_name("telemetry.db.ledger-head")
    beside.touch()
    for file in (database, beside):
        file.chmod(0o664)
    assert open_to_others(database) == [database, beside]
    migrate(f"sqlite:///{database}")
    assert open_to_others(database) == []
    assert [file.stat().st_mode & 0o777 for file in (database, beside)] == [0o600, 0o600]
