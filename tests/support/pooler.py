"""A real pgbouncer in transaction mode in front of a test's PostgreSQL server."""

import shutil
import subprocess
import time
from types import TracebackType
from typing import Self

import psycopg

from tests.support.postgres import PostgresServer, plain_url
from tests.support.postgres_binaries import Account, make_folder

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
_START_SECONDS = 60
_CONFIGURATION = """\
[databases]
* = host={server} port=5432 user=telemetry
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 5432
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
logfile = {folder}/log
"""


class Pooler:
    """Use it as a context manager. It refuses to run as root, so it runs as the server's account does."""

    def __init__(self, server: PostgresServer, sessions: int) -> None:
        """Share ``sessions`` of the server's sessions among everybody, for each database."""
        self._account = Account.choose()
        self.folder = make_folder(self._account)
        text = _CONFIGURATION.format(server=server.folder, folder=self.folder, sessions=sessions)
        self._settings = self.folder / "pgbouncer.ini"
        self._settings.write_text(text)
        self._server = server

    def __enter__(self) -> Self:
        account = self._account
        self._process = subprocess.Popen(
            [str(PROGRAM), "--quiet", str(self._settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=[] if account else None,
        )
        self._await()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder)

    def url(self, url: str) -> str:
        """Return the URL of a database of the server, by way of the pooler."""
        return url.replace(str(self._server.folder), str(self.folder))

    def _await(self) -> None:
        patience = time.monotonic() + _START_SECONDS
        while time.monotonic() < patience and self._process.poll() is None:
            try:
                psycopg.connect(plain_url(self.url(self._server.url()))).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        message = "pgbouncer did not start: " + (self.folder / "log").read_text()
        raise TimeoutError(message)
