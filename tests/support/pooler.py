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

    def __init__(self, server: PostgresServer, sessions: int, patience_seconds: float = _START_SECONDS) -> None:
        """Share ``sessions`` of the server's sessions among everybody, for each database."""
        self._patience_seconds = patience_seconds
        self._account = Account.choose()
        self.folder = make_folder(self._account)
        text = _CONFIGURATION.format(server=server.folder, folder=self.folder, sessions=sessions)
        self._settings = self.folder / "pgbouncer.ini"
        self._settings.write_text(text)
        self._server = server

    def __enter__(self) -> Self:
        account = self._account
        self.process = subprocess.Popen(
            [str(PROGRAM), "--quiet", str(self._settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=[] if account else None,
        )
        try:
            self._await()
        except BaseException:
            self._stop()  # Nobody leaves what was not entered.
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)

    def url(self, url: str) -> str:
        """Return the URL of a database of the server, by way of the pooler."""
        return url.replace(str(self._server.folder), str(self.folder))

    def _await(self) -> None:
        patience = time.monotonic() + self._patience_seconds
        while time.monotonic() < patience and self.process.poll() is None:
            try:
                psycopg.connect(plain_url(self.url(self._server.url()))).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        log = self.folder / "log"
        message = "pgbouncer did not start: " + (log.read_text() if log.exists() else "it has no log yet")
        raise TimeoutError(message)
