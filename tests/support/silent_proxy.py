"""A way to PostgreSQL over TCP that can go silent, as a middle box does that has forgotten a connection.

Nothing is closed or reset: what is sent is received, and no response ever comes.
"""

import contextlib
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_CHUNK = 65_536
_SOCKET = ".s.PGSQL.5432"


class SilentProxy:
    """Listens on the loopback and passes on to the socket of a server in ``folder``; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Lead to the server whose socket is in ``folder``."""
        self._target = str(folder / _SOCKET)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._silent = threading.Event()
        self._forgotten: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._callers: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

        self.delay_seconds = 0.0
        """How long each response of the server is delayed."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._thread.join()

    def url(self, url: str) -> str:
        """Return the URL of a database of that server, by this way."""
        base, _, _ = url.partition("?")
        user, _, database = base.rpartition("@/")
        return f"{user}@127.0.0.1:{self._listener.getsockname()[1]}/{database}"

    def go_silent(self) -> None:
        """Pass nothing on any more, on no connection."""
        self._silent.set()

    def forget(self) -> None:
        """Pass nothing on any more on the connections that there are; new ones work."""
        self._forgotten |= self._open

    def speak(self) -> None:
        """Work again, for new connections."""
        self.forget()
        self._silent.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _address = self._listener.accept()
                self._open.add(caller)
                self._callers.add(caller)
                threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        onward = socket.socket(socket.AF_UNIX)
        self._open.add(onward)
        with contextlib.suppress(OSError):
            onward.connect(self._target)
            threading.Thread(target=self._pass_on, args=(onward, caller), daemon=True).start()
            self._pass_on(caller, onward)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(_CHUNK):
                if target in self._callers:
                    time.sleep(self.delay_seconds)
                if not self._silent.is_set() and source not in self._forgotten:
                    target.sendall(received)
            if not self._silent.is_set() and source not in self._forgotten:
                target.shutdown(socket.SHUT_WR)
