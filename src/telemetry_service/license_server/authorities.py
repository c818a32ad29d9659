"""The trusted CAs, read again when their files change: a certificate may be renewed at any time.

If a file can no longer be read (it is being replaced, or its volume is gone), the CAs read last stay trusted, which is
logged once. At a start there are none yet, so it is an error then.
"""

import hashlib
import os
import ssl
from pathlib import Path
from threading import Lock

from telemetry_service.domain.errors import SettingsError
from telemetry_service.license_server.tls import tls_context
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event

_Stamp = tuple[int, ...]
"""Changes when the content of a file changes."""


class Authorities:
    """Provides a TLS context that trusts the system's CAs and those in a file. Threads may share it."""

    def __init__(self, ca_file: Path | None) -> None:
        """Read the CAs.

        Raises:
            SettingsError: ``ca_file`` cannot be read as PEM certificates.
        """
        self._ca_file = ca_file
        self._lock = Lock()
        self._stamps = self._look()
        self._digest = self._read()
        self._context = tls_context(ca_file)

    def context(self) -> ssl.SSLContext:
        """Return the context for the next exchange; checking whether a file has changed takes microseconds."""
        with self._lock:
            self._follow()
            return self._context

    def digest(self) -> bytes:
        """Return the SHA-256 of the trusted content of the file; of nothing if there is no file."""
        with self._lock:
            self._follow()
            return self._digest

    def _follow(self) -> None:
        # Checked before reading, so that a change in between is found the next time.
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            digest, context = self._read(), tls_context(self._ca_file)
        except SettingsError:
            log_event(Event.AUTHORITIES_UNREADABLE)
        else:
            self._digest, self._context = digest, context

    def _look(self) -> tuple[_Stamp, ...]:
        systems = ssl.get_default_verify_paths().cafile
        return tuple(_stamp(file) for file in (self._ca_file, systems) if file is not None)

    def _read(self) -> bytes:
        try:
            content = b"" if self._ca_file is None else self._ca_file.read_bytes()
        except OSError:
            content = b""  # tls_context() reports it.
        return hashlib.sha256(content).digest()


def _stamp(file: Path | str) -> _Stamp:
    try:
        found = os.stat(file)  # noqa: PTH116 - a path or its text
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
