"""A connection's transport that knows how much of the written data the caller has not read yet.

It gathers what is written in one go, the head and the body of a response, and passes it on together: each write is a
call of the system.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any

_NO_LINGER = struct.pack("ii", 1, 0)

_SYSTEM_BYTES = 128 * 1024
"""What the system buffers for a caller in addition to our buffer. By default, this is megabytes for each connection."""


_GATHERED_BYTES = 64 * 1024
"""So that a long response is written while it is made, and waits for a caller that reads slowly."""


class MeasuredTransport:
    """Passes everything on to ``transport`` and counts what is written."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._written = 0
        self._set(socket.SO_SNDBUF, _SYSTEM_BYTES)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an attribute of the transport
        """Return an attribute of the transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write and count. It is passed on in the next round of the loop, or at once if there is much."""
        if not data:
            return
        self._written += len(data)
        if not self._gathered:
            self._loop.call_soon(self.flush)
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= _GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Pass on what was gathered."""
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._gathered_bytes = 0
            self._transport.write(data)

    def close(self) -> None:
        """Close once everything is written."""
        self.flush()
        self._transport.close()

    @property
    def unread(self) -> int:
        """How many bytes the system has not accepted yet, of those that were passed on."""
        return self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """How many bytes the system has accepted so far."""
        return self._written - self._gathered_bytes - self.unread

    def cut_off(self) -> None:
        """End the connection now. Unread data is discarded, by the system too."""
        self._gathered.clear()
        self._gathered_bytes = 0
        self._set(socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def _set(self, option: int, value: int | bytes) -> None:
        connection: socket.socket | None = self._transport.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):  # It may have ended already.
                connection.setsockopt(socket.SOL_SOCKET, option, value)
