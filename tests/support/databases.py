"""A fresh, migrated database for each test, on SQLite and on PostgreSQL.

One PostgreSQL server serves the whole run, whatever the number of parallel workers: the first test that
needs it starts it under a file lock, and the process that started the run removes it at the end.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from telemetry_service.storage.migrate import migrate
from tests.support.memory import memory
from tests.support.postgres import PostgresServer, plain_url

ON_BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
"""For a test among others that run ``on_sqlite`` alone: this one is about what the databases do differently."""

TEST_SERVER_VARIABLE = "TELEMETRY_TEST_DATABASE_URL"
"""The URL of a PostgreSQL database whose role may create databases; without it the run starts its own server."""

_WITH_STRATEGIES = 150_000
"""The version of PostgreSQL, as it numbers itself, since which a copy can be asked for."""


TESTS_ON = "TESTS_ON"
"""The variable that names the database, ``sqlite`` or ``postgresql``, of the tests that are not ``ON_BOTH``."""


@pytest.fixture(name="database_url")
def on_sqlite(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, migrated database: SQLite or what ``TESTS_ON`` names; each kind for an ``ON_BOTH`` test."""
    kind = getattr(request, "param", None) or os.environ.get(TESTS_ON, "sqlite")
    url: str = request.getfixturevalue(f"{kind}_url")
    return url


Fill = Callable[[str], object]
"""What fills a new, empty database, whose URL it is given."""


class RunDatabases:
    """The run's shared folder: what the workers of one run have in common."""

    def __init__(self, folder: Path) -> None:
        """Use the folder that ``make`` has made; every worker of a run uses the same."""
        self.folder = folder

    @staticmethod
    def make() -> "RunDatabases":
        """Return a new run's databases; nothing is started yet."""
        return RunDatabases(Path(tempfile.mkdtemp(prefix="telemetry-run-", dir=memory(for_programs=True))))

    def sqlite(self, folder: Path, *, migrated: bool = True) -> str:
        """Return the URL of a fresh database file in ``folder``."""
        if migrated:
            return self.sqlite_copy(folder, "template", migrate)
        return f"sqlite:///{_file_in(folder)}"

    def sqlite_copy(self, folder: Path, name: str, fill: Fill) -> str:
        """Return the URL of a copy, in ``folder``, of what ``fill`` made once in this run, known by ``name``."""
        with self._once(f"sqlite-{name}") as made:
            if not made.exists():
                unfinished = self.folder / f"unfinished-{name}.db"
                fill(f"sqlite:///{unfinished}")
                unfinished.rename(made)
        target = _file_in(folder)
        shutil.copyfile(made, target)
        return f"sqlite:///{target}"

    @contextmanager
    def postgresql(self, *, migrated: bool = True) -> Iterator[str]:
        """Give the URL of a fresh database on the run's server, dropped afterwards."""
        with self._copied(self._postgresql_template("template", migrate) if migrated else "template0") as url:
            yield url

    @contextmanager
    def postgresql_copy(self, name: str, fill: Fill) -> Iterator[str]:
        """Give the URL of a copy of what ``fill`` made once in this run, known by ``name``; dropped afterwards."""
        with self._copied(self._postgresql_template(name, fill)) as url:
            yield url

    @contextmanager
    def _copied(self, template: str) -> Iterator[str]:
        name = f"t_{uuid4().hex}"
        admin = self._server_url()
        _copy(admin, name, template)
        try:
            yield _sibling(admin, name)
        finally:
            _administer(admin, "DROP DATABASE {} WITH (FORCE)", name)

    def remove(self) -> None:
        """Take down what this run has put up; for the process that started the run."""
        started = self.folder / "server"
        if started.exists():
            _server(started).remove()
        else:
            for template in self.folder.glob("postgresql-*"):
                if not template.suffix:  # It is no lock.
                    _administer(self._server_url(), "DROP DATABASE {} WITH (FORCE)", template.read_text())
        shutil.rmtree(self.folder)

    def _server_url(self) -> str:
        given = os.environ.get(TEST_SERVER_VARIABLE)
        if given:
            return given
        with self._once("server") as made:
            if not made.exists():
                server = PostgresServer.make(durable=False)
                server.start()
                made.write_text(f"{server.folder}\n{server.binaries}")
        return _server(made).url()

    def _postgresql_template(self, name: str, fill: Fill) -> str:
        admin = self._server_url()
        with self._once(f"postgresql-{name}") as made:
            if not made.exists():
                template = f"template_{uuid4().hex}"
                _administer(admin, "CREATE DATABASE {} TEMPLATE template0", template)
                fill(_sibling(admin, template))
                # Nobody may be connected to a template while it is copied.
                _administer(admin, "ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", template)
                made.write_text(template)
        return made.read_text()

    @contextmanager
    def _once(self, name: str) -> Iterator[Path]:
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.folder / name


def _file_in(folder: Path) -> Path:
    return folder / f"{uuid4().hex[:8]}.db"


def _server(made: Path) -> PostgresServer:
    folder, binaries = made.read_text().splitlines()
    return PostgresServer(Path(folder), Path(binaries))


def _sibling(url: str, database: str) -> str:
    base, _, query = url.partition("?")
    server = base.rpartition("/")[0]
    url = f"{server}/{database}" + (f"?{query}" if query else "")
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _copy(url: str, name: str, template: str) -> None:
    """Copy the files of a database. To log each page instead, as is the default since PostgreSQL 15, takes longer."""
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        files = " STRATEGY FILE_COPY" if connection.info.server_version >= _WITH_STRATEGIES else ""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}" + files)
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))


def _administer(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))
