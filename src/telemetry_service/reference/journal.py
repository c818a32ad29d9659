"""The journal: every accepted transmission, readable directly from the store's file.

Tests read it after the server was killed, so it contains only what is on disk.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

LOCK_TIMEOUT_SECONDS = 10.0
_COLUMNS = (
    "transmission_id, customer_id, key_id, received_at, encrypted, payload, payload_sha256, body_sha256,"
    " times_received, conflicts"
)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One accepted transmission, as first received, and how often it was received."""

    transmission_id: UUID
    customer_id: str
    """The customer of the API key, unencrypted, even if the payload has a pseudonym."""
    key_id: str
    received_at: str
    """When the first one was accepted: RFC 3339 in UTC with milliseconds."""
    encrypted: bool
    payload: bytes
    """The canonical JSON as received; if it was encrypted, the JWE's plaintext."""
    payload_sha256: str
    body_sha256: str
    times_received: int
    """1, plus one for each duplicate."""
    conflicts: int
    """How often a different payload with this ID was refused. Anything but 0 is a bug of the sender."""


def read_journal(path: Path) -> tuple[JournalEntry, ...]:
    """Return the journal of the store at ``path``, in the order of arrival. The server need not be running.

    Raises:
        sqlite3.Error: the file is not a store.
    """
    # The file is also opened for writing: after a crash, the first reader has to roll back an incomplete write.
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=LOCK_TIMEOUT_SECONDS)) as db:
        return select_journal(db)


def select_journal(db: sqlite3.Connection) -> tuple[JournalEntry, ...]:
    """Return the journal of an open store."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM journal ORDER BY position")  # noqa: S608 - a constant
    return tuple(_entry(row) for row in rows)


def select_entry(db: sqlite3.Connection, customer_id: str, transmission_id: UUID) -> JournalEntry | None:
    """Return one customer's transmission, if it was accepted."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM journal WHERE customer_id = ? AND transmission_id = ?",  # noqa: S608 - a constant
        (customer_id, str(transmission_id)),
    ).fetchone()
    return None if row is None else _entry(row)


def _entry(row: tuple[str, str, str, str, int, bytes, str, str, int, int]) -> JournalEntry:
    transmission_id, customer_id, key_id, received_at, encrypted, payload, payload_sha256, body_sha256, times, no = row
    return JournalEntry(
        transmission_id=UUID(transmission_id),
        customer_id=customer_id,
        key_id=key_id,
        received_at=received_at,
        encrypted=bool(encrypted),
        payload=payload,
        payload_sha256=payload_sha256,
        body_sha256=body_sha256,
        times_received=times,
        conflicts=no,
    )
