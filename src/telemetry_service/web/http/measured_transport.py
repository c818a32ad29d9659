"""A connection's transport that knows how much of the written data the caller has not read yet."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any

_NO_LINGER = struct.pack("ii", 1, 0)

_SYSTEM_BYTES = 128 * 1024
"""What the system buffers for a caller in addition to our buffer. By default, this is megabytes for each connection."""


class MeasuredTransport:
    """Passes everything on to ``transport`` and counts what is written."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._written = 0
        self._set(socket.SO_SNDBUF, _SYSTEM_BYTES)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an attribute of the transport
        """Return an attribute of the transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write and count."""
        self._written += len(data)
        self._transport.write(data)

    @property
    def unread(self) -> int:
        """How many written bytes the system has not accepted yet."""
        return self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """How many bytes the system has accepted so far."""
        return self._written - self.unread

    def cut_off(self) -> None:
        """End the connection now. Unread data is discarded, by the system too."""
        self._set(socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def _set(self, option: int, value: int | bytes) -> None:
        connection: socket.socket | None = self._transport.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):  # It may have ended already.
                connection.setsockopt(socket.SOL_SOCKET, option, value)
