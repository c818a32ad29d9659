"""Delivers transmissions: claim, seal, send, note the outcome. No transaction is open while it sends.

At-least-once delivery under one id for ever is counted exactly once by the License Server. A claim
is a lease: a crash gives the transmission back when it ends.
"""

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from telemetry_service.domain.clock import rfc3339, time_ordered_id
from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError, PayloadContradictionError
from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.license import NO_POSTURE
from telemetry_service.domain.outcome import Accepted, Cause, Failure, Held, LicenseNews, Outcome, Rejected, Retrying
from telemetry_service.domain.payload import LicenseStatus, PreparedPayload, Tier
from telemetry_service.domain.transmissions import (
    Attempt,
    AttemptTrigger,
    Contact,
    State,
    Transmission,
    cause_of,
    state_after,
)
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.installation import Installation, Milestone
from telemetry_service.pipeline.prepare import complete
from telemetry_service.sealing.sealer import Sealed, seal
from telemetry_service.storage.database import Transaction

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Claimed:
    transmission: Transmission
    token: UUID
    number: int
    sealed: Sealed
    known_bodies: frozenset[str]
    known_payloads: frozenset[str]
    api_key_id: str


def deliver_due(installation: Installation) -> int:
    """Send what is due, oldest first; return how many attempts were made.

    A transmission that fails never blocks the ones behind it. Only where no connection can be had
    at all does the round end early: the others would meet the same, and each wait for its deadline.
    """
    attempts = 0
    with installation.database.read() as tx:
        due = tx.transmissions.due(installation.clock.now(), installation.retry_policy.longest)
    for transmission_id in due:
        outcome = deliver(installation, transmission_id)
        attempts += outcome is not None
        if (
            isinstance(outcome, Failure)
            and outcome.response_code is None
            and outcome.cause is not Cause.PAYLOAD_INVALID
        ):
            break
    return attempts


def deliver(installation: Installation, transmission_id: UUID, trigger: AttemptTrigger | None = None) -> Outcome | None:
    """Make one attempt; None where somebody else has the claim, or nothing may be sent at this time.

    ``trigger`` is what to note as its cause. Without one this is the attempt that was planned, and it is made only
    if the transmission is due: of several replicas that saw it due, one makes it.
    """
    try:
        claimed = _claim(installation, transmission_id, trigger)
    except PayloadContradictionError:
        return _set_aside(installation, transmission_id)
    if claimed is None or installation.client is None:
        return None
    installation.reached(Milestone.CLAIMED)
    if not claimed.transmission.in_flight(installation.clock.now()):
        return None  # This process was stopped for longer than its lease: somebody else may be sending by now.
    began = time.monotonic()
    outcome = installation.client.transmit(claimed.sealed.message, claimed.known_bodies, installation.clock.now())
    duration_ms = int((time.monotonic() - began) * 1000)
    installation.reached(Milestone.SENT)
    outcome = _check_receipt(installation, claimed, outcome)
    _note(installation, claimed, outcome, duration_ms)
    installation.reached(Milestone.OUTCOME_COMMITTED)
    return outcome


def _claim(installation: Installation, transmission_id: UUID, trigger: AttemptTrigger | None) -> _Claimed | None:
    """Take the lease and write the attempt, with the digests of what it will send, in one transaction."""
    now = installation.clock.now()
    token = time_ordered_id(now)
    with installation.database.write() as tx:
        configuration = tx.configuration.get()
        if not installation.enabled(configuration) or installation.client is None:
            return None
        try:
            api_key = open_api_key(installation, tx)
        except (NotConfiguredError, KeyUnusableError):
            return None  # Health says which; the transmission stays due.
        due_within = installation.retry_policy.longest if trigger is None else None
        if not tx.transmissions.claim(transmission_id, token, now, due_within):
            return None
        transmission = tx.transmissions.get(transmission_id)
        assert transmission is not None  # noqa: S101 - it was claimed a statement ago
        sealed = _seal(transmission, api_key, now, encrypt=configuration.values.encrypt_payload)
        earlier = tx.transmissions.attempts(transmission_id)
        attempt = _attempt(transmission, sealed, trigger or tx.transmissions.next_trigger(transmission_id), now)
        tx.transmissions.begin_attempt(transmission_id, attempt)
    known = (*earlier, attempt)
    return _Claimed(
        transmission=transmission,
        token=token,
        number=attempt.number,
        sealed=sealed,
        known_bodies=frozenset(a.body_sha256 for a in known),
        known_payloads=frozenset(a.payload_sha256 for a in known),
        api_key_id=attempt.key_id,
    )


def _seal(transmission: Transmission, api_key: str, now: datetime, *, encrypt: bool) -> Sealed:
    try:
        payload = complete(PreparedPayload.model_validate_json(transmission.payload), now)
    except ValidationError:
        raise PayloadContradictionError from None
    return seal(payload, transmission.transmission_id, int(now.timestamp()), api_key, encrypt)


