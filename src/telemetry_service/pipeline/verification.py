"""The verdict of the sweep, at rest: sealed, so that no one who can only write to the database can forge one.

An older verdict that someone puts back is sealed as well. So a process remembers the newest one that it has seen.
"""

from datetime import datetime
from functools import cache
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.keyring import Place
from telemetry_service.storage.database import Transaction

PURPOSE = "ledger-verdict"


def read_verification(runtime: Runtime, tx: Transaction) -> Verification | None:
    """Return the last verdict. None if there is none, or someone else wrote it: then nothing is verified yet."""
    return open_verification(runtime, tx.verification.sealed(), tx.installation.sealed_for())


def stored_verification(runtime: Runtime, tx: Transaction, *, lock: bool = False) -> Verification | None:
    """Return the last verdict of this database, which may be an older copy of the one that this process has seen."""
    return _opened(runtime, tx.verification.sealed(lock=lock), tx.installation.sealed_for())


def open_verification(runtime: Runtime, sealed: bytes | None, installation: UUID) -> Verification | None:
    """Return a stored verdict, or the newer one that this process has seen; None under the same conditions."""
    stored, known = _opened(runtime, sealed, installation), runtime.swept.verdict
    if _is_older(stored, known):
        return known
    runtime.swept.verdict = stored
    return stored


def was_replaced(runtime: Runtime, tx: Transaction) -> bool:
    """Whether the stored verdict is older than one that this process has seen, or gone since."""
    return _is_older(stored_verification(runtime, tx), runtime.swept.verdict)


def keep_verification(runtime: Runtime, tx: Transaction, verification: Verification) -> None:
    """Store a verdict."""
    place = Place(PURPOSE, tx.installation.sealed_for())
    tx.verification.replace(runtime.keys.seal(_form().dump_json(verification), place))


def _opened(runtime: Runtime, sealed: bytes | None, installation: UUID) -> Verification | None:
    if sealed is None:
        return None
    try:
        return _form().validate_json(runtime.keys.open(sealed, Place(PURPOSE, installation)))
    except (KeyUnusableError, ValidationError):
        return None


def _is_older(stored: Verification | None, known: Verification | None) -> bool:
    if known is None or stored == known:
        return False
    return stored is None or _age(stored) <= _age(known)


def _age(verdict: Verification) -> tuple[datetime, int, datetime]:
    return verdict.complete_at, verdict.seq, verdict.at


@cache
def _form() -> TypeAdapter[Verification]:
    return TypeAdapter(Verification)
