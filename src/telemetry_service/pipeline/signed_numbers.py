"""What the ledger says of the stamps that were written last: of the verdict, and of the entries since.

Both are read without any index, which someone may have changed: the verdict is sealed, and of the entries behind the
one that it names, none may be missing up to the end of the ledger.
"""

from collections.abc import Iterable, Mapping

from telemetry_service.domain.errors import NotVerifiedYetError
from telemetry_service.domain.ledger import FIRST_PREV, digest_of
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.ledger_key import read_line, unverified
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head
from telemetry_service.storage.ledger_sweep import readable
from telemetry_service.storage.stamps import numbers_in

MOST = 2000
"""Entries that are read at a time; behind more, the sweep has to come first."""


def signed_numbers(runtime: Runtime, tx: Transaction, verdict: Verification | None) -> dict[str, str]:
    """Return the numbers of the stamps by the names of their rows, with those that this transaction has written.

    Raises:
        NotVerifiedYetError: an entry may be missing, or is not ours, so that only the next sweep can tell.
    """
    start = Head(0, FIRST_PREV) if verdict is None else Head(verdict.seq, verdict.sha256)
    said = _said_since(runtime, tx, start)
    if said is None:
        raise NotVerifiedYetError
    known = {} if verdict is None else verdict.stamps
    return {**known, **said, **tx.ledger.stamps}


def known_numbers(runtime: Runtime, tx: Transaction, verdict: Verification | None) -> Mapping[str, str]:
    """Return the same, or what the verdict says until the next sweep can tell."""
    try:
        return signed_numbers(runtime, tx, verdict)
    except NotVerifiedYetError:
        return {} if verdict is None else verdict.stamps


def _said_since(runtime: Runtime, tx: Transaction, start: Head) -> dict[str, str] | None:
    """Return what the lines behind one say; None if they do not follow each other to the head, or are not ours."""
    found = readable(lambda: tx.ledger.since(start.seq, MOST))
    if found is None:
        return None
    lines, head = found
    said = readable(lambda: _chained(lines, start, head))
    if not lines or said is None:
        return said
    # The last signature vouches for all lines: each repeats the digest of the one before.
    return None if read_line(lines[-1][1], runtime.ledger_keys(tx)) is None else said


def _chained(lines: Iterable[tuple[int, str]], start: Head, head: Head) -> dict[str, str] | None:
    numbers, last = dict[str, str](), start
    for seq, line in lines:
        said = unverified(line)
        if (seq, said.get("seq"), said.get("prev")) != (last.seq + 1, last.seq + 1, last.sha256):
            return None
        numbers |= numbers_in(said)
        last = Head(seq, digest_of(line))
    return numbers if last == head and last.seq else None  # An empty ledger says nothing.
