"""Verifies the tables against the ledger: the rows and the bytes of each transmission, and rows that are gone."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from telemetry_service.domain.base64url import from_base64url
from telemetry_service.domain.clock import EARLIEST, rfc3339
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import Attempt, State, Transmission
from telemetry_service.domain.verification import Problem
from telemetry_service.pipeline.claims import Chain, erases_all
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.transmission_check import (
    CheckedTransmission,
    check_transmission,
    digests_of,
    has_valid_receipt,
)
from telemetry_service.sealing.ledger_key import fingerprint, unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger_sweep import readable

STEP = 50
"""Transmissions in one transaction; each is read with the bytes of all its attempts."""

_KEY_LINES, _ERASURES = 100, 1000
_KEY_ID_DIGITS = 16
_ACCEPTED_WITHOUT = "accepted_without_receipt"
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


class TablesCheck:
    """The transmissions that were checked so far."""

    def __init__(self, runtime: Runtime, *, key_lost: bool) -> None:
        """Start at the oldest. After a key was lost, what it signed is still compared with the rows."""
        self._runtime, self._key_lost = runtime, key_lost
        self._sequence: int | None = None
        self._now = runtime.clock.now()
        self.problems: list[Problem] = []
        self.unverified: set[UUID] = set()
        """Those that were accepted while a key was pinned, without a valid receipt."""

    def step(self, tx: Transaction, limit: int = STEP) -> bool:
        """Check the next transmissions; False once there are none left."""
        sequences = tx.sweep.sequences(self._sequence, limit)
        keys, erased_at = (self._keys(tx), _erased_at(tx)) if sequences else ({}, 0)
        for sequence in sequences:
            self._check(tx, tx.sweep.transmission(sequence), keys, erased_at)
            self._sequence = sequence
        return bool(sequences)

    def these(self, tx: Transaction, transmission_ids: set[UUID]) -> None:
        """Check some, as far as they have rows."""
        keys, erased_at = self._keys(tx), _erased_at(tx)
        for transmission_id in transmission_ids & tx.sweep.existing(transmission_ids):
            self._check(tx, tx.sweep.transmission_of(transmission_id), keys, erased_at)

    def _keys(self, tx: Transaction) -> Mapping[str, bytes]:
        trusted = self._runtime.ledger_keys(tx)
        return {**_announced(tx), **trusted} if self._key_lost else trusted

    def _check(
        self,
        tx: Transaction,
        found: tuple[Transmission, tuple[Attempt, ...]] | None,
        keys: Mapping[str, bytes],
        erased_at: int,
    ) -> None:
        if found is None:
            self.problems.append(Problem("row_unreadable"))
            return
        transmission, attempts = found
        about = transmission.transmission_id
        checked = readable(
            lambda: check_transmission(
                tx.evidence.of(about, digests_of(transmission, attempts)),
                transmission,
                attempts,
                keys,
                self._now,
                _indexed(tx, about, erased_at),
            )
        )
        if checked is None:
            self.problems.append(Problem("row_unreadable", transmission_id=transmission.transmission_id))
            return
        flaws = {(finding.flaw.value, finding.seq) for finding in checked.findings}
        self.problems += [Problem(code, seq, transmission.transmission_id) for code, seq in flaws]
        if readable(lambda: self._lacks_receipt(transmission, attempts, checked)):
            self.unverified.add(transmission.transmission_id)

    def _lacks_receipt(
        self, transmission: Transmission, attempts: Sequence[Attempt], checked: CheckedTransmission
    ) -> bool:
        pinned = self._runtime.receipt_keys
        if pinned is None or transmission.state is not State.SUCCESS or not _receipt_expected(checked):
            return False
        return not has_valid_receipt(pinned, transmission, {attempt.payload_sha256 for attempt in attempts})


def missing_rows(
    tx: Transaction, ended: Mapping[UUID, str | None], purges: Sequence[str], now: datetime
) -> Iterator[Problem]:
    """Yield the transmissions of the ledger that have no row, and that no purge has deleted.

    Args:
        tx: The transaction to read in.
        ended: When each was accepted or withdrawn, by its ID; None if it was not.
        purges: Before which moment each purge has deleted what was accepted.
        now: The present time.
    """
    until = max(purges, default="")
    for transmission_id in ended.keys() - tx.sweep.existing(ended.keys()):
        if not _explained(ended[transmission_id], until, now):
            yield Problem("transmission_missing", transmission_id=transmission_id)


def _explained(ended_at: str | None, purged_until: str, now: datetime) -> bool:
    if ended_at is None or not purged_until:
        return False
    # A purge dates again what a wrong clock has dated, and deletes it when that is old enough.
    return ended_at < purged_until or not rfc3339(EARLIEST) <= ended_at <= rfc3339(now)


def _receipt_expected(checked: CheckedTransmission) -> bool:
    if any(said["kind"] == _ACCEPTED_WITHOUT for said in checked.said):
        return False
    answers = checked.all_of(Kind.ANSWERED)
    return any(said["state"] == State.SUCCESS and said.get("receipt_expected") for said in answers)


def _indexed(tx: Transaction, transmission_id: UUID, erased_at: int) -> Chain:
    """Return the lines about a transmission by their index, which the sweep compares with each line."""
    lines = tx.ledger.of_transmission(transmission_id)
    return Chain(lines, complete=True, erased=bool(lines) and lines[0].seq < erased_at)


def _erased_at(tx: Transaction) -> int:
    """Return the number of the latest entry that says that all was erased, 0 if none does; its line is verified too."""
    lines = readable(lambda: tx.ledger.latest(_ERASURES, kind=Kind.ERASED)) or ()
    return max((line.seq for line in lines if erases_all(unverified(line.line))), default=0)


def _announced(tx: Transaction) -> dict[str, bytes]:
    """Return the keys that the ledger names itself, by their IDs: nothing vouches for the ones before a lost key."""
    said = [unverified(line.line) for line in tx.ledger.latest(_KEY_LINES, kind=Kind.LEDGER_KEY)]
    return dict(key for claims in said if (key := _key_in(claims)))


def _key_in(claims: Mapping[str, Any]) -> tuple[str, bytes] | None:
    try:
        raw = from_base64url(claims["public_key"])
    except _MALFORMED:
        return None
    return fingerprint(raw)[:_KEY_ID_DIGITS], raw
