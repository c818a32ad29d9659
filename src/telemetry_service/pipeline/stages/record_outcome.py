"""Concludes an attempt: checks the receipt, writes the outcome and plans what follows.

An acceptance always counts, even after the lease has expired; a failure counts only under a valid lease.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError
from telemetry_service.domain.fact_entries import of_license
from telemetry_service.domain.facts import LicenseSource
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.license import NO_POSTURE
from telemetry_service.domain.license_update import read_license
from telemetry_service.domain.outcome import Accepted, Failure, Held, LicenseUpdate, Note, Outcome, Retrying
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.receipt import signed_at
from telemetry_service.domain.transmissions import AttemptTrigger, cause_of, state_after
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.api_key_overlap import naming_key, read_overlap
from telemetry_service.pipeline.changed_rows import distrust_older
from telemetry_service.pipeline.claims import signed_claims
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.stages.claim import Claimed
from telemetry_service.pipeline.stages.end_overlap import end_overlap_if_accepted
from telemetry_service.pipeline.stages.prepare_again import Reason, prepare_one_again
from telemetry_service.storage.database import Transaction

CLOCKS_DIFFER = timedelta(minutes=5)
"""How much the License Server's clock may differ from ours, or else it refuses what we send."""


def check_receipt(runtime: Runtime, claimed: Claimed, outcome: Outcome) -> Outcome:
    """Verify the receipt where a key is pinned; then only a license in the receipt itself is trusted.

    Where a receipt is required, an acceptance without a valid one is not an acceptance yet.
    """
    if not isinstance(outcome, Accepted) or runtime.receipt_keys is None:
        return outcome
    signed: Mapping[str, object] | None = None
    if outcome.receipt is not None:
        transmission_id = claimed.transmission.transmission_id
        signed = runtime.receipt_keys.read(outcome.receipt, transmission_id, claimed.known_payloads)
    if signed is None and runtime.deployment.require_receipt:
        return Held(Cause.RECEIPT_MISSING, outcome.response_code, outcome.receipt)
    license_, notes = read_license((signed or {}).get("license"))
    if outcome.license is not None and license_ is None:
        notes += (Note.LICENSE_UNSIGNED,)
    return replace(
        outcome,
        receipt_verified=signed is not None,
        license=license_,
        license_signed_at=_signed_before(signed, runtime.clock.now()),
        notes=(*outcome.notes, *notes),
    )


def _signed_before(signed: Mapping[str, object] | None, now: datetime) -> datetime | None:
    """Return when a receipt was signed, if that is longer ago than two clocks may differ: it is a repeated one."""
    at = None if signed is None else signed_at(signed)
    return at if at is not None and now - at > CLOCKS_DIFFER else None


def record_outcome(runtime: Runtime, claimed: Claimed, outcome: Outcome, duration_ms: int) -> bool:
    """Write the outcome of an attempt and what follows in one transaction; False if the database no longer has it.

    The payload was sent, so a busy ledger must not lose the outcome.
    """
    now = runtime.clock.now()
    return runtime.database.write_again(lambda tx: _record(runtime, tx, claimed, outcome, now, duration_ms))


def _record(
    runtime: Runtime, tx: Transaction, claimed: Claimed, outcome: Outcome, now: datetime, duration_ms: int
) -> bool:
    transmission_id = claimed.transmission.transmission_id
    if isinstance(outcome, Failure):
        tx.configuration.get(lock=True)  # Before the transmission, in the order of every transaction.
    else:
        end_overlap_if_accepted(runtime, tx, claimed.api_key_id, now)
    if tx.transmissions.lock(transmission_id) is None:
        return False  # It was erased meanwhile, or an older copy of the database has taken the place of this one.
    attempt = {
        "finished_at": now,
        "state": state_after(outcome),
        "cause": cause_of(outcome),
        "response_code": outcome.response_code,
        "duplicate": isinstance(outcome, Accepted) and outcome.duplicate,
        "duration_ms": duration_ms,
    }
    body = claimed.sealed.body_sha256
    if not (
        tx.transmissions.finish_attempt(transmission_id, claimed.number, attempt, body)
        or _was_signed(runtime, tx, transmission_id, body)
    ):
        return False
    if isinstance(outcome, Accepted):
        _note_acceptance(runtime, tx, transmission_id, outcome, now, duration_ms)
        tx.exchanges.attempted(now, ok=True, cause=None)
    elif _note_failure(runtime, tx, claimed, outcome, now, duration_ms):
        # The process that took over the expired lease knows better.
        _note_exchange(tx, outcome, now)
    _note_answer(runtime, tx, claimed, outcome, now)
    runtime.failpoint(Failpoint.OUTCOME_WRITTEN)
    return True


def _was_signed(runtime: Runtime, tx: Transaction, transmission_id: UUID, body_sha256: str) -> bool:
    """Whether the ledger has the attempt, although someone has deleted its row."""
    signed = signed_claims(runtime, tx, transmission_id)
    return any(said["kind"] == Kind.ATTEMPT and said["body_sha256"] == body_sha256 for said in signed)


def _note_exchange(tx: Transaction, outcome: Failure, now: datetime) -> None:
    """Record a failure. Without a receipt, the connection works: only the proof is missing."""
    if outcome.cause is Cause.RECEIPT_MISSING:
        tx.exchanges.attempted(now, ok=True, cause=None, accepted=False)
    else:
        tx.exchanges.attempted(now, ok=False, cause=outcome.cause)


