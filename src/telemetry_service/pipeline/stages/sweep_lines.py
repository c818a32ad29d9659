"""Verifies the lines of the ledger, and their index, in steps: each is a read of one moment."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from telemetry_service.domain.base64url import from_base64url
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.ledger import FIRST_PREV, KeyReason, Kind, digest_of
from telemetry_service.domain.payload_schemas.published import document_of
from telemetry_service.domain.transmissions import State
from telemetry_service.domain.verification import MOST_PROBLEMS, Problem, Verification
from telemetry_service.sealing.ledger_key import key_id_of, read_line, signer_of, unverified
from telemetry_service.sealing.verify_ledger import Report, Verifier
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import StoredLine, UnreadableLine
from telemetry_service.storage.ledger_sweep import BEFORE_ALL
from telemetry_service.storage.stamps import SaidNumber, latest_numbers, numbers_in, said_numbers
from telemetry_service.storage.types import MOST

STEP = 200
"""Lines in one transaction, together with the evidence that they name."""

KEY_LOST = "key_lost"
"""The verifier's code for entries before a lost key. That is its own state, and not a problem with a row."""

_DIGEST = re.compile(r'"([0-9a-f]{64})"')
_WITHDRAWN, _ERASED = "withdrawn", "erased"
_ABOUT_TRANSMISSIONS = frozenset({"prepared", "attempt", "answered", "migrated", _WITHDRAWN})


@dataclass(frozen=True, slots=True)
class LinesResults:
    """What was found in the lines that were verified so far."""

    seq: int
    """The last line that is right, and its digest."""
    sha256: str
    problems: list[Problem]
    counts: Counter[str]
    keys: tuple[str, ...]
    """The fingerprints of the keys since the last one that nothing vouches for."""
    key_lost: bool
    missing: frozenset[str]
    """Those of the expected entries that are missing."""
    answered: frozenset[str]
    """Missing entries that an entry names, which says what was sent since."""
    ours_since: int
    """From this place on, each line is signed with one of our keys."""


