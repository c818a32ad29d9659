"""Finds the rows outside the ledger that someone else has changed: by their stamps, and by the entries about them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress

from telemetry_service.domain.changed_rows import CODES, ChangedRow
from telemetry_service.domain.errors import NotVerifiedYetError
from telemetry_service.domain.verification import Problem, Verification
from telemetry_service.pipeline.missing_entries import unanswered
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.signed_numbers import numbers_left, signed_numbers
from telemetry_service.pipeline.verification import open_verification, read_verification
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.storage.current_state import CurrentState
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.stamps import CONFIGURATION, STAMPED, WITHOUT_ROW, Stamped, is_gone, numbers_in

_ALWAYS_READ = frozenset(table.row.value for table in STAMPED if table.key is None)
"""The names of the rows that are read for every decision."""


def changed_rows(
    runtime: Runtime, tx: Transaction, state: CurrentState, verdict: Verification | None
) -> tuple[ChangedRow, ...]:
    """Return the rows that someone else has changed, as far as it can be shown without reading the ledger.

    An older row with its older stamp is known by the latest entry about the settings, or by the sweep. What decides
    whether something is sent asks ``changed_in``.
    """
    found = {stamped.row for stamped in state.stamped if not runtime.signer.is_intact(stamped)}
    if _is_older(tx, state):
        found.add(ChangedRow.SETTINGS)
    return _ordered(found | _swept(verdict))


def changed_now(runtime: Runtime, tx: Transaction) -> tuple[ChangedRow, ...]:
    """Return all of them, read now, or those that ``changed_rows`` knows until the next sweep can tell."""
    state = _read(runtime, tx)
    try:
        return changed_in(runtime, tx, state)
    except NotVerifiedYetError:
        verdict = open_verification(runtime, state.verdict, state.installation)
        found = {*changed_rows(runtime, tx, state, verdict)}
        with suppress(NotVerifiedYetError):
            found |= {_row_of(name) for name in _older(runtime, tx, verdict)}
        return _ordered(found)


def changed_in(runtime: Runtime, tx: Transaction, state: CurrentState | None = None) -> tuple[ChangedRow, ...]:
    """Return the rows that someone else has changed: what was read, all others, and those that are gone.

    If there is none, the transaction uses these rows only as they are now, or as it writes them.

    Raises:
        NotVerifiedYetError: the ledger has to be verified before anyone can tell, or a row was written meanwhile.
    """
    state = state or _read(runtime, tx)
    verdict = open_verification(runtime, state.verdict, state.installation)
    numbers = signed_numbers(runtime, tx, verdict)
    rows = tx.stamps.all()
    found = _swept(verdict) | _changed(runtime, rows, numbers)
    read = _changed(runtime, state.stamped, {name: numbers[name] for name in numbers.keys() & _ALWAYS_READ})
    if read - found or signed_numbers(runtime, tx, verdict) != numbers:
        raise NotVerifiedYetError
    if not found:
        tx.stamps.rely_on_all(rows)
    return _ordered(found)


def are_as_stored(runtime: Runtime, tx: Transaction, state: CurrentState | None = None) -> bool:
    """Whether no one else has changed one of them, and no entry is missing that was there.

    False until the next sweep if only that can tell.
    """
    state = state or _read(runtime, tx)
    if unanswered(runtime, open_verification(runtime, state.verdict, state.installation)):
        return False
    try:
        return not changed_in(runtime, tx, state)
    except NotVerifiedYetError:
        return False


def distrust_older(runtime: Runtime, tx: Transaction) -> None:
    """Let no write of this transaction approve a row that is older than the entry about it, or one that was removed.

    Call this before any of these rows is written by what does not approve them.
    """
    verdict = read_verification(runtime, tx)
    with suppress(NotVerifiedYetError):  # The sweep finds them.
        tx.stamps.distrust(_older(runtime, tx, verdict))


def _older(runtime: Runtime, tx: Transaction, verdict: Verification | None) -> set[str]:
    before = numbers_left(runtime, tx, verdict)
    present = {stamped.name: stamped.number for stamped in tx.stamps.all()}
    after = numbers_left(runtime, tx, verdict)  # Another transaction may have written one of them meanwhile.
    rows = after.keys() - WITHOUT_ROW
    return {name for name in rows if not _is_one_of(present.get(name), before.get(name), after[name])}


def _is_one_of(present: str | None, *numbers: str | None) -> bool:
    """Whether a row has one of these numbers, or is gone, as one of them says."""
    return any(number is not None and (is_gone(number) if present is None else number == present) for number in numbers)


def _swept(verdict: Verification | None) -> set[ChangedRow]:
    return {CODES[problem.code] for problem in (verdict.problems if verdict else ()) if problem.code in CODES}


def _ordered(found: Collection[ChangedRow]) -> tuple[ChangedRow, ...]:
    return tuple(row for row in ChangedRow if row in found)


def _read(runtime: Runtime, tx: Transaction) -> CurrentState:
    return tx.current_state.read(runtime.schemas.current.sha256, runtime.clock.now())


def problems_with_rows(runtime: Runtime, tx: Transaction, numbers: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each kind of rows of which one does not fit its stamp, or not the entry about it.

    Args:
        runtime: Has the keys.
        tx: The transaction to read in.
        numbers: What the entries say of the stamps that were written last, by the names of the rows.
    """
    yield from (Problem(row.code) for row in sorted(_changed(runtime, tx.stamps.all(), numbers)))


def _changed(runtime: Runtime, rows: Iterable[Stamped], numbers: Mapping[str, str]) -> set[ChangedRow]:
    """Return what does not fit among rows, or is gone."""
    present = {stamped.name: stamped for stamped in rows}
    changed = {stamped.row for stamped in present.values() if not _fits(runtime, stamped, numbers)}
    left = {name for name, number in numbers.items() if not is_gone(number)} - WITHOUT_ROW
    return changed | {_row_of(name) for name in left - present.keys()}


def _row_of(name: str) -> ChangedRow:
    return ChangedRow(name.partition(" ")[0])


def _fits(runtime: Runtime, stamped: Stamped, numbers: Mapping[str, str]) -> bool:
    said = numbers.get(stamped.name)
    return runtime.signer.is_intact(stamped) and (said is None or said == stamped.number)


def _is_older(tx: Transaction, state: CurrentState) -> bool:
    """Whether the latest entry about the settings says that their row was written again since."""
    if CONFIGURATION.row.value in tx.ledger.stamps:
        return False  # This transaction has written it, and its entry comes last.
    line = state.settings_entry
    said = numbers_in(unverified(line if isinstance(line, str) else "")).get(CONFIGURATION.row.value)
    present = [stamped.number for stamped in state.stamped if stamped.row is ChangedRow.SETTINGS]
    return said is not None and said not in present
