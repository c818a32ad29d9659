"""The revision stands in a table of our own name, so that other applications may share the database."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from telemetry_service.domain.errors import SchemaIncompleteError, SchemaTooNewError
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.storage.migrate import migrate, schema_state
from tests.support import migrations
from tests.support.lived_in import LivedIn

OURS, ALEMBICS = "telemetry_alembic_version", "alembic_version"
ROOT = Path(__file__).parents[2]


def tables(url: str) -> set[str]:
    with migrations.connected(url) as connection:
        return set(inspect(connection).get_table_names())


def revisions(url: str, table: str) -> list[str]:
    with migrations.connected(url) as connection:
        return list(connection.execute(text(f"SELECT version_num FROM {table}")).scalars())  # noqa: S608 - two names


def another_application(url: str, revision: str) -> None:
    """Let another application that uses Alembic make its table of versions."""
    with migrations.connected(url) as connection:
        connection.execute(text(f"CREATE TABLE {ALEMBICS} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def test_a_database_of_version_0_1_0_is_taken_along(lived_in: LivedIn) -> None:
    url = lived_in.database_url
    before = schema_state(url)
    assert (before.present, before.current, before.too_new) == ("0001", False, False)
    migrate(url)
    assert ALEMBICS not in tables(url)
    assert revisions(url, OURS) == [schema_state(url).newest]
    assert schema_state(url).current


def test_the_developers_command_takes_it_along_as_well(lived_in: LivedIn) -> None:
    migrations.upgrade(lived_in.database_url)
    assert ALEMBICS not in tables(lived_in.database_url)
    assert schema_state(lived_in.database_url).current


@pytest.mark.parametrize("revision", ["1975ea83b712", "0001"])
def test_another_applications_table_is_left_alone_and_is_no_newer_version(
    empty_database_url: str, revision: str
) -> None:
    """Even if it has a revision with the same name as one of ours."""
    another_application(empty_database_url, revision)
    state = schema_state(empty_database_url)
    assert (state.present, state.too_new, state.missing) == (None, False, ())
    newest = migrate(empty_database_url)
    assert revisions(empty_database_url, ALEMBICS) == [revision]
    assert revisions(empty_database_url, OURS) == [newest]
    migrations.downgrade(empty_database_url)
    assert revisions(empty_database_url, ALEMBICS) == [revision]


def test_another_applications_revision_beside_ours_stays(lived_in: LivedIn) -> None:
    with migrations.connected(lived_in.database_url) as connection:
        connection.execute(text("INSERT INTO alembic_version VALUES ('1975ea83b712')"))
    migrate(lived_in.database_url)
    assert revisions(lived_in.database_url, ALEMBICS) == ["1975ea83b712"]
    assert schema_state(lived_in.database_url).current


def test_our_own_table_shows_a_newer_version(database_url: str) -> None:
    with migrations.connected(database_url) as connection:
        connection.execute(text("UPDATE telemetry_alembic_version SET version_num = '9999'"))
    assert schema_state(database_url).too_new
    with pytest.raises(SchemaTooNewError):
        migrate(database_url)


def test_tables_without_a_revision_are_not_made_a_second_time(database_url: str) -> None:
    with migrations.connected(database_url) as connection:
        connection.execute(text(f"DROP TABLE {OURS}"))
    assert schema_state(database_url).missing == (OURS,)
    with pytest.raises(SchemaIncompleteError, match=OURS):
        migrate(database_url)


def test_replicas_that_start_at_once_take_it_along_once(lived_in: LivedIn) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(migrate, [lived_in.database_url] * 4))
    assert set(found) == {schema_state(lived_in.database_url).newest}
    assert revisions(lived_in.database_url, OURS) == found[:1]


def test_a_checkout_whose_path_has_a_percent_sign_migrates(tmp_path: Path) -> None:
    """Alembic's settings are read as an ini file, in which the sign begins the name of another option."""
    checkout = tmp_path / "100%s %(here)s"
    for name in ("src", "migrations"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "alembic.ini", checkout)
    url = f"sqlite:///{checkout / '50%.db'}"
    keys = {"ENCRYPTION_KEY": generate_key(), "CREDENTIAL_ENCRYPTION_KEY": generate_key()}
    environment = {"PYTHONPATH": str(checkout / "src"), "TELEMETRY_DATABASE_URL": url, **keys}
    for module, *arguments in (
        ("telemetry_service.cli", "migrate"),
        ("telemetry_service.cli", "doctor", "--offline"),
        ("alembic", "-x", f"url={url}", "check"),
    ):
        subprocess.run([sys.executable, "-m", module, *arguments], cwd=checkout, env=environment, check=True)
    assert schema_state(url).current
