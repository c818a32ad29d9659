"""A real Caddy with the shipped Caddyfile in front of a service, with a certificate of its own authority."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.programs import needs

_START_SECONDS = 60
_PROGRAM = shutil.which("caddy")
_FILE = Path(__file__).parents[2] / "deploy" / "Caddyfile"
NEEDS_CADDY = needs(_PROGRAM, "caddy is not installed (make test installs it)")


class Caddy:
    """Use it as a context manager."""

    upstream = ""
    """The host and port of the service."""
    path = ""
    """Below which the service is, as the file's comment says it."""

    def __init__(self, folder: Path) -> None:
        """Choose a port."""
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"https://localhost:{self._port}"

    def context(self) -> ssl.SSLContext:
        """Return a context that trusts its certificate."""
        return ssl.create_default_context(cafile=str(self._authority()))

    def __enter__(self) -> Self:
        assert _PROGRAM is not None
        # It may listen nowhere else: neither for its administration, nor on port 80 for redirects.
        options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tlocal_certs\n}\n"
        file = self.folder / "Caddyfile"
        proxied = f"reverse_proxy {self.path}* {{$UPSTREAM" if self.path else "reverse_proxy {$UPSTREAM"
        file.write_text(options + _FILE.read_text().replace("reverse_proxy {$UPSTREAM", proxied))
        self._errors = (self.folder / "caddy.log").open("wb")
        self._process = subprocess.Popen(
            [_PROGRAM, "run", "--config", str(file), "--adapter", "caddyfile"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "XDG_DATA_HOME": str(self.folder / "data"),
                "SITE": f"localhost:{self._port}",
                "UPSTREAM": self.upstream,
            },
            stdout=self._errors,
            stderr=self._errors,
            start_new_session=True,
        )
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._errors.close()

    def _authority(self) -> Path:
        return self.folder / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            if self._shakes_hands():
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "caddy.log").read_text()[-4_000:])

    def _shakes_hands(self) -> bool:
        """Whether it has its certificate: it listens before."""
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self._port), timeout=1) as tried,
            self.context().wrap_socket(tried, server_hostname="localhost"),
        ):
            return True
        return False