def _attempt(transmission: Transmission, sealed: Sealed, trigger: AttemptTrigger, now: datetime) -> Attempt:
    return Attempt(
        number=transmission.attempts_made,
        trigger=trigger,
        started_at=now,
        finished_at=None,
        transmitted_at=rfc3339(now),
        timestamp=sealed.message.timestamp,
        payload_sha256=sealed.payload_sha256,
        body_sha256=sealed.body_sha256,
        body_bytes=len(sealed.message.body),
        encrypted=sealed.encrypted,
        iv=sealed.iv,
        key_id=sealed.message.key_id,
        state=State.PENDING,
        cause=None,
        response_code=None,
        duplicate=False,
        duration_ms=None,
    )


def _check_receipt(installation: Installation, claimed: _Claimed, outcome: Outcome) -> Outcome:
    """Verify the receipt where a key is pinned; without a valid one the license news are not believed."""
    if not isinstance(outcome, Accepted) or installation.receipt_key is None:
        return outcome
    transmission_id = claimed.transmission.transmission_id
    verified = outcome.receipt is not None and installation.receipt_key.verify(
        outcome.receipt, transmission_id, claimed.known_payloads
    )
    return replace(outcome, receipt_verified=verified, license=outcome.license if verified else None)


def _note(installation: Installation, claimed: _Claimed, outcome: Outcome, duration_ms: int) -> None:
    now = installation.clock.now()
    transmission_id = claimed.transmission.transmission_id
    with installation.database.write() as tx:
        attempt = {
            "finished_at": now,
            "state": state_after(outcome),
            "cause": cause_of(outcome),
            "response_code": outcome.response_code,
            "duplicate": isinstance(outcome, Accepted) and outcome.duplicate,
            "duration_ms": duration_ms,
        }
        tx.transmissions.finish_attempt(transmission_id, claimed.number, attempt)
        if isinstance(outcome, Accepted):
            _note_acceptance(tx, transmission_id, outcome, now, duration_ms)
            tx.contacts.attempted(Contact(now, ok=True, cause=None))
        elif _note_failure(installation, tx, claimed, outcome, now, duration_ms):
            # Whoever took over a lease that had ended knows better than the one who lost it.
            tx.contacts.attempted(Contact(now, ok=False, cause=cause_of(outcome)))
        installation.reached(Milestone.OUTCOME_WRITTEN)


def _note_acceptance(
    tx: Transaction, transmission_id: UUID, outcome: Accepted, now: datetime, duration_ms: int
) -> None:
    columns = {
        "accepted_at": now,
        "response_code": outcome.response_code,
        "receipt": outcome.receipt,
        "receipt_verified": outcome.receipt_verified,
        "last_duration_ms": duration_ms,
    }
    if tx.transmissions.accept(transmission_id, columns):
        tx.extension_codes.accepted(transmission_id, now)
    if outcome.license is not None:
        tx.license.put(_with_news(tx.license.get(lock=True) or NO_POSTURE, outcome.license))


def _note_failure(
    installation: Installation, tx: Transaction, claimed: _Claimed, outcome: Failure, now: datetime, duration_ms: int
) -> bool:
    """Give the claim back with what came of it; False where the lease had ended and somebody else took it."""
    columns: dict[str, object] = {
        "state": state_after(outcome),
        "cause": outcome.cause,
        "response_code": outcome.response_code,
        "last_duration_ms": duration_ms,
        "next_attempt_at": None,
        "next_trigger": AttemptTrigger.TICK,
    }
    if isinstance(outcome, Retrying):
        attempts = claimed.transmission.attempts_made
        delay = installation.retry_policy.delay(attempts, outcome.retry_after, installation.random)
        columns |= {"next_attempt_at": now + delay, "next_trigger": AttemptTrigger.BACK_OFF}
    elif isinstance(outcome, Held) and _key_changed(tx, claimed):
        # The key was changed while this attempt was on its way with the old one: nobody would wake it.
        columns |= {"next_attempt_at": now, "next_trigger": AttemptTrigger.CONNECTION_CHANGED}
    return tx.transmissions.release(claimed.transmission.transmission_id, claimed.token, columns)


def _key_changed(tx: Transaction, claimed: _Claimed) -> bool:
    # Locked: a key that is being changed at this moment has looked for what is held already.
    present = tx.configuration.get(lock=True).api_key
    return present is not None and present.key_id != claimed.api_key_id


def _with_news(posture: LicensePosture, news: LicenseNews) -> LicensePosture:
    told = {
        "tier": Tier(news.tier),
        "license_status": LicenseStatus(news.license_status),
        "expires_at": news.expires_at,
    }
    return posture.model_copy(update=told)


def _set_aside(installation: Installation, transmission_id: UUID) -> Outcome:
    """Keep a transmission whose stored payload is not valid any more: visible, and out of the others' way."""
    _log.error("a stored payload is not valid any more and was not sent")
    now = installation.clock.now()
    token = time_ordered_id(now)
    outcome = Rejected(Cause.PAYLOAD_INVALID)
    with installation.database.write() as tx:
        if tx.transmissions.claim(transmission_id, token, now):
            columns = {"state": State.REJECTED, "cause": outcome.cause, "next_attempt_at": None}
            tx.transmissions.release(transmission_id, token, columns)
    return outcome
