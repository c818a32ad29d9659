"""Checks one transmission: its rows and its bytes against the signed lines of the ledger.

The drawer and ``prove`` check the one that they show each time they show it; the sweep checks all of them.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from telemetry_service.domain.clock import EARLIEST, rfc3339
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.release import wait_of
from telemetry_service.domain.transmissions import FINAL_STATES, Attempt, AttemptTrigger, State, Transmission
from telemetry_service.pipeline.claims import Chain
from telemetry_service.pipeline.signed_state import agrees
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.sealing.ledger_key import read_line
from telemetry_service.sealing.receipt import ReceiptKeys
from telemetry_service.storage.ledger import StoredLine

_CLOCKS_DIFFER = timedelta(minutes=5)


class Flaw(StrEnum):
    """What is wrong with a transmission's rows, bytes or lines; the code is stable."""

    LINE_CHANGED = "line_changed"
    NOT_IN_LEDGER = "not_in_ledger"
    PAYLOAD_CHANGED = "payload_changed"
    PAYLOAD_MISSING = "payload_missing"
    ROW_CHANGED = "row_changed"
    TIME_CHANGED = "time_changed"
    ATTEMPT_CHANGED = "attempt_changed"
    OUTCOME_CHANGED = "outcome_changed"
    BYTES_CHANGED = "bytes_changed"
    BYTES_MISSING = "bytes_missing"
    STATE_CHANGED = "state_changed"
    RECEIPT_CHANGED = "receipt_changed"
    ENTRIES_MISSING = "entries_missing"
    ERASED = "erased"

    @property
    def sentence(self) -> str:
        """What it means."""
        return _SENTENCES[self]


