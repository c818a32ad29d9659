"""The verdict of the sweep, at rest: sealed, so that no one who can only write to the database can forge one."""

from functools import cache
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from telemetry_service.domain.errors import KeyUnusableError
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.keyring import Place
from telemetry_service.storage.database import Transaction

PURPOSE = "ledger-verdict"


def read_verification(runtime: Runtime, tx: Transaction, *, lock: bool = False) -> Verification | None:
    """Return the last verdict. None if there is none, or someone else wrote it: then nothing is verified yet."""
    return open_verification(runtime, tx.verification.sealed(lock=lock), tx.installation.sealed_for())


def open_verification(runtime: Runtime, sealed: bytes | None, installation: UUID) -> Verification | None:
    """Return a stored verdict; None under the same conditions."""
    if sealed is None:
        return None
    try:
        return _form().validate_json(runtime.keys.open(sealed, Place(PURPOSE, installation)))
    except (KeyUnusableError, ValidationError):
        return None


def keep_verification(runtime: Runtime, tx: Transaction, verification: Verification) -> None:
    """Store a verdict."""
    place = Place(PURPOSE, tx.installation.sealed_for())
    tx.verification.replace(runtime.keys.seal(_form().dump_json(verification), place))


@cache
def _form() -> TypeAdapter[Verification]:
    return TypeAdapter(Verification)
