"""What the latest check of the whole ledger found, with its time: lists, health and metrics say nothing newer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from telemetry_service.domain.changed_rows import CODES, ChangedRow

MOST_PROBLEMS = 1000
"""The most problems that are kept: one wrong entry may be followed by thousands."""

OVERDUE_AFTER = timedelta(hours=26)
"""Everything is verified once a day. This adds half an hour of chance, an hour for a crash, and what it takes."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something that is not as it was signed, and where. The code is stable."""

    code: str
    seq: int | None = None
    """The ledger entry, if it is about one."""
    transmission_id: UUID | None = None

    @property
    def sentence(self) -> str:
        """What is wrong, and where."""
        place = "" if self.seq is None else f"Entry {self.seq}: "
        place = place if self.transmission_id is None else f"{place}Transmission {self.transmission_id}: "
        return place + _SENTENCES.get(self.code, "This is not as it was signed.")


_SENTENCES = {
    ChangedRow.ANNOUNCEMENT.code: "The announcement of new fields is not as the service stored it.",
    ChangedRow.INSTALLATION.code: "The identity of this installation is not as the service stored it.",
    ChangedRow.LICENSE.code: "The license is not as the service stored it.",
    ChangedRow.SETTINGS.code: "The settings are not as the service stored them.",
    "attempt_changed": "An attempt differs from the one that was signed before it was made.",
    "attempt_order": "The attempt follows a later one.",
    "bytes_changed": "The kept bytes of an attempt do not match the digest that was signed before it was made.",
    "bytes_missing": "The bytes of an attempt are gone.",
    "chain": "It was written after another entry than the one in this ledger.",
    "checkpoint": "The checkpoint that the ledger begins with was changed.",
    "empty": "The ledger is empty.",
    "entries_missing": "An entry about it was deleted or changed.",
    "erased": "It was erased with everything else, and someone has put its row back.",
    "evidence_changed": "The evidence that it names was changed.",
    "head_changed": "The end of the ledger is not its last entry.",
    "index_changed": "The columns beside the signed entry say something else.",
    "key_order": "Another key than the present one signed it.",
    "line_changed": "An entry was changed, or this installation did not sign it.",
    "malformed": "It is not an entry of this ledger.",
    "missing": "The entry is missing.",
    "no_attempt": "It is the response to an attempt that was not made.",
    "not_in_ledger": "The ledger has no entry that names its payload.",
    "not_prepared": "It is about a transmission that was not prepared, or had ended.",
    "order": "It is in the wrong place.",
    "outcome_changed": "The outcome of an attempt differs from the one that was signed.",
    "payload_changed": "The payload is not the one that was signed when its period was closed.",
    "payload_missing": "The stored payload is gone.",
    "prepared_twice": "It does not replace what was prepared before.",
    "receipt": "It contains the receipt of another transmission.",
    "receipt_changed": "The receipt is not the one that was signed when it arrived.",
    "rolled_back": "An entry that was there before is missing: the ledger was cut short, or replaced by an older one.",
    "row_changed": "The number of records or attempts, the trigger or the period differs from the one that was signed.",
    "row_unreadable": "The row cannot be read.",
    "signature": "It was changed: its signature is wrong.",
    "state_changed": "The state differs from the outcome that was signed.",
    "time_changed": "A time in its row differs from the one that was signed.",
    "transmission_missing": "It was deleted, and no purge of the ledger explains that.",
    "unknown_key": "A key that is not trusted signed it.",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict of the sweep."""

    at: datetime
    """When it was last verified, the new entries alone or everything."""
    complete_at: datetime
    """When everything was last verified."""
    seq: int
    """The latest entry that was verified, and the digest of its line."""
    sha256: str
    problems: tuple[Problem, ...]
    unverified: tuple[UUID, ...]
    """Transmissions accepted while a key of the License Server was pinned, without a valid receipt."""
    evidence_checked: int
    evidence_purged: int
    """Named by entries, and deleted by the retention: no one can check it any longer."""
    migrated: int
    """Entries that were taken over from a version without a ledger, and prove nothing."""
    key_fingerprints: tuple[str, ...]
    """The fingerprints of the keys since the last one that nothing vouches for; the last is the present key's."""
    key_lost: bool
    """Whether a key was lost, so that nothing in the ledger vouches for the one after it."""
    pinned: tuple[str, ...]
    """The License Server's keys that the receipts were verified with."""
    head: str
    """What the row that names the latest entry said. If it says something else, there is something to verify."""
    rolled_back: tuple[str, ...]
    """Entries (``SEQ:DIGEST``) that were verified once, and are missing."""
    stamps: Mapping[str, str]
    """What the entries say of the stamps that were written last, by the names of their rows."""
    missing: tuple[str, ...] = ()
    """The same, with those that a process has seen: then an older copy of the database is in its place."""
    answered: tuple[str, ...] = ()
    """Those for which a person has said what was sent since."""
    ours_since: int | None = None
    """From this entry to the latest one that was verified, each is signed with one of our keys; None if unknown."""

    @property
    def entries(self) -> frozenset[str]:
        """The entries that must be there: the latest one that was verified, and those that are missing already."""
        return frozenset({f"{self.seq}:{self.sha256}", *self.rolled_back, *self.missing})

    @property
    def unanswered(self) -> frozenset[str]:
        """The missing entries for which no person has said what was sent since."""
        return frozenset({*self.rolled_back, *self.missing} - {*self.answered})

    @property
    def seen(self) -> int:
        """The latest entry that was verified once, whether it is still there or not."""
        return max(self.seq, *(int(place.partition(":")[0]) for place in self.rolled_back), 0)

    def is_overdue(self, now: datetime) -> bool:
        """Whether a process should have verified everything since, so that this says little about the present."""
        return now - self.complete_at > OVERDUE_AFTER


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What the health depends on."""

    verified_at: datetime | None = None
    """None if it was not verified yet, or someone has forged the verdict."""
    problems: int = 0
    """Those with rows outside the ledger apart: the health names these rows."""
    receipts_missing: int = 0
    key_lost: bool = False
    overdue_since: datetime | None = None
    """When everything was last verified, if that is too long ago, or cannot be done any longer; otherwise None."""


NOT_VERIFIED = LedgerState()


def state_of(
    verification: Verification | None, trusted: str | None, now: datetime, *, fails: bool = False
) -> LedgerState:
    """Return what the health depends on.

    Args:
        verification: The last verdict; None if there is none.
        trusted: The fingerprint of the ledger key that the deployment trusts, if it names one.
        now: The present time.
        fails: Whether the process cannot verify it any longer.
    """
    if verification is None:
        return NOT_VERIFIED
    return LedgerState(
        verified_at=verification.at,
        problems=sum(problem.code not in CODES for problem in verification.problems),
        receipts_missing=len(verification.unverified),
        key_lost=is_key_lost(verification, trusted),
        overdue_since=verification.complete_at if fails or verification.is_overdue(now) else None,
    )


def is_key_lost(verification: Verification, trusted: str | None) -> bool:
    """Whether nothing vouches for the present key: neither the key before it nor the deployment."""
    if trusted is None:
        return verification.key_lost
    return trusted not in verification.key_fingerprints