_SENTENCES = {
    Flaw.LINE_CHANGED: "This ledger entry was changed, or this installation did not sign it.",
    Flaw.NOT_IN_LEDGER: "The ledger has no entry that names the payload of this transmission.",
    Flaw.PAYLOAD_CHANGED: "The stored payload is not the one that was signed when its period was closed.",
    Flaw.PAYLOAD_MISSING: "The stored payload is gone.",
    Flaw.ROW_CHANGED: (
        "The number of records or attempts, the trigger or the period differs from the one that was signed."
    ),
    Flaw.TIME_CHANGED: "A time in its row differs from the one that was signed.",
    Flaw.ATTEMPT_CHANGED: "This attempt differs from the one that was signed before it was made.",
    Flaw.OUTCOME_CHANGED: "The outcome of this attempt differs from the one that was signed.",
    Flaw.BYTES_CHANGED: "The kept bytes of this attempt do not match the digest that was signed before it was made.",
    Flaw.BYTES_MISSING: "The bytes of this attempt are gone.",
    Flaw.STATE_CHANGED: "The state differs from the outcome that was signed.",
    Flaw.RECEIPT_CHANGED: "The receipt is not the one that was signed when it arrived.",
    Flaw.ENTRIES_MISSING: (
        "Since this transmission was prepared, an entry of the ledger was deleted or changed; it may be about this one."
    ),
    Flaw.ERASED: "It was erased with everything else, and someone has put its row back.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A flaw, and where it was found."""

    flaw: Flaw
    attempt: int | None = None
    seq: int | None = None
    """The ledger entry."""

    @property
    def sentence(self) -> str:
        """What it means, and where."""
        where = f"Attempt {self.attempt}: " if self.attempt else f"Entry {self.seq}: " if self.seq else ""
        return where + self.flaw.sentence


@dataclass(frozen=True, slots=True)
class CheckedTransmission:
    """What a transmission was compared with, and what was found."""

    findings: tuple[Finding, ...]
    lines: tuple[StoredLine, ...]
    """The ledger entries about it, oldest first."""
    said: tuple[Mapping[str, Any], ...]
    """What those say that this installation signed."""
    contents: Mapping[str, bytes]
    """The bytes that are kept of it, by their digests."""

    def all_of(self, *kinds: Kind) -> list[Mapping[str, Any]]:
        """Return what its entries of some kinds say."""
        return [said for said in self.said if said["kind"] in kinds]

    @property
    def signed_attempts(self) -> dict[int, Mapping[str, Any]]:
        """What the ledger says of each attempt."""
        return {said["number"]: said for said in self.all_of(Kind.ATTEMPT)}


def check_transmission(
    contents: Mapping[str, bytes],
    transmission: Transmission,
    attempts: tuple[Attempt, ...],
    keys: Mapping[str, bytes],
    now: datetime,
    chain: Chain,
) -> CheckedTransmission:
    """Check a transmission now.

    Args:
        contents: The bytes that are kept under ``digests_of`` the transmission.
        transmission: The transmission.
        attempts: Its attempts.
        keys: The raw public keys of the ledger, by their IDs.
        now: The present time.
        chain: Its lines. The sweep, which verifies the whole chain, finds them by their index.
    """
    lines = chain.lines
    read = {line.seq: read_line(line.line, keys) for line in lines}
    known = {"complete": chain.complete, "erased": chain.erased}
    check = _Check(transmission, attempts, lines, read, contents, now, **known)
    said = tuple(claims for claims in read.values() if claims)
    return CheckedTransmission(tuple(dict.fromkeys(check.findings())), lines, said, contents)


def has_valid_receipt(pinned: ReceiptKeys, transmission: Transmission, payloads: Collection[str]) -> bool:
    """Whether a transmission has a receipt that a pinned key signed; ``payloads`` are the digests of what was sent."""
    receipt = transmission.receipt
    return receipt is not None and pinned.read(receipt, transmission.transmission_id, payloads) is not None


def digests_of(transmission: Transmission, attempts: tuple[Attempt, ...]) -> set[str]:
    """Return the digests of all bytes that a transmission and its attempts name."""
    sent = {digest for attempt in attempts for digest in (attempt.payload_sha256, attempt.body_sha256)}
    return {transmission.prepared_sha256, *sent}


@dataclass(frozen=True, slots=True)
class _Check:
    transmission: Transmission
    attempts: tuple[Attempt, ...]
    lines: tuple[StoredLine, ...]
    read: Mapping[int, dict[str, Any] | None]
    """What each line says; None if it is not ours."""
    contents: Mapping[str, bytes]
    now: datetime
    complete: bool
    """Whether no line about it can be missing, as far as that was checked."""
    erased: bool
    """Whether everything was erased since it was prepared. What had ended is erased in steps, so it may be there."""

    def findings(self) -> Iterator[Finding]:
        if not self.complete:
            yield Finding(Flaw.ENTRIES_MISSING)
        if self.erased and self.transmission.state not in FINAL_STATES:
            yield Finding(Flaw.ERASED)
        yield from self._lines()
        yield from self._payload()
        yield from self._beginning()
        yield from self._tries()
        for attempt in self.attempts:
            yield from self._attempt(attempt)
        for number in self.attempts_signed.keys() - {attempt.number for attempt in self.attempts}:
            yield Finding(Flaw.ATTEMPT_CHANGED, attempt=number)
        yield from self._outcome()

    def _lines(self) -> Iterator[Finding]:
        if self._prepared() is None:
            yield Finding(Flaw.NOT_IN_LEDGER)
        about = str(self.transmission.transmission_id)
        for line in self.lines:
            said = self.read[line.seq] or {}
            indexed = {"seq": line.seq, "kind": line.kind, "at": rfc3339(line.at), "transmission_id": about}
            is_found = line.transmission_id == self.transmission.transmission_id
            if not is_found or any(said.get(name) != value for name, value in indexed.items()):
                yield Finding(Flaw.LINE_CHANGED, seq=line.seq)

    def _payload(self) -> Iterator[Finding]:
        content, digest = self.contents.get(self.transmission.prepared_sha256), self.transmission.prepared_sha256
        if content is None:
            yield Finding(Flaw.PAYLOAD_MISSING)
        named = self._prepared()
        if (content is not None and sha256_hex(content) != digest) or (named and named["prepared_sha256"] != digest):
            yield Finding(Flaw.PAYLOAD_CHANGED)
        if named and named["records"] != self.transmission.records_sent:
            yield Finding(Flaw.ROW_CHANGED)
        opened, closed = self.transmission.period_opened_at, self.transmission.period_closed_at
        period = {"opened_at": rfc3339(opened), "closed_at": rfc3339(closed)}
        if any(said.get("period", period) != period for said in self._all(Kind.PREPARED, Kind.MIGRATED)):
            yield Finding(Flaw.ROW_CHANGED)

    def _beginning(self) -> Iterator[Finding]:
        """Compare what started it, and when, with the entry about its closing, or about what was taken over."""
        said = next((said for said in self._all(Kind.PREPARED, Kind.MIGRATED) if "trigger" in said), None)
        if said is None:
            return
        if said["trigger"] != self.transmission.trigger:
            yield Finding(Flaw.ROW_CHANGED)
        if rfc3339(self.transmission.created_at) != said.get("created_at", said["at"]):
            yield Finding(Flaw.TIME_CHANGED)

    def _tries(self) -> Iterator[Finding]:
        """Compare how often it was tried, and when last. What a version without a ledger says of that is not signed."""
        last = self.attempts_signed.get(max(self.attempts_signed, default=0))
        if not self.complete or (last is None and self._all(Kind.MIGRATED)):
            return
        if self.transmission.attempts_made != (last["number"] if last else 0):
            yield Finding(Flaw.ROW_CHANGED)
        at = self.transmission.last_attempt_at
        if (None if at is None else rfc3339(at)) != (last["at"] if last else None):
            yield Finding(Flaw.TIME_CHANGED)

    def _attempt(self, attempt: Attempt) -> Iterator[Finding]:
        said = self.attempts_signed.get(attempt.number)
        if said is None:
            if attempt.number not in self._taken_over():
                yield Finding(Flaw.ATTEMPT_CHANGED, attempt=attempt.number)
        elif any(said[name] != getattr(attempt, name) for name in _SIGNED_OF_ATTEMPT) or not self._is_timed(attempt):
            yield Finding(Flaw.ATTEMPT_CHANGED, attempt=attempt.number)
        elif not self._ended_so(attempt):
            yield Finding(Flaw.OUTCOME_CHANGED, attempt=attempt.number)
        elif not self._ended_then(attempt):
            yield Finding(Flaw.TIME_CHANGED, attempt=attempt.number)
        yield from self._bytes(attempt, said)

    def _bytes(self, attempt: Attempt, said: Mapping[str, Any] | None) -> Iterator[Finding]:
        for digest in (attempt.payload_sha256, attempt.body_sha256):
            content = self.contents.get(digest)
            if content is not None and sha256_hex(content) != digest:
                yield Finding(Flaw.BYTES_CHANGED, attempt=attempt.number)
            elif content is None and said is not None and not self._replaced(attempt, said):
                yield Finding(Flaw.BYTES_MISSING, attempt=attempt.number)
        body = self.contents.get(attempt.body_sha256)
        if body is not None and sha256_hex(body) == attempt.body_sha256 and len(body) != attempt.body_bytes:
            yield Finding(Flaw.ATTEMPT_CHANGED, attempt=attempt.number)
        sent = self.contents.get(attempt.payload_sha256)
        if said is not None and sent is not None and self._prepared() is not None and not self._is_prepared(sent):
            yield Finding(Flaw.BYTES_CHANGED, attempt=attempt.number)

    def _replaced(self, attempt: Attempt, said: Mapping[str, Any]) -> bool:
        """Whether it sent nothing, and its payload was replaced since: then its bytes may have been deleted with it."""
        later = (prepared for prepared in self._all(Kind.PREPARED) if prepared["seq"] > said["seq"])
        return attempt.request_written is False and any(prepared.get("replaces") for prepared in later)

    def _is_timed(self, attempt: Attempt) -> bool:
        at: str = self.attempts_signed[attempt.number]["at"]
        return at == rfc3339(attempt.started_at) == attempt.transmitted_at

    def _ended_so(self, attempt: Attempt) -> bool:
        """Whether it has the outcome that was signed last; without one, it is under way, or a crash has ended it."""
        said = self._answer_to(attempt)
        if said is None:
            waits = {State.EXPORTED} if attempt.trigger is AttemptTrigger.BUNDLE else {State.PENDING, State.RETRYING}
            return attempt.response_code is None and attempt.state in waits
        return (said["state"], said["cause"], said["code"], said["duplicate"]) == (
            attempt.state,
            attempt.cause,
            attempt.response_code,
            attempt.duplicate,
        )

    def _ended_then(self, attempt: Attempt) -> bool:
        """Whether it ended when that was signed. Without an outcome, the next attempt closes it, or its bundle does."""
        said, finished = self._answer_to(attempt), attempt.finished_at
        if said is not None:
            return finished is not None and rfc3339(finished) == said["at"]
        if attempt.trigger is AttemptTrigger.BUNDLE:
            return finished == attempt.started_at
        return finished is None or finished in {it.started_at for it in self.attempts if it.number > attempt.number}

    def _answer_to(self, attempt: Attempt) -> dict[str, Any] | None:
        return next((a for a in reversed(self._all(Kind.ANSWERED)) if a["number"] == attempt.number), None)

    def _is_prepared(self, sent: bytes) -> bool:
        """Whether what was sent is a payload that was signed, apart from its ``transmitted_at``."""
        try:
            document = json.loads(sent)
            del document["transmitted_at"]
            digest = sha256_hex(canonical_json(document))
        except (ValueError, KeyError, TypeError):
            return False
        return any(said["prepared_sha256"] == digest for said in self._all(Kind.PREPARED, Kind.MIGRATED))

    def _outcome(self) -> Iterator[Finding]:
        accepted = self.transmission.state is State.SUCCESS
        ends = (Kind.ANSWERED, Kind.MIGRATED, Kind.ACCEPTED_WITHOUT_RECEIPT)
        said = [a for a in self._all(*ends) if a.get("state") == State.SUCCESS]
        differs = self.complete and not agrees(self.transmission, self._all(*Kind))  # Without all, it is not known.
        if accepted != bool(said) or self._release_differs() or differs:
            yield Finding(Flaw.STATE_CHANGED)
            return
        if self.transmission.receipt not in ({answer.get("receipt") for answer in said} or {None}):
            yield Finding(Flaw.RECEIPT_CHANGED)
        yield from self._ending(said)

    def _ending(self, accepted: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
        """Compare when it was accepted, for the first time, or withdrawn, with what was signed."""
        row, withdrawn = self.transmission, self._all(Kind.WITHDRAWN)
        signed_of = ((row.accepted_at, accepted), (row.withdrawn_at, withdrawn))
        for at, signed in signed_of:
            times = [said.get("accepted_at") or said["at"] for said in signed[:1]]
            if (at is not None) != bool(times) or (at is not None and not self._is_dated(at, times[0])):
                yield Finding(Flaw.TIME_CHANGED)

    def _is_dated(self, at: datetime, signed: str) -> bool:
        """Whether a row has the time that was signed, or the one of a purge that found that one out of all bounds.

        What a purge dates again is kept for a year at most, so a time that was too far ahead then still is ahead.
        """
        if rfc3339(at) == signed:
            return True
        redated = EARLIEST <= at <= self.now + _CLOCKS_DIFFER
        return redated and not rfc3339(EARLIEST) <= signed <= rfc3339(self.now)

    def _release_differs(self) -> bool:
        """Whether the row's state contradicts what was signed about its release."""
        state = self.transmission.state
        withdrawn = bool(self._all(Kind.WITHDRAWN))
        waits = not withdrawn and wait_of(self._all(*Kind)) is not None
        return (state is State.AWAITING_RELEASE) != waits or (state is State.WITHDRAWN) != withdrawn

    def _prepared(self) -> dict[str, Any] | None:
        found = self._all(Kind.PREPARED, Kind.MIGRATED)
        return found[-1] if found else None

    def _taken_over(self) -> frozenset[int]:
        """Return the numbers of the attempts that a version without a ledger made."""
        return frozenset(number for said in self._all(Kind.MIGRATED) for number in said.get("attempts", ()))

    @property
    def attempts_signed(self) -> dict[int, dict[str, Any]]:
        return {said["number"]: said for said in self._all(Kind.ATTEMPT)}

    def _all(self, *kinds: Kind) -> list[dict[str, Any]]:
        return [said for line in self.lines if (said := self.read[line.seq]) and said["kind"] in kinds]


_SIGNED_OF_ATTEMPT = ("trigger", "payload_sha256", "body_sha256", "encrypted", "key_id", "timestamp")
