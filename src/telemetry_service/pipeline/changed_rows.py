"""Finds the rows outside the ledger that someone else has changed: by their stamps, and by the entries about them."""

from collections.abc import Iterator, Mapping

from telemetry_service.domain.changed_rows import CODES, ChangedRow
from telemetry_service.domain.verification import Problem, Verification
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.verification import open_verification
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.storage.current_state import CurrentState
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.stamps import CONFIGURATION, GONE, Stamped, numbers_in


def changed_rows(
    runtime: Runtime, tx: Transaction, state: CurrentState, verdict: Verification | None
) -> tuple[ChangedRow, ...]:
    """Return the rows that someone else has changed: none of them says what may be sent.

    An older row with its older stamp is known by the latest entry about the settings, or by the sweep.
    """
    found = {stamped.row for stamped in state.stamped if not runtime.signer.is_intact(stamped)}
    if _is_older(tx, state):
        found.add(ChangedRow.SETTINGS)
    found |= {CODES[problem.code] for problem in (verdict.problems if verdict else ()) if problem.code in CODES}
    return tuple(row for row in ChangedRow if row in found)


def changed_now(runtime: Runtime, tx: Transaction) -> tuple[ChangedRow, ...]:
    """Return the same, read now."""
    return changed_in(runtime, tx, tx.current_state.read(runtime.schemas.current.sha256, runtime.clock.now()))


def changed_in(runtime: Runtime, tx: Transaction, state: CurrentState) -> tuple[ChangedRow, ...]:
    """Return the same, of what was read."""
    return changed_rows(runtime, tx, state, open_verification(runtime, state.verdict, state.installation))


def problems_with_rows(runtime: Runtime, tx: Transaction, numbers: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each kind of rows of which one does not fit its stamp, or not the entry about it.

    Args:
        runtime: Has the keys.
        tx: The transaction to read in.
        numbers: What the entries say of the stamps that were written last, by the names of the rows.
    """
    rows = {stamped.name: stamped for stamped in tx.stamps.all()}
    changed = {stamped.row for stamped in rows.values() if not _fits(runtime, stamped, numbers)}
    left = {name for name, number in numbers.items() if number != GONE}
    gone = {ChangedRow(name.partition(" ")[0]) for name in left - rows.keys()}
    yield from (Problem(row.code) for row in sorted(changed | gone))


def _fits(runtime: Runtime, stamped: Stamped, numbers: Mapping[str, str]) -> bool:
    said = numbers.get(stamped.name)
    return runtime.signer.is_intact(stamped) and (said is None or said == stamped.number)


def _is_older(tx: Transaction, state: CurrentState) -> bool:
    """Whether the latest entry about the settings says that their row was written again since."""
    if CONFIGURATION.row.value in tx.ledger.stamps:
        return False  # This transaction has written it, and its entry comes last.
    line = (state.settings_entry or b"").decode("ascii", "replace")
    said = numbers_in(unverified(line)).get(CONFIGURATION.row.value)
    present = [stamped.number for stamped in state.stamped if stamped.row is ChangedRow.SETTINGS]
    return said is not None and said not in present
