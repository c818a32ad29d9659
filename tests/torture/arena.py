"""The databases that are tortured, each with the faults of its kind."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random

from telemetry_service.storage.migrate import migrate
from tests.support.postgres import PostgresServer

_DISK_MEBIBYTES = 256

Fault = Callable[[Random], None]


class Arena:
    """A database with what can be done to it. Each fault is over when its function returns."""

    def __init__(self, url: str, faults: dict[str, Fault]) -> None:
        """Migrate the database at ``url``."""
        migrate(url)
        self.url = url
        self.faults = faults

    def damaged(self) -> bool:
        """Whether the database file is no longer whole."""
        if not self.url.startswith("sqlite"):
            return False
        with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=30)) as connection:
            verdict: object = connection.execute("PRAGMA integrity_check").fetchone()
        return verdict != ("ok",)


@contextmanager
def sqlite_arena() -> Iterator[Arena]:
    """Give a SQLite file on a small disk of its own where this machine lets us mount one."""
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    mounted = _mount(folder)
    file = folder / "telemetry.db"
    faults: dict[str, Fault] = {"database locked by another process": lambda random: _lock(file, random)}
    if mounted:
        faults["disk full"] = lambda random: _fill(folder, random)
    try:
        yield Arena(f"sqlite:///{file}", faults)
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - the system's own
        shutil.rmtree(folder)


@contextmanager
def postgresql_arena() -> Iterator[Arena]:
    """Give a database of a durable PostgreSQL server."""
    server = PostgresServer.make(durable=True)
    try:
        server.start()
        url = server.create_database("tortured")
        faults: dict[str, Fault] = {
            "PostgreSQL: all connections cut": lambda _: _discard(server.kill_connections()),
            "PostgreSQL crashed and restarted": lambda _: server.restart(crash=True),
        }
        yield Arena(url, faults)
    finally:
        server.remove()


def _discard(_value: object) -> None:
    return None


def _mount(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    options = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MEBIBYTES}m", "torture", str(folder)]
    return subprocess.run(options, check=False, capture_output=True).returncode == 0


def _lock(file: Path, random: Random) -> None:
    with closing(sqlite3.connect(file, isolation_level=None, timeout=5)) as connection:
        with suppress(sqlite3.OperationalError):
            connection.execute("BEGIN EXCLUSIVE")
        time.sleep(random.uniform(0.05, 0.4))
        with suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")


def _fill(folder: Path, random: Random) -> None:
    filler = folder / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << random.randrange(12, 20)))
            file.flush()
    time.sleep(random.uniform(0.05, 0.3))
    filler.unlink(missing_ok=True)
