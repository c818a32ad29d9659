"""Browsers that have logged in before, known by a signed cookie: strangers' wrong passwords do not block them.

The cookie opens nothing: its only use is a separate count of wrong passwords, and a queue without strangers. It holds a
random ID and the generation of the password under which it was issued. After a new password, as one that is set on the
host during an attack, the browser keeps the queue until it has logged in again. It stays there after a logout.
"""

import re
from dataclasses import dataclass
from uuid import UUID, uuid4

from telemetry_service.domain.base64url import from_base64url, to_base64url
from telemetry_service.sealing.keyring import KeyRing

_COOKIE = re.compile(r"([0-9a-f]{32})\.([0-9]{1,9})\.([A-Za-z0-9_-]{43})", re.ASCII)
_DIGEST = "device"


@dataclass(frozen=True, slots=True)
class Device:
    """A browser that has logged in to an account before."""

    device_id: UUID
    generation: int
    """Of the password that it logged in with."""


class Devices:
    """Signs and reads the cookies. Reads no database."""

    def __init__(self, keys: KeyRing, account: str) -> None:
        """Sign under ``keys``, for ``account``."""
        self._keys = keys
        self._account = account

    def issue(self, device: Device | None, generation: int) -> str:
        """Return the cookie of a browser that has just logged in. A known one keeps its ID."""
        issued = device
        if issued is None or issued.generation != generation:
            issued = Device(uuid4(), generation)
        signature = to_base64url(self._keys.digest(self._signed(issued), _DIGEST)).decode()
        return f"{issued.device_id.hex}.{issued.generation}.{signature}"

    def read(self, cookie: str | None) -> Device | None:
        """Return the browser of a cookie that was signed here, whatever the present password is."""
        match = _COOKIE.fullmatch(cookie or "")
        if match is None:
            return None
        device = Device(UUID(match[1]), int(match[2]))
        try:
            digest = from_base64url(match[3])
        except ValueError:
            return None
        return device if self._keys.matches(digest, self._signed(device), _DIGEST) else None

    def _signed(self, device: Device) -> bytes:
        return f"{self._account}.{device.device_id.hex}.{device.generation}".encode()
