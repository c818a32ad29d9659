"""A bundle: waiting transmissions as one file that a person takes to the License Server, and a summary to read first.

Each transmission in it is a whole message of the protocol: what would be its headers and its body over the network.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.phrases import counted, to_the_minute
from telemetry_service.domain.transmissions import Transmission

FORMAT = "control-core-telemetry-bundle/1"

MOST = 200
"""Transmissions in one bundle: one transaction seals them all. A daily schedule fills one in more than half a year."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One transmission of a bundle."""

    transmission: Transmission
    message: SealedMessage
    body_sha256: str
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as it was exported."""

    exported_at: datetime
    ledger_head: str
    """The head of the ledger before the export."""
    exported: tuple[Exported, ...]
    content: bytes
    """The file: one line of JSON in ASCII."""
    left: int
    """How many waiting transmissions did not fit in."""

    @property
    def sha256(self) -> str:
        """The hex digest of the file, which the ledger has too."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def name(self) -> str:
        """A name for the file."""
        return f"telemetry-bundle-{self.exported_at:%Y%m%dT%H%M%SZ}.json"

    @property
    def summary(self) -> str:
        """What the file contains, for the person who decides whether it may leave."""
        lines = [
            f"Bundle with {counted(len(self.exported), 'transmission')}, exported {to_the_minute(self.exported_at)}",
            f"Size: {len(self.content)} bytes",
            f"SHA-256: {self.sha256}",
            f"Ledger head before the export: {self.ledger_head}",
            *(line for exported in self.exported for line in _described(exported)),
        ]
        if self.left:
            lines += ["", f"{counted(self.left, 'more transmission')} did not fit in. Export another bundle."]
        return "\n".join(lines) + "\n"


def bundled(exported: Sequence[Exported], ledger_head: str, exported_at: datetime, left: int) -> Bundle:
    """Return the bundle of these transmissions."""
    content = written([it.message for it in exported], ledger_head)
    return Bundle(exported_at, ledger_head, tuple(exported), content, left)


def written(messages: Sequence[SealedMessage], ledger_head: str) -> bytes:
    """Return the file with these messages."""
    document = {"format": FORMAT, "transmissions": [_member(it) for it in messages], "ledger_head": ledger_head}
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def _member(message: SealedMessage) -> dict[str, str | int]:
    return {
        "id": str(message.transmission_id),
        "timestamp": message.timestamp,
        "key_id": message.key_id,
        "signature": message.signature,
        "content_type": message.content_type,
        "body_b64": base64.b64encode(message.body).decode("ascii"),
    }


def _described(exported: Exported) -> list[str]:
    it = exported.transmission
    return [
        "",
        f"Transmission {it.transmission_id}, attempt {it.attempts_made}",
        f"  Period: {to_the_minute(it.period_opened_at)} to {to_the_minute(it.period_closed_at)}",
        f"  Records: {it.records_sent}",
        f"  Body: {len(exported.message.body)} bytes, {'encrypted' if exported.encrypted else 'not encrypted'}",
        f"  SHA-256 of the body: {exported.body_sha256}",
        f"  Signed with the API key: {exported.message.key_id}",
    ]
