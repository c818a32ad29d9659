"""A real PostgreSQL server that a test, or the whole run, has to itself."""

import shutil
import subprocess
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from tests.support.postgres_binaries import Account, find_binaries, make_folder

_SUPERUSER = "telemetry"
_LOCALE_FREE = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}

RELAXED = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
"""Options for a server whose databases nobody needs after the run; never for a test of durability."""


class PostgresServer:
    """One server with its own data folder and a Unix socket, reachable by nobody outside this machine."""

    def __init__(self, folder: Path, binaries: Path, options: tuple[str, ...] = ()) -> None:
        """Take hold of the server that ``make`` has put into ``folder``; use ``make`` for a new one."""
        self.folder = folder
        self.binaries = binaries
        self._options = options
        self._account = Account.choose()

    @classmethod
    def make(cls, *, durable: bool = True, options: tuple[str, ...] = ()) -> Self:
        """Return a new server that is not running yet.

        Args:
            durable: False switches off what makes commits survive a crash, which is quicker.
            options: of the server's own command line, such as ``-c ssl=on``; the last of several of a name counts.
        """
        account = Account.choose()
        folder = make_folder(account)
        # Memory may not hold programs that run, so only the databases go there.
        (folder / "cluster").symlink_to(make_folder(account, in_memory=not durable))
        server = cls(folder, find_binaries(folder / "programs"), (*(() if durable else RELAXED), *options))
        server._run("initdb", "-D", str(server._cluster), "-U", _SUPERUSER, "--auth=trust", "-E", "UTF8", "--no-sync")
        return server

    @classmethod
    def replica_of(cls, primary: "PostgresServer") -> Self:
        """Return a read-only replica of a running server, which is not running yet."""
        account = Account.choose()
        folder = make_folder(account)
        (folder / "cluster").symlink_to(make_folder(account, in_memory=True))
        server = cls(folder, primary.binaries, primary._options)  # noqa: SLF001 - a server, too
        source = ("-h", str(primary.folder), "-U", _SUPERUSER)
        server._run("pg_basebackup", "-D", str(server._cluster), *source, "-R", "-c", "fast", "--no-sync")
        return server

    @property
    def _cluster(self) -> Path:
        return self.folder / "cluster"

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of one of the server's databases."""
        return f"postgresql+psycopg://{_SUPERUSER}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start the server and wait until it responds."""
        options = ["-c", "listen_addresses=", "-k", str(self.folder), "-c", "max_connections=200", *self._options]
        self._run(
            "pg_ctl", "-D", str(self._cluster), "-w", "-l", str(self.folder / "log"), "-o", " ".join(options), "start"
        )

    def stop(self, *, crash: bool = False) -> None:
        """Stop the server and wait until it is gone; ``crash`` gives it no time to write anything."""
        mode = "immediate" if crash else "fast"
        self._run("pg_ctl", "-D", str(self._cluster), "-w", "-m", mode, "stop")

    def restart(self, *, crash: bool = False) -> None:
        """Stop the server and start it again on the same socket."""
        self.stop(crash=crash)
        self.start()

    def back_up(self) -> Path:
        """Return a copy of the stopped server's data, as an administrator would make it."""
        copy = self.folder / "backup"
        subprocess.run(["/bin/cp", "-a", f"{self._cluster}/.", copy], check=True)
        return copy

    def restore(self, copy: Path) -> None:
        """Put a copy in the place of the stopped server's data."""
        target = self._cluster.resolve()
        for found in target.iterdir():
            shutil.rmtree(found) if found.is_dir() else found.unlink()
        subprocess.run(["/bin/cp", "-a", f"{copy}/.", target], check=True)

    def kill_connections(self) -> int:
        """Cut every connection to the server, as a fail-over does, and return how many there were."""
        statement = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        with psycopg.connect(plain_url(self.url()), autocommit=True) as connection:
            row = connection.execute(statement).fetchone()
        return int(row[0]) if row else 0

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        with psycopg.connect(plain_url(self.url()), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def remove(self) -> None:
        """Stop the server if it runs, and delete all that it wrote."""
        if (self._cluster / "postmaster.pid").exists():
            self.stop(crash=True)
        shutil.rmtree(self._cluster.resolve())
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        account = self._account
        # Its output goes to a file: the server inherits it, and a pipe would never reach its end.
        with (self.folder / "output").open("ab") as output:
            subprocess.run(
                [str(self.binaries / program), *arguments],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=_LOCALE_FREE,
                user=account.user if account else None,
                group=account.group if account else None,
                extra_groups=[] if account else None,
            )


def plain_url(url: str) -> str:
    """Return the URL as psycopg itself takes it, without SQLAlchemy's driver name."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
