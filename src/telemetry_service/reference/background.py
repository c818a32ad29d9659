"""The reference License Server as a child process, for the demo and the tests."""

import json
import secrets
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from telemetry_service.reference.authority import issue_once
from telemetry_service.reference.derivation import key_id
from telemetry_service.reference.faults import Faults
from telemetry_service.reference.journal import JournalEntry, read_journal
from telemetry_service.reference.options import Grant, LicenseBlock, ReferenceOptions
from telemetry_service.reference.serve import Listening

_CONTROL_TIMEOUT_SECONDS = 30
_STOP_TIMEOUT_SECONDS = 15


class ReferenceStartError(Exception):
    """The License Server did not start; stderr says why."""


class ReferenceProcess:
    """A reference License Server in its own process.

    ``with ReferenceProcess(options) as server:`` starts it, waits until it listens, and stops it at
    the end. It may be killed and restarted in between; it then keeps its address and its store.
    """

    def __init__(self, options: ReferenceOptions) -> None:
        """Prepare a server with ``options``; nothing runs yet."""
        self.options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._listening: Listening | None = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server if it is still running."""
        self.stop()

    @property
    def url(self) -> str:
        """The base URL, such as ``https://127.0.0.1:49152``."""
        return self._known().url

    @property
    def public_key(self) -> str:
        """The public key of its receipts, as ``TELEMETRY_LICENSE_SERVER_PUBLIC_KEY`` takes it."""
        return self._known().public_key

    @property
    def ca_file(self) -> Path:
        """The authority that a client has to trust."""
        if self.options.ca_file is None:
            msg = "these options name no authority"
            raise ValueError(msg)
        return self.options.ca_file

    def start(self) -> None:
        """Start the server and wait until it listens; do nothing if it is running.

        Raises:
            ReferenceStartError: it ends instead.
        """
        if self._process is not None:
            return
        # Its own session: Ctrl-C reaches only the process that started it, which then stops everything in order.
        process = subprocess.Popen(
            [sys.executable, "-m", "telemetry_service.reference"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        announced = _pass_options(process, self.options)
        if not announced:
            _end(process)
            raise ReferenceStartError
        self._process = process
        self._listening = Listening(**json.loads(announced))
        self.options = self.options.model_copy(update={"port": urlsplit(self.url).port})

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server (SIGKILL), as a crash would."""
        self._signal(signal.SIGKILL)

    def set_faults(self, faults: Faults) -> None:
        """Set the faults from now on; ``Faults()`` removes them all."""
        self._control("PUT", "/_control/faults", faults.model_dump(mode="json"))

    def add_key(self, api_key: str, customer_id: str) -> str:
        """Let the server accept an API key, and return its key ID."""
        self._control("POST", "/_control/keys", {"api_key": api_key, "customer_id": customer_id})
        return key_id(api_key)

    def revoke_key(self, api_key: str) -> None:
        """Revoke an API key on the server."""
        self._control("POST", "/_control/keys/revoke", {"key_id": key_id(api_key)})

    def set_clock(self, offset: timedelta) -> None:
        """Set the server's clock ``offset`` ahead of the machine's (negative: behind), until it ends."""
        self._control("PUT", "/_control/clock", {"offset_seconds": offset.total_seconds()})

    def journal(self) -> tuple[JournalEntry, ...]:
        """Return every accepted transmission, read from the disk, even while the server is down."""
        return read_journal(self.options.store)

    def _known(self) -> Listening:
        if self._listening is None:
            raise ReferenceStartError
        return self._listening

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        _end(self._process)
        self._process = None

    def _control(self, method: str, path: str, body: Mapping[str, object]) -> None:
        if self.options.control_token is None:
            msg = "these options name no control token"
            raise ValueError(msg)
        address = urlsplit(self.url)
        connection = HTTPSConnection(
            address.hostname or "",
            address.port,
            timeout=_CONTROL_TIMEOUT_SECONDS,
            context=ssl.create_default_context(cafile=str(self.ca_file)),
        )
        headers = {"Authorization": f"Bearer {self.options.control_token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body), headers)
            status = connection.getresponse().status
        finally:
            connection.close()
        if status not in {200, 201, 204}:
            msg = f"the control interface returned {status}"
            raise ValueError(msg)


def temporary_options(
    directory: Path,
    now: datetime,
    grants: Sequence[Grant],
    *,
    port: int = 0,
    require_encryption: bool = False,
    licenses: Mapping[str, LicenseBlock] | None = None,
) -> ReferenceOptions:
    """Return options for a server that keeps everything in ``directory``.

    What is there is kept: the store, the signing key, and the temporary authority, as long as it is valid.
    """
    directory.mkdir(parents=True, exist_ok=True)
    issued = issue_once(directory, now)
    return ReferenceOptions(
        store=directory / "license-server.sqlite3",
        certificate_file=issued.certificate_file,
        key_file=issued.key_file,
        signing_key_file=directory / "receipt-key.pem",
        grants=tuple(grants),
        port=port,
        ca_file=issued.ca_file,
        licenses=dict(licenses or {}),
        require_encryption=require_encryption,
        control_token=secrets.token_urlsafe(24),
    )


def _pass_options(process: subprocess.Popen[bytes], options: ReferenceOptions) -> bytes:
    """Pass the options, and return what the server announces; nothing if it ended instead."""
    if process.stdin is None or process.stdout is None:  # Both were requested.
        raise AssertionError
    try:
        process.stdin.write(options.model_dump_json().encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        return b""
    return process.stdout.readline()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process is gone, and close its pipes."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    try:
        process.wait(_STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
