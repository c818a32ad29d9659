"""A real nginx with TLS in front of a service and of a console's own pages."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from tests.support.programs import needs

_START_SECONDS = 20
HEADERS = """
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme;
"""
"""For each location: one with headers of its own inherits none."""
_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/html html; text/css css; text/javascript js; }}
    {servers}
}}
"""

_SERVER = """
server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/certificate.pem;
    proxy_http_version 1.1;
    {locations}
}}
"""


def nginx_path() -> str | None:
    """Return the path of an installed nginx."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


NEEDS_NGINX = needs(nginx_path(), "nginx is not installed (make test installs it)")


class Nginx:
    """Use it as a context manager. The port is known before it starts, so that a service can know its public URL."""

    def __init__(self, folder: Path) -> None:
        """Choose a port and make a certificate."""
        self.folder = folder
        self.ca = trustme.CA()
        self.ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "certificate.pem")
        self.port = _free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._locations = ""

    def serving(self, locations: str) -> Self:
        """Set the ``location`` blocks."""
        self._locations = locations
        return self

    def context(self) -> ssl.SSLContext:
        """Return a context that trusts its certificate."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context

    def servers(self) -> str:
        """Return the ``server`` blocks."""
        return _SERVER.format(folder=self.folder, port=self.port, locations=self._locations)

    def write(self) -> Path:
        """Write the whole configuration and return its path."""
        path = self.folder / "nginx.conf"
        path.write_text(_CONFIGURATION.format(folder=self.folder, servers=self.servers()))
        return path

    def __enter__(self) -> Self:
        path = self.write()
        self._process = subprocess.Popen([str(nginx_path()), "-c", str(path), "-p", str(self.folder)])
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        message = "nginx did not start"
        raise RuntimeError(message)


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port
