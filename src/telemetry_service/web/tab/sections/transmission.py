"""One transmission: what was sent, what proves it, every attempt in plain words, and what comes next."""

import json
from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.causes import EXPLANATIONS
from telemetry_service.domain.transmission_texts import CauseTexts
from telemetry_service.domain.transmissions import Attempt, State, Transmission
from telemetry_service.pipeline.queries.history import TransmissionDetail
from telemetry_service.pipeline.queries.proof import Proof
from telemetry_service.web.tab.filters import Moment, exact, moment, optional_moment, planned
from telemetry_service.web.tab.labels import ATTEMPT_STATUS, ATTEMPT_TRIGGER, STATUS, TRIGGER, Badge
from telemetry_service.web.tab.numbers import counted, duration, size
from telemetry_service.web.tab.sections.attempt_bytes import NOT_YET, departure, records_title
from telemetry_service.web.tab.sections.payload import FieldView, described, pretty


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try of the timeline."""

    number: int
    sign: Badge
    trigger: str
    started: Moment
    exact: str
    duration: str
    answer: str
    explanation: str | None
    """Why it was not accepted. What to do now is said once, for the transmission."""
    timestamp: int
    transmitted_at: str
    payload_sha256: str
    body_sha256: str
    body_size: str
    encrypted: bool
    body_gone: bool
    """Whether the API key that encrypted the body has been replaced, so that it cannot be made anew."""
    key_id: str
    files_title: str
    body_words: str


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """What the License Server has signed."""

    sign: Badge
    words: str
    token: str | None


@dataclass(frozen=True, slots=True)
class TransmissionView:
    """What the drawer shows."""

    transmission_id: str
    status: Badge
    finer: str
    created: Moment
    period: str
    trigger: str
    records: str
    records_title: str
    attempts_made: str
    accepted: Moment | None
    explanation: CauseTexts | None
    next_attempt: Moment | None
    no_next_attempt: str | None
    """When it is tried again, where that has no moment; None where it has one or needs none."""
    in_flight: bool
    can_retry: bool
    retry_barred: str | None
    receipt: ReceiptView | None
    attempts: tuple[AttemptView, ...]
    """The latest first."""
    sent_title: str
    """What the payload below is: sent, perhaps sent, not sent."""
    payload: str
    """Indented for reading."""
    payload_exact: str | None
    """As the latest attempt sent it, in one line; None before the first."""
    payload_size: str | None
    fields: tuple[FieldView, ...]
    payload_note: str
    proof: Badge | None
    """Whether the bytes that the latest attempt sent could be made again."""


def transmission_view(detail: TransmissionDetail, proof: Proof | None, key_id: str | None) -> TransmissionView:
    """Return the drawer's content; ``proof`` is the latest attempt's, None before the first.

    ``key_id`` is that of the present API key, None where there is none.
    """
    found, attempts, words, now = detail.transmission, detail.attempts, detail.texts, detail.situation.now
    payload = json.loads(proof.payload if proof else found.payload)
    return TransmissionView(
        transmission_id=str(found.transmission_id),
        status=STATUS[words.status],
        finer=words.finer,
        created=moment(found.created_at, now),
        period=f"{exact(found.period_opened_at)} to {exact(found.period_closed_at)}",
        trigger=TRIGGER[found.trigger],
        records=counted(found.records_sent, "audit event"),
        records_title=records_title(attempts),
        attempts_made=counted(found.attempts_made, "attempt"),
        accepted=optional_moment(found.accepted_at, now),
        explanation=words.cause,
        next_attempt=planned(words.next_attempt_at, now),
        no_next_attempt=words.next_attempt_note,
        in_flight=words.in_flight,
        can_retry=words.can_retry,
        retry_barred=words.retry_barred.text if words.retry_barred else None,
        receipt=_receipt(found),
        attempts=tuple(_attempt(attempt, now, key_id) for attempt in reversed(attempts)),
        sent_title=departure(attempts[-1]).title if attempts else NOT_YET,
        payload=pretty(payload),
        payload_exact=proof.payload.decode() if proof else None,
        payload_size=size(len(proof.payload)) if proof else None,
        fields=described(payload),
        payload_note=_payload_note(attempts),
        proof=_proof(proof) if proof else None,
    )


def _attempt(attempt: Attempt, now: datetime, key_id: str | None) -> AttemptView:
    words = departure(attempt)
    return AttemptView(
        number=attempt.number,
        sign=_attempt_sign(attempt),
        trigger=ATTEMPT_TRIGGER[attempt.trigger],
        started=moment(attempt.started_at, now),
        exact=exact(attempt.started_at),
        duration=duration(attempt.duration_ms),
        answer=f"HTTP {attempt.response_code}" if attempt.response_code else words.answer,
        explanation=EXPLANATIONS[attempt.cause].sentence if attempt.cause else None,
        timestamp=attempt.timestamp,
        transmitted_at=attempt.transmitted_at,
        payload_sha256=attempt.payload_sha256,
        body_sha256=attempt.body_sha256,
        body_size=size(attempt.body_bytes),
        encrypted=attempt.encrypted,
        body_gone=attempt.encrypted and attempt.key_id != key_id,
        key_id=attempt.key_id,
        files_title=words.files,
        body_words=words.body,
    )


def _attempt_sign(attempt: Attempt) -> Badge:
    if attempt.state is State.SUCCESS and attempt.duplicate:
        return Badge("Success: already received", "check", "good")
    return ATTEMPT_STATUS[attempt.state]


def _receipt(found: Transmission) -> ReceiptView | None:
    if found.state is not State.SUCCESS:
        return None
    match found.receipt, found.receipt_verified:
        case _, True:
            words = "Signed by the License Server and verified with the pinned public key."
            return ReceiptView(Badge("Verified", "check", "good"), words, found.receipt)
        case _, False:
            words = "Accepted without a valid receipt, although this deployment pins a public key."
            return ReceiptView(Badge("Unverified", "warning", "warn"), words, found.receipt)
        case None, None:
            return ReceiptView(Badge("None", "dash", "quiet"), "The License Server sent no receipt.", None)
        case _:
            words = (
                "Kept but not verified. To verify receipts, set TELEMETRY_LICENSE_SERVER_PUBLIC_KEY in the deployment."
            )
            return ReceiptView(Badge("Not checked", "dash", "quiet"), words, found.receipt)


def _proof(proof: Proof) -> Badge:
    if not proof.payload_matches or proof.body_matches is False:
        return Badge("Not verified: a digest differs from the one recorded. Contact support.", "cross", "bad")
    if proof.body_matches is None:
        words = (
            "Verified: the payload matches the digest recorded before sending. The body can’t be checked because"
            " its API key was replaced."
        )
        return Badge(words, "check", "good")
    return Badge("Verified: matches the digests recorded before sending.", "check", "good")


def _payload_note(attempts: tuple[Attempt, ...]) -> str:
    if not attempts:
        return "Not sent yet. Each attempt adds its own transmitted_at."
    latest = attempts[-1]
    form = "encrypted" if latest.encrypted else "not encrypted, protected by TLS"
    return f"{departure(latest).note} attempt {latest.number}, {form}. Each attempt has its own transmitted_at."