def _note_answer(runtime: Runtime, tx: Transaction, claimed: Claimed, outcome: Outcome, now: datetime) -> None:
    accepted = outcome if isinstance(outcome, Accepted) else None
    tx.ledger.note(
        now,
        SERVICE,
        Kind.ANSWERED,
        {
            "number": claimed.number,
            "state": state_after(outcome).value,
            "cause": None if accepted else cause_of(outcome),
            "code": outcome.response_code,
            "duplicate": accepted is not None and accepted.duplicate,
            "receipt": outcome.receipt if isinstance(outcome, Accepted | Held) else None,
            "receipt_expected": runtime.receipt_keys is not None,
            **notes_as_said(() if accepted is None else accepted.notes),
        },
        claimed.transmission.transmission_id,
    )


def notes_as_said(notes: Sequence[Note]) -> dict[str, Value]:
    """Return what an entry says about the parts of a response that were not used; nothing if there are none."""
    return {"notes": [note.value for note in notes]} if notes else {}


def _note_acceptance(
    runtime: Runtime, tx: Transaction, transmission_id: UUID, outcome: Accepted, now: datetime, duration_ms: int
) -> None:
    columns = {
        "accepted_at": now,
        "response_code": outcome.response_code,
        "receipt": outcome.receipt,
        "last_duration_ms": duration_ms,
    }
    if tx.transmissions.accept(transmission_id, columns):
        tx.extension_codes.accepted(transmission_id, now)
    note_license(runtime, tx, transmission_id, outcome.license, now, outcome.license_signed_at)


def note_license(
    runtime: Runtime,
    tx: Transaction,
    transmission_id: UUID,
    update: LicenseUpdate | None,
    now: datetime,
    as_of: datetime | None,
) -> None:
    """Take over the license posture that the License Server reported, if there is one and nothing newer is known.

    ``as_of`` is when it was signed; None if that is now.
    """
    if update is None:
        return
    distrust_older(runtime, tx)
    source = LicenseSource.LICENSE_SERVER
    change = tx.license.report(_reported(update), NO_POSTURE, source, now, None if as_of is None else min(as_of, now))
    if change is not None:
        tx.ledger.note(now, SERVICE, Kind.FACTS, of_license(change), transmission_id)


def _note_failure(
    runtime: Runtime, tx: Transaction, claimed: Claimed, outcome: Failure, now: datetime, duration_ms: int
) -> bool:
    """Release the claim with its outcome; False if the lease had expired and another process took it."""
    columns: dict[str, object] = {
        "state": state_after(outcome),
        "cause": outcome.cause,
        "response_code": outcome.response_code,
        "last_duration_ms": duration_ms,
        "next_attempt_at": None,
        "planned_at": now,
        "next_trigger": AttemptTrigger.TICK,
    }
    if isinstance(outcome, Retrying):
        attempts = claimed.transmission.attempts_made
        delay = runtime.retry_policy.delay(attempts, outcome.retry_after, runtime.random)
        columns |= {"next_attempt_at": now + delay, "next_trigger": AttemptTrigger.BACK_OFF}
    elif isinstance(outcome, Held) and (_key_changed(tx, claimed) or _old_key_follows(claimed, outcome)):
        # The key was changed during this attempt with the old one, so nothing else would make it due. Or the old key
        # follows at once.
        columns |= {"next_attempt_at": now, "next_trigger": AttemptTrigger.CONNECTION_CHANGED}
    if _prepare_again(runtime, tx, claimed, outcome, now):
        columns |= {"next_attempt_at": now, "next_trigger": AttemptTrigger.CONNECTION_CHANGED}
    return tx.transmissions.release(claimed.transmission.transmission_id, claimed.token, columns)


def _old_key_follows(claimed: Claimed, outcome: Held) -> bool:
    return claimed.old_key_follows and outcome.cause is Cause.API_KEY_NOT_ACCEPTED


def _prepare_again(runtime: Runtime, tx: Transaction, claimed: Claimed, outcome: Failure, now: datetime) -> bool:
    """Prepare the payload for a key, or the anonymization, that was saved while this attempt might still arrive.

    Likewise if the License Server itself refuses its customer under the present key: it was prepared under a mistyped
    one. Any other 403 says nothing about the customer.
    """
    reason = Reason.API_KEY_CHANGED if _key_changed(tx, claimed) else Reason.ANONYMIZED
    if isinstance(outcome, Held) and outcome.customer_refused and reason is not Reason.API_KEY_CHANGED:
        reason = Reason.REFUSED
    try:
        api_key = naming_key(runtime, tx, now) if reason is not Reason.REFUSED else _key_of(runtime, tx, claimed, now)
    except (NotConfiguredError, KeyUnusableError):
        return False
    transmission_id = claimed.transmission.transmission_id
    return prepare_one_again(runtime, tx, transmission_id, api_key, SERVICE, reason, claimed.number)


def _key_of(runtime: Runtime, tx: Transaction, claimed: Claimed, now: datetime) -> str:
    """Return the key that an attempt was made with, which is the present one or the one before."""
    old = read_overlap(runtime, tx, now)
    if old is not None and old.fact.key_id == claimed.api_key_id:
        return old.api_key
    return open_api_key(runtime, tx.configuration.sealed_api_key())


def _key_changed(tx: Transaction, claimed: Claimed) -> bool:
    # Locked: a concurrent save has already searched for held transmissions, and for payloads to prepare again.
    present = tx.configuration.get(lock=True).api_key
    return present is not None and present.key_id != claimed.present_key_id


def _reported(update: LicenseUpdate) -> dict[str, object]:
    return {
        "tier": Tier(update.tier),
        "license_status": LicenseStatus(update.license_status),
        "expires_at": update.expires_at,
    }
