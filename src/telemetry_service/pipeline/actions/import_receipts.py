"""Imports the receipts of a bundle, one by one, each only under a pinned key. Safe to repeat, and in parts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from telemetry_service.domain.actor import SERVICE, Actor
from telemetry_service.domain.bundle import MOST
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError, ReceiptKeyMissingError
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.license_update import read_license
from telemetry_service.domain.outcome import Held, Note
from telemetry_service.domain.receipt import claims_of_receipt, claims_of_refusal, signed_at
from telemetry_service.domain.receipts_file import (
    ImportedToken,
    ImportReport,
    ImportResult,
    ReceiptsFile,
    outcome_of_refusal,
)
from telemetry_service.domain.transmissions import Attempt, State, state_after
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.actions.put_back import put_back_accepted
from telemetry_service.pipeline.claims import signed_claims
from telemetry_service.pipeline.prepared import says_accepted
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.prepare_again import Reason, prepare_one_again
from telemetry_service.pipeline.stages.record_outcome import note_license, notes_as_said
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.sealing.receipt import ReceiptKeys


def import_receipts(runtime: Runtime, file: ReceiptsFile, actor: Actor) -> ImportReport:
    """Import what the License Server signed; return what became of each receipt and each refusal.

    Raises:
        ReceiptKeyMissingError: no key of the License Server is pinned.
    """
    pinned = runtime.receipt_keys
    if pinned is None:
        raise ReceiptKeyMissingError
    named = [(token, False) for token in file.receipts] + [(token, True) for token in file.refused]
    report = ImportReport(tuple(_in_steps(runtime, pinned, named, actor)))
    log_event(
        Event.RECEIPTS_IMPORTED,
        actor=actor.label,
        accepted=report.accepted,
        refused=report.refused,
        ignored=report.ignored + report.known,
    )
    return report


def _in_steps(
    runtime: Runtime, pinned: ReceiptKeys, named: Sequence[tuple[str, bool]], actor: Actor
) -> Iterator[ImportedToken]:
    """Import as many at a time as a bundle has at most, so that no transaction becomes too long."""
    for step in _steps(named):
        now = runtime.clock.now()
        with runtime.database.write() as tx:
            tx.periods.lock_open()  # One import at a time: what is known then is known to both.
            importing = _Import(Snapshot(runtime, tx, now), pinned, actor)
            part = ImportReport(
                tuple(importing.refusal(token) if refused else importing.receipt(token) for token, refused in step)
            )
            importing.note_exchange()
            if part.accepted or part.refused:
                said: dict[str, Value] = {
                    "accepted": part.accepted,
                    "refused": part.refused,
                    "ignored": part.ignored,
                    "known": part.known,
                }
                tx.ledger.note(now, actor, Kind.IMPORTED, said)
        yield from part.tokens


def _steps(named: Sequence[tuple[str, bool]]) -> Iterator[Sequence[tuple[str, bool]]]:
    yield from (named[start : start + MOST] for start in range(0, len(named), MOST))


class _Import:
    """Judges and records one token at a time."""

    def __init__(self, snapshot: Snapshot, pinned: ReceiptKeys, actor: Actor) -> None:
        self._actor, self._snapshot, self._tx, self._now = actor, snapshot, snapshot.tx, snapshot.now
        self._pinned = pinned
        self._causes: list[Cause | None] = []
        """Why each attempt that has ended by now was not accepted; None if it was."""

    def note_exchange(self) -> None:
        """Record the latest outcome: last, as every transaction does."""
        if self._causes:
            cause = None if None in self._causes else self._causes[-1]
            self._tx.exchanges.attempted(self._now, ok=cause is None, cause=cause)

    def receipt(self, token: str) -> ImportedToken:
        """Record an acceptance, if the receipt is genuine and for a payload that was sent."""
        claims = claims_of_receipt(token)
        doubt = self._doubt(token, claims)
        if claims is None or doubt is not None:
            return ImportedToken(doubt or ImportResult.MALFORMED)
        transmission_id = UUID(claims["transmission_id"])
        attempts = self._attempts(transmission_id)
        answered = next((it for it in attempts if it.payload_sha256 == claims["payload_sha256"]), None)
        if answered is None:
            return ImportedToken(self._unknown(transmission_id), transmission_id)
        update, notes = read_license(claims.get("license"))
        if not self._accept(transmission_id, answered, token, notes):
            return ImportedToken(ImportResult.KNOWN, transmission_id)
        runtime = self._snapshot.runtime
        note_license(runtime, self._tx, transmission_id, update, self._now, signed_at(claims))
        return ImportedToken(ImportResult.ACCEPTED, transmission_id)

    def refusal(self, token: str) -> ImportedToken:
        """Record a refusal, if it is genuine and the attempt that it means still waits for its receipt."""
        claims = claims_of_refusal(token)
        doubt = self._doubt(token, claims)
        if claims is None or doubt is not None:
            return ImportedToken(doubt or ImportResult.MALFORMED)
        transmission_id, code = UUID(claims["transmission_id"]), claims["code"]
        attempts = self._attempts(transmission_id)
        body = claims.get("body_sha256")
        meant = [it for it in attempts if body in {None, it.body_sha256}]
        if not meant:
            return ImportedToken(self._unknown(transmission_id), transmission_id)
        if meant[-1].state is not State.EXPORTED or self._has_refusal(transmission_id, token):
            return ImportedToken(ImportResult.KNOWN, transmission_id)
        self._refuse(transmission_id, meant[-1], token, code, latest=meant[-1] is attempts[-1])
        return ImportedToken(ImportResult.REFUSED, transmission_id, code)

    def _attempts(self, transmission_id: UUID) -> Sequence[Attempt]:
        """Return the attempts of a transmission, which no one else changes or erases meanwhile."""
        known = self._tx.transmissions.lock(transmission_id)
        return () if known is None else self._tx.transmissions.attempts(transmission_id)

    def _doubt(self, token: str, claims: Mapping[str, Any] | None) -> ImportResult | None:
        if claims is None:
            return ImportResult.MALFORMED
        return None if self._pinned.signed(token) else ImportResult.FORGED

    def _unknown(self, transmission_id: UUID) -> ImportResult:
        known = self._tx.transmissions.get(transmission_id) is not None
        return ImportResult.NOT_SENT if known else ImportResult.FOREIGN

    def _accept(self, transmission_id: UUID, answered: Attempt, token: str, notes: Sequence[Note]) -> bool:
        tx, now = self._tx, self._now
        if put_back_accepted(self._snapshot.runtime, tx, transmission_id, self._actor):
            return False
        columns = {"accepted_at": now, "response_code": None, "receipt": token, "last_duration_ms": None}
        if not tx.transmissions.accept(transmission_id, columns) and self._has_ended(transmission_id):
            return False  # Someone may have written into its row that it had ended, and could take that back.
        tx.extension_codes.accepted(transmission_id, now)
        ended = {"finished_at": now, "state": State.SUCCESS, "cause": None}
        tx.transmissions.finish_attempt(transmission_id, answered.number, ended, answered.body_sha256)
        self._causes.append(None)
        said: dict[str, Value] = {"number": answered.number, "state": State.SUCCESS.value, "receipt": token}
        self._note(transmission_id, {**said, **notes_as_said(notes)})
        return True

    def _has_ended(self, transmission_id: UUID) -> bool:
        signed = signed_claims(self._snapshot.runtime, self._tx, transmission_id)
        return says_accepted(signed) or any(said["kind"] == Kind.WITHDRAWN for said in signed)

    def _refuse(self, transmission_id: UUID, answered: Attempt, token: str, code: str, *, latest: bool) -> None:
        tx, now, outcome = self._tx, self._now, outcome_of_refusal(code)
        state = state_after(outcome)
        if latest:
            tx.transmissions.refuse_exported(transmission_id, state, outcome.cause)
        ended = {"finished_at": now, "state": state, "cause": outcome.cause}
        tx.transmissions.finish_attempt(transmission_id, answered.number, ended, answered.body_sha256)
        self._causes.append(outcome.cause)
        said: dict[str, Value] = {"number": answered.number, "state": state.value, "cause": outcome.cause.value}
        self._note(transmission_id, {**said, "refusal": token, "refusal_code": code})
        if latest and isinstance(outcome, Held) and outcome.customer_refused:
            self._prepare_again(transmission_id, answered)

    def _prepare_again(self, transmission_id: UUID, refused: Attempt) -> None:
        """Prepare a payload again whose customer was refused under the present key: that of a mistyped one."""
        snapshot = self._snapshot
        with suppress(NotConfiguredError, KeyUnusableError):
            if key_id(snapshot.api_key) == refused.key_id:
                arguments = (transmission_id, snapshot.api_key, SERVICE, Reason.REFUSED, refused.number)
                prepare_one_again(snapshot.runtime, self._tx, *arguments)

    def _has_refusal(self, transmission_id: UUID, token: str) -> bool:
        """Whether it was imported before: one that names no body could be meant for an earlier attempt."""
        lines = self._tx.ledger.of_transmission(transmission_id)
        return any(unverified(line.line).get("refusal") == token for line in lines if line.kind == Kind.ANSWERED)

    def _note(self, transmission_id: UUID, said: Mapping[str, Value]) -> None:
        usual: dict[str, Value] = {"cause": None, "code": None, "duplicate": False, "receipt": None}
        self._tx.ledger.note(
            self._now, SERVICE, Kind.ANSWERED, {**usual, "receipt_expected": True, **said}, transmission_id
        )
