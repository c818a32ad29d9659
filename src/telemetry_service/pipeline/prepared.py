"""The payload of a waiting transmission: its bytes are evidence, and must be those that were signed at the closing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import PayloadChangedError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.outcome import may_have_arrived
from telemetry_service.domain.release import WaitsFor, wait_of
from telemetry_service.domain.transmissions import State, Transmission, nothing_can_have_arrived
from telemetry_service.pipeline.claims import all_claims, claims_as_verified, signed_claims
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head

_PREPARES = frozenset({Kind.PREPARED.value, Kind.MIGRATED.value})
"""The kinds of lines that name the payload of a transmission. The latest one counts."""
_ENDS = frozenset({Kind.ANSWERED.value, Kind.MIGRATED.value, Kind.ACCEPTED_WITHOUT_RECEIPT.value})
_RELEASES = frozenset({Kind.RELEASED.value, Kind.APPROVED.value})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A payload as it was signed when its period was closed, or when it was prepared again."""

    content: bytes
    """The canonical payload without ``transmitted_at``."""
    schema_sha256: str
    """The digest of its schema."""
    waits_for: WaitsFor | None
    """Why it had to wait when its period was closed."""
    waits: WaitsFor | None
    """Why it waits now; None if it was released, or never waited."""
    withdrawn: bool
    accepted: bool
    restored: bool
    """Whether it waited in a backup that was restored, so that it may have arrived without an entry."""
    ledger_end: Head | None
    """The latest entry; None if the latest one that a verification has seen is not there."""

    @property
    def may_leave(self) -> bool:
        """Whether the ledger says that it may be sent, whatever its row says."""
        return not self.ended and self.waits is None

    @property
    def must_be_released(self) -> bool:
        """Whether the ledger says that it waits for its release, whatever its row says."""
        return not self.ended and self.waits is not None

    @property
    def ended(self) -> bool:
        """Whether the ledger says that it was accepted or withdrawn."""
        return self.withdrawn or self.accepted


def prepared_of(runtime: Runtime, tx: Transaction, transmission: Transmission) -> Prepared:
    """Return the stored payload of a transmission.

    Raises:
        PayloadChangedError: it is not the one that was signed, its signature cannot be verified, it was erased, or the
            ledger lacks an entry since: the missing one may have replaced or withdrawn it.
    """
    verified = claims_as_verified(runtime, tx, transmission.transmission_id)
    signed, ledger_end = _held_by_answer(verified.claims, verified.answered), verified.end
    claims = next((said for said in reversed(signed) if said["kind"] in _PREPARES), None)
    content = tx.evidence.get(transmission.transmission_id, transmission.prepared_sha256)
    if claims is None or content is None or claims.get("prepared_sha256") != transmission.prepared_sha256:
        raise PayloadChangedError
    if sha256_hex(content) != transmission.prepared_sha256 or claims.get("records") != transmission.records_sent:
        raise PayloadChangedError
    kinds = {said["kind"] for said in signed}
    waits_for = claims.get("waits_for")
    return Prepared(
        content,
        claims["schema_sha256"],
        None if waits_for is None else WaitsFor(waits_for),
        waits=wait_of(signed),
        withdrawn=Kind.WITHDRAWN.value in kinds,
        accepted=says_accepted(signed),
        restored=Kind.AWAITING_RELEASE.value in kinds,
        ledger_end=ledger_end,
    )


def _held_by_answer(signed: Sequence[Mapping[str, Any]], answered: int) -> Sequence[Mapping[str, Any]]:
    """Return what was signed, and that it waits since sending continues after a restore, unless it may have arrived.

    Each payload that waited then has an entry that says so, but someone may have hidden its row for that moment.
    """
    before = [said for said in signed if said["seq"] < answered]
    if not before or _arrived_by(before):
        return signed
    return [*before, {"kind": Kind.AWAITING_RELEASE.value, "seq": answered}, *signed[len(before) :]]


def readable_of(runtime: Runtime, tx: Transaction, transmission: Transmission) -> Prepared | None:
    """Return the same; None if it is not the one that was signed."""
    try:
        return prepared_of(runtime, tx, transmission)
    except PayloadChangedError:
        return None


def was_released(runtime: Runtime, tx: Transaction, transmission_id: UUID) -> bool:
    """Whether a transmission waited for its release and was released."""
    return any(said["kind"] in _RELEASES for said in signed_claims(runtime, tx, transmission_id))


def says_accepted(signed: Iterable[Mapping[str, Any]]) -> bool:
    """Whether what was signed about a transmission says that it was accepted, whatever its row says."""
    return any(acceptances(signed))


def acceptances(signed: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield what was signed about acceptances, oldest first."""
    return (said for said in signed if said["kind"] in _ENDS and said.get("state") == State.SUCCESS)


def accepted_without_receipt(runtime: Runtime, tx: Transaction, transmission_id: UUID) -> bool:
    """Whether an administrator decided that a transmission counts as accepted without a receipt."""
    signed = signed_claims(runtime, tx, transmission_id)
    return any(said["kind"] == Kind.ACCEPTED_WITHOUT_RECEIPT for said in signed)


def can_have_arrived(runtime: Runtime, tx: Transaction, transmission_id: UUID) -> bool:
    """Whether the License Server may have a payload; if the ledger and the attempts disagree, it may."""
    if not nothing_can_have_arrived(tx.transmissions.attempts(transmission_id)):
        return True
    signed = all_claims(runtime, tx, transmission_id)
    return not signed or _arrived_by(signed)


def has_arrived_perhaps(runtime: Runtime, tx: Transaction, transmission_id: UUID, ended: int | None = None) -> bool:
    """Whether signed entries say that the License Server may have a payload.

    If they say nothing, or one of them may be missing, it is unknown. Of the attempt with the number ``ended``, whose
    outcome is recorded now, its row decides: the ledger does not have it yet.
    """
    signed = all_claims(runtime, tx, transmission_id)
    attempts = () if ended is None else tx.transmissions.attempts(transmission_id)
    return _arrived_by(signed, ended) or not nothing_can_have_arrived(it for it in attempts if it.number == ended)


def _arrived_by(signed: Sequence[Mapping[str, Any]], ended: int | None = None) -> bool:
    if says_accepted(signed) or any(map(_had_arrived_perhaps, signed)):
        return True
    answers = {said["number"]: said for said in signed if said["kind"] == Kind.ANSWERED}
    tried = {said["number"] for said in signed if said["kind"] == Kind.ATTEMPT} - {ended}
    return any(_can_have_arrived(answers.get(number)) for number in tried)


def _had_arrived_perhaps(said: Mapping[str, Any]) -> bool:
    """Whether it may have arrived by an attempt of a version without a ledger, as far as its rows said so then."""
    return said["kind"] == Kind.MIGRATED and bool(said.get("may_have_arrived", said.get("attempts")))


def _can_have_arrived(answer: Mapping[str, Any] | None) -> bool:
    """Whether an attempt with this signed outcome may have arrived. Without one, a crash has ended it, so it may."""
    if answer is None or answer["cause"] is None:
        return True
    return may_have_arrived(Cause(answer["cause"]), answer["code"])