class LinesCheck:
    """The lines that were verified so far, and what the sweep needs of them."""

    def __init__(
        self,
        trusted: Mapping[str, bytes],
        *,
        checkpoint: str | None = None,
        after: tuple[int, str] | None = None,
        anchors: Sequence[str] = (),
        expected: Iterable[str] = (),
        vendor_keys: Iterable[bytes] = (),
    ) -> None:
        """Start at the checkpoint, or behind an earlier run. ``trusted`` are raw public keys by their IDs.

        An entry (``SEQ:DIGEST``) of ``expected`` that is missing is only noted, and no problem.
        """
        self._trusted = trusted
        self._verifier = Verifier(
            trusted.values(),
            evidence=self._content,
            checkpoint=checkpoint,
            after=after,
            anchors=anchors,
            vendor_keys=vendor_keys,
        )
        self._place: Any = BEFORE_ALL if after is None else after[0]
        self._last: tuple[Any, str] = after or (0, "")
        self._tx: Transaction | None = None
        self._contents: dict[str, bytes] = {}
        self._asked: frozenset[str] = frozenset()
        self._problems: list[Problem] = []
        self.ended: dict[UUID, str | None] = {}
        """When each transmission was accepted or withdrawn; None if it was not."""
        self.purges: list[str] = []
        """Before which moment each purge deleted what was accepted."""
        self._numbers: list[SaidNumber] = []
        """What the entries say of stamps, oldest first."""
        self._keys: list[str] = []
        self._key_lost = False
        self._missing, self._answered = {*expected}, set[str]()
        self._ours, self._ours_since = {*trusted}, 0

    def step(self, tx: Transaction, limit: int = STEP) -> bool:
        """Verify the next lines; False once there are none left."""
        lines = tx.sweep.lines(self._place, limit)
        self._prefetch(tx, [text for line in lines if (text := _text(line)) is not None])
        for line in lines:
            self._take(line)
            self._place = line.seq
        return len(lines) == limit  # Not the next empty step: there may be none while others write.

    def ends_with(self, seq: object, sha256: str) -> bool:
        """Whether the last row is the one that the head names."""
        return self._last == (seq, sha256) or (self._last == (0, "") and seq == 0)

    def stamps(self, known: Verification | None) -> dict[str, str]:
        """Return what was said of the stamps that were written last, by the names of their rows.

        Of the entries up to the one that ``known`` has verified, it knows more than those that are left: someone may
        have deleted or changed one since. Of those that were pruned, only it knows anything.
        """
        return latest_numbers(known, self._numbers)

    def report(self) -> Report:
        """Return what the verifier says of the lines so far, in its own words."""
        return self._verifier.finish()

    def results(self) -> LinesResults:
        """Return what was found so far."""
        report = self._verifier.finish()
        found = [Problem(it.code, it.seq) for it in report.problems if it.code != KEY_LOST]
        seq, sha256 = report.head or (0, FIRST_PREV)
        problems = [*found, *self._problems]
        forged = any(problem.code == "checkpoint" for problem in found)
        base = 0 if forged else self._verifier.base[0]
        missing = frozenset(name for name in self._missing if int(name.partition(":")[0]) > base)
        return LinesResults(
            seq=seq,
            sha256=sha256,
            problems=problems,
            counts=report.counts,
            keys=tuple(self._keys),
            key_lost=self._key_lost,
            missing=missing,
            answered=frozenset(self._answered),
            ours_since=self._ours_since,
        )

    def _take(self, line: StoredLine | UnreadableLine) -> None:
        if not isinstance(line.seq, int) or line.seq >= MOST:  # The entry about it could not name it.
            self._say("malformed")
            return
        text = _text(line)
        accepted = self._verifier.take(text or "", line.seq)
        self._last = (line.seq, digest_of(text) if text and text.isascii() else "")
        self._missing.discard(f"{line.seq}:{self._last[1]}")
        claims = unverified(text or "")
        self._note_signer(signer_of(text) if accepted and text else None, line.seq, claims)
        if text is None or isinstance(line, UnreadableLine):
            return
        try:
            if not _index_agrees(line, claims):
                self._say("index_changed", line.seq)
            if accepted:
                self._note(claims)
            self._note_numbers(text, line.seq, claims)
            self._note_answer(text, line.seq, claims)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._say("malformed", line.seq)

    def _note_signer(self, key_id: str | None, seq: int, claims: Mapping[str, Any]) -> None:
        """Note whether one of our keys has signed a line. What a lost key has signed is right, too, but not ours."""
        if key_id not in self._ours:
            self._ours_since = seq + 1
        elif claims.get("kind") == Kind.LEDGER_KEY and claims.get("reason") == KeyReason.ROTATED:
            self._ours.add(
                key_id_of(str(claims.get("fingerprint")))
            )  # It may have been made since we have read the keys.

    def _say(self, code: str, seq: int | None = None) -> None:
        if len(self._problems) < MOST_PROBLEMS:  # Anyone who adds many wrong lines must not use up the memory.
            self._problems.append(Problem(code, seq))

    def _note(self, claims: Mapping[str, Any]) -> None:
        kind, name = claims["kind"], claims.get("transmission_id")
        if kind in _ABOUT_TRANSMISSIONS and name is not None:
            about = UUID(name)
            self.ended[about] = self.ended.get(about) or _ended_at(claims)
        elif kind == _ERASED and claims.get("of") == "all":
            self.ended.clear()  # Their rows were erased with it.
        elif kind == Kind.PURGED and "accepted_before" in claims:
            self.purges.append(str(claims["accepted_before"]))
        elif kind == Kind.LEDGER_KEY:
            self._note_key(claims)

    def _note_numbers(self, text: str, seq: int, claims: Mapping[str, Any]) -> None:
        """Note the numbers of stamps that one of our keys has signed, for this place.

        The digests are not enough: an honest entry that is written behind a forged one vouches for it as well.
        """
        said = read_line(text, self._trusted) if numbers_in(claims) else None
        if said is not None and said["seq"] == seq:
            self._numbers += said_numbers(said, seq)

    def _note_answer(self, text: str, seq: int, claims: Mapping[str, Any]) -> None:
        """Note for which entries a person has said what was sent since, if one of our keys has signed it."""
        said = read_line(text, self._trusted) if claims.get("kind") == Kind.RESTORED else None
        if said is not None and said["seq"] == seq:
            self._answered |= {*said.get("missing", ())}

    def _note_key(self, claims: Mapping[str, Any]) -> None:
        lost = claims["reason"] == KeyReason.LOST
        self._key_lost |= lost
        if lost:
            self._keys = []
        if claims["fingerprint"] not in self._keys:
            self._keys.append(str(claims["fingerprint"]))

    def _prefetch(self, tx: Transaction, lines: Sequence[str]) -> None:
        """Read all that the lines name at once: one query for each digest would take most of the time."""
        digests = (digest for line in lines for digest in _DIGEST.findall(_claims_text(line)))
        self._tx, self._asked = tx, frozenset(digests)
        self._contents = tx.sweep.contents(self._asked) if self._asked else {}

    def _content(self, digest: str) -> bytes | None:
        schema = document_of(digest)
        if schema is not None:
            return schema
        if digest in self._asked or self._tx is None:
            return self._contents.get(digest)
        return self._tx.sweep.contents({digest}).get(digest)


def _text(line: StoredLine | UnreadableLine) -> str | None:
    """Return a line; None if the row has none. On SQLite, a column may hold anything."""
    text: object = None if isinstance(line, UnreadableLine) else line.line
    return text if isinstance(text, str) else None


def _claims_text(line: str) -> str:
    try:
        return from_base64url(line.split(".")[1]).decode("utf-8", "replace")
    except (ValueError, IndexError):
        return ""


def _ended_at(claims: Mapping[str, Any]) -> str | None:
    """Return when a transmission was accepted or withdrawn, if a line says so: it may be purged from then on."""
    if claims["kind"] != _WITHDRAWN and claims.get("state") != State.SUCCESS:
        return None
    return str(claims.get("accepted_at") or claims["at"])


def _index_agrees(line: StoredLine, claims: Mapping[str, Any]) -> bool:
    """Whether the columns beside a line say what the line says."""
    name = None if line.transmission_id is None else str(line.transmission_id)
    index = (line.kind, rfc3339(line.at), line.actor, name)
    return index == (claims["kind"], claims["at"], _actor(claims["actor"]), claims.get("transmission_id"))


def _actor(actor: Mapping[str, Any]) -> str:
    known = actor.get("id")
    return f"{actor['type']} {known}" if isinstance(known, str) else str(actor["type"])
