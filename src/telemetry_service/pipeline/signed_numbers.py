"""What the ledger says of the stamps that were written last: of the verdict, and of the entries since.

Both are read without any index, which someone may have changed. The verdict is sealed. Of the entries behind the one
that it names, none may be missing up to the end of the ledger, and we must have signed each: an honest entry that is
written behind a forged one repeats its digest as well.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from telemetry_service.domain.errors import NotVerifiedYetError
from telemetry_service.domain.ledger import FIRST_PREV, digest_of
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.runtime import Followed, Runtime
from telemetry_service.sealing.ledger_key import read_line, unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head
from telemetry_service.storage.ledger_sweep import readable
from telemetry_service.storage.stamps import SaidNumber, latest_numbers, said_numbers

MOST = 2000
"""Entries that are read at a time; behind more, the sweep has to come first."""


def signed_numbers(runtime: Runtime, tx: Transaction, verdict: Verification | None) -> dict[str, str]:
    """Return the numbers of the stamps by the names of their rows, with those that this transaction has written.

    Raises:
        NotVerifiedYetError: an entry may be missing, or is not ours, so that only the next sweep can tell.
    """
    start = Head(0, FIRST_PREV) if verdict is None else Head(verdict.seq, verdict.sha256)
    followed = _followed(runtime, tx, start)
    if followed is None:
        raise NotVerifiedYetError
    runtime.followed.latest = followed
    return {**latest_numbers(verdict, followed.said), **tx.ledger.stamps}


def numbers_left(runtime: Runtime, tx: Transaction, verdict: Verification | None) -> dict[str, str]:
    """Return the same, or what the entries say that are left and that we have signed for their place.

    Someone may have made the end of the ledger wrong for a moment, so that no one can follow it.

    Raises:
        NotVerifiedYetError: there are too many entries to read them all.
    """
    with suppress(NotVerifiedYetError):
        return signed_numbers(runtime, tx, verdict)
    after, keys = max(0, 0 if verdict is None else verdict.seq - MOST // 2), frozenset(runtime.ledger_keys(tx).items())
    read = ((it.seq, _read(it.line, keys)) for it in tx.sweep.lines(after, MOST) if isinstance(it.line, str))
    ours = [said for seq, said in read if said is not None and said.seq == seq]
    if len(ours) == MOST:
        raise NotVerifiedYetError
    return {**latest_numbers(verdict, (it for said in ours for it in said.numbers)), **tx.ledger.stamps}


def known_numbers(runtime: Runtime, tx: Transaction, verdict: Verification | None) -> Mapping[str, str]:
    """Return the same, or what the verdict says if there are too many entries."""
    try:
        return numbers_left(runtime, tx, verdict)
    except NotVerifiedYetError:
        return {} if verdict is None else verdict.stamps


def _followed(runtime: Runtime, tx: Transaction, start: Head) -> Followed | None:
    """Follow the lines behind one to the head, from where this process has come before."""
    known = runtime.followed.latest
    if known is not None and known.start == start:
        further = _follow(runtime, tx, known)
        if further is not None:
            return further
    return _follow(runtime, tx, Followed(start, start))  # Perhaps an older copy of the database was restored.


def _follow(runtime: Runtime, tx: Transaction, known: Followed) -> Followed | None:
    """Follow the lines further; None if they do not follow each other to the head, or are not ours."""
    found = readable(lambda: tx.ledger.since(known.head.seq, MOST))
    if found is None:
        return None
    lines, head = found
    if not lines:
        return known if head == known.head and head.seq else None  # An empty ledger says nothing.
    keys = frozenset(runtime.ledger_keys(tx).items())
    said = readable(lambda: _chained(lines, known.head, head, keys)) if known.keys in {None, keys} else None
    return None if said is None else replace(known, head=head, keys=keys, said=(*known.said, *said))


def _chained(
    lines: Iterable[tuple[int, str]], start: Head, head: Head, keys: frozenset[tuple[str, bytes]]
) -> list[SaidNumber] | None:
    numbers, last, said = list[SaidNumber](), start, None
    for seq, line in lines:
        said, shown = _read(line, keys), unverified(line)
        if (seq, shown.get("seq"), shown.get("prev")) != (last.seq + 1, last.seq + 1, last.sha256):
            return None
        if said is None and start.seq:  # Without a verdict, it may be of a lost key, and says nothing.
            return None
        numbers += () if said is None else said.numbers
        last = Head(seq, digest_of(line))
    is_ours = said is not None or last == start
    return numbers if is_ours and last == head and last.seq else None  # An empty ledger says nothing.


@dataclass(frozen=True, slots=True)
class _Said:
    """What is needed of a line that we have signed."""

    seq: int
    numbers: tuple[SaidNumber, ...]


@lru_cache(MOST)
def _read(line: str, keys: frozenset[tuple[str, bytes]]) -> _Said | None:
    """Read a line; None if none of the keys has signed it. Until the next sweep, every decision reads it again."""
    said = read_line(line, dict(keys))
    return None if said is None else _Said(said["seq"], said_numbers(said, said["seq"]))
