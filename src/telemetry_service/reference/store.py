"""The License Server's own store: its API keys and its journal, in one sqlite file.

Once a call returns, its data is on disk. Several threads may call; they run one at a time.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

from telemetry_service.reference.authentication import ApiKey
from telemetry_service.reference.derivation import key_id
from telemetry_service.reference.journal import LOCK_TIMEOUT_SECONDS, JournalEntry, select_entry, select_journal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS api_keys (
    key_id TEXT PRIMARY KEY,
    api_key TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS journal (
    position INTEGER PRIMARY KEY,
    transmission_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    encrypted INTEGER NOT NULL,
    payload BLOB NOT NULL,
    content_sha256 TEXT NOT NULL,
    payload_sha256 TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    times_received INTEGER NOT NULL DEFAULT 1,
    conflicts INTEGER NOT NULL DEFAULT 0,
    UNIQUE (customer_id, transmission_id)
) STRICT;
"""


class Verdict(Enum):
    """The result for a verified transmission."""

    ACCEPTED = auto()
    DUPLICATE = auto()
    CONFLICT = auto()


class Store:
    """API keys and journal."""

    def __init__(self, path: Path) -> None:
        """Open the store at ``path``, or create one that only its owner can read: it contains unencrypted API keys.

        Raises:
            OSError: the file cannot be created.
        """
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=LOCK_TIMEOUT_SECONDS)
        # With a truncated journal and FULL, a commit is final after its fsync.
        self._db.execute("PRAGMA journal_mode = TRUNCATE")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def add_key(self, api_key: str, customer_id: str, *, restore: bool = False) -> str:
        """Add an API key, and return its ID. A revoked one stays revoked unless ``restore`` is set.

        Raises:
            ValueError: the key belongs to another customer.
        """
        named = key_id(api_key)
        with self._writing() as db:
            changed = db.execute(
                "INSERT INTO api_keys (key_id, api_key, customer_id) VALUES (?, ?, ?) ON CONFLICT (key_id)"
                " DO UPDATE SET revoked = revoked AND NOT ? WHERE customer_id = excluded.customer_id",
                (named, api_key, customer_id, restore),
            ).rowcount
        if not changed:
            msg = "this API key belongs to another customer"
            raise ValueError(msg)
        return named

    def revoke_key(self, named: str) -> bool:
        """Revoke a key; False if there is none. It stays known for the pseudonyms derived from it."""
        with self._writing() as db:
            return db.execute("UPDATE api_keys SET revoked = 1 WHERE key_id = ?", (named,)).rowcount == 1

    def find_key(self, named: str) -> ApiKey | None:
        """Return the key with this ID, if it is known and not revoked."""
        with self._lock:
            row = self._db.execute(
                "SELECT key_id, customer_id, api_key FROM api_keys WHERE key_id = ? AND NOT revoked", (named,)
            ).fetchone()
        return None if row is None else ApiKey(*row)

    def is_revoked(self, named: str) -> bool:
        """Whether the key with this ID was accepted once and no longer is."""
        with self._lock:
            row = self._db.execute("SELECT 1 FROM api_keys WHERE key_id = ? AND revoked", (named,)).fetchone()
        return row is not None

    def keys_of(self, customer_id: str) -> tuple[ApiKey, ...]:
        """Return every key that a customer ever had, including revoked ones."""
        with self._lock:
            rows = self._db.execute(
                "SELECT key_id, customer_id, api_key FROM api_keys WHERE customer_id = ?", (customer_id,)
            ).fetchall()
        return tuple(ApiKey(*row) for row in rows)

    def record(self, entry: JournalEntry, content_sha256: str) -> tuple[Verdict, JournalEntry]:
        """Store a transmission once, permanently, and return the verdict with the stored entry.

        ``content_sha256`` is the digest of what attempts do not change: the payload without ``transmitted_at``. IDs are
        separate for each customer, so that no customer can take another's ID.
        """
        with self._writing() as db:
            row = db.execute(
                "SELECT content_sha256 FROM journal WHERE customer_id = ? AND transmission_id = ?",
                (entry.customer_id, str(entry.transmission_id)),
            ).fetchone()
            if row is None:
                _insert(db, entry, content_sha256)
                return Verdict.ACCEPTED, entry
            verdict = Verdict.DUPLICATE if row[0] == content_sha256 else Verdict.CONFLICT
            return verdict, _count(db, entry, verdict)

    def journal(self) -> tuple[JournalEntry, ...]:
        """Return every accepted transmission in the order of arrival."""
        with self._lock:
            return select_journal(self._db)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                # A commit can fail too, for example because the disk is full, and some failures have already rolled
                # back.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def _insert(db: sqlite3.Connection, entry: JournalEntry, content_sha256: str) -> None:
    db.execute(
        "INSERT INTO journal (transmission_id, customer_id, key_id, received_at, encrypted, payload, content_sha256,"
        " payload_sha256, body_sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(entry.transmission_id),
            entry.customer_id,
            entry.key_id,
            entry.received_at,
            entry.encrypted,
            entry.payload,
            content_sha256,
            entry.payload_sha256,
            entry.body_sha256,
        ),
    )


def _count(db: sqlite3.Connection, entry: JournalEntry, verdict: Verdict) -> JournalEntry:
    """Count a repetition, and return the first entry."""
    counter = "times_received" if verdict is Verdict.DUPLICATE else "conflicts"
    db.execute(
        f"UPDATE journal SET {counter} = {counter} + 1 WHERE customer_id = ? AND transmission_id = ?",  # noqa: S608 - one of two constants
        (entry.customer_id, str(entry.transmission_id)),
    )
    stored = select_entry(db, entry.customer_id, entry.transmission_id)
    if stored is None:  # The row was just updated in this transaction.
        raise AssertionError
    return stored
