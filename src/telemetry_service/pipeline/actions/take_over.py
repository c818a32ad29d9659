"""Takes over what a version without a ledger left: its history becomes the first entries, marked as not proved.

Everything that this version needs is made of the old rows here, once, with the keys of the deployment: the bytes of
earlier attempts as evidence, as far as they can still be reproduced, and the payloads of waiting transmissions with the
customer named as in their last attempt that may have arrived.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError
from telemetry_service.domain.fact_entries import settings_as_said
from telemetry_service.domain.ledger import FIRST_PREV, Kind, Salted, Value, digest_of
from telemetry_service.domain.payload_schemas.published import published
from telemetry_service.domain.transmissions import Transmission
from telemetry_service.pipeline.announcement import announce
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.customer import adopt_customers
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.prepare_again import Reason, prepare_waiting_again
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.ledger_key import read_line
from telemetry_service.sealing.sealer import seal
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.ledger import Head, each_line
from telemetry_service.storage.legacy import OldAttempt

STEP = 200
"""Transmissions, or entries of the old activity list, in one transaction."""


def take_over(runtime: Runtime) -> None:
    """Begin the ledger with all that is there, in steps; safe to repeat, and in any number of replicas.

    Once the ledger says that it has begun, nothing more is taken over: a row that it does not know is forged.
    """
    with runtime.database.read() as tx:
        if _has_begun(runtime, tx):
            return
        first = not tx.legacy.ledger_was_lost()
    while _some_transmissions(runtime, first=first):
        pass
    while _some_activity(runtime, first=first):
        pass
    _begin(runtime, first=first)


def begin(runtime: Runtime, tx: Transaction, now: datetime) -> None:
    """Begin the ledger in the transaction that writes the first rows, or after everything was taken over."""
    announce(runtime, tx, now, first=True)
    tx.stamps.renew_all({}, tx.stamps.all())
    tx.ledger.note(now, SERVICE, Kind.BEGUN, {"settings": settings_as_said(tx.configuration.get().values)})


def _has_begun(runtime: Runtime, tx: Transaction) -> bool:
    """Whether the ledger has begun, or lines are missing, so that it may have begun."""
    if tx.legacy.ledger_was_emptied():
        return True
    if tx.ledger.of_kind(Kind.BEGUN) is not None:
        return True
    keys, before = runtime.ledger_keys(tx), Head(0, FIRST_PREV)
    for line in each_line(tx.ledger):
        said = read_line(line.line, keys)
        if said is None or (said["seq"], said["prev"]) != (before.seq + 1, before.sha256):
            return True
        if said["kind"] == Kind.BEGUN:
            return True
        before = Head(said["seq"], digest_of(line.line))
    return tx.ledger.head() != before


def _begin(runtime: Runtime, *, first: bool) -> None:
    """Prepare the waiting payloads under the present API key where nothing can have arrived, and begin the ledger."""
    with runtime.database.write() as tx:
        tx.periods.lock_open()
        if tx.ledger.of_kind(Kind.BEGUN) is not None:
            return
        _allow_key(tx, first=first)
        api_key = _api_key(runtime, tx)
        if api_key is not None:
            prepare_waiting_again(runtime, tx, api_key, SERVICE, Reason.TAKEN_OVER)
        begin(runtime, tx, runtime.clock.now())


def _allow_key(tx: Transaction, *, first: bool) -> None:
    if first:
        tx.ledger.begins()


def _some_transmissions(runtime: Runtime, *, first: bool) -> bool:
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        _allow_key(tx, first=first)
        tx.periods.lock_open()  # One replica at a time; the others then find nothing left.
        left = () if tx.ledger.of_kind(Kind.BEGUN) else tx.legacy.transmissions(STEP)
        adopt_customers(runtime, tx)
        api_key = _api_key(runtime, tx)
        for transmission_id in left:
            _take_over(tx, transmission_id, api_key, now)
    return bool(left)


def _take_over(tx: Transaction, transmission_id: UUID, api_key: str | None, now: datetime) -> None:
    transmission = tx.transmissions.get(transmission_id)
    assert transmission is not None  # noqa: S101 - it was found a statement ago
    attempts = tx.legacy.attempts(transmission_id)
    prepared = tx.evidence.get(transmission_id, transmission.prepared_sha256) or b""
    old = _Old(transmission, prepared, attempts)
    for attempt in attempts:
        old.keep_what_was_sent(tx, attempt, api_key)
    content = old.as_last_sent() if transmission.accepted_at is None else prepared
    digest = tx.evidence.keep(transmission_id, content)
    tx.transmissions.prepare_again(transmission_id, digest)
    tx.ledger.note(now, SERVICE, Kind.MIGRATED, old.described(digest), transmission_id)


@dataclass(frozen=True, slots=True)
class _Old:
    """A transmission of an older version."""

    transmission: Transmission
    prepared: bytes
    attempts: Sequence[OldAttempt]

    def keep_what_was_sent(self, tx: Transaction, attempt: OldAttempt, api_key: str | None) -> None:
        """Keep the bytes of an attempt if they come out as their digests say."""
        payload = self._payload_of(attempt)
        if payload is None or sha256_hex(payload) != attempt.payload_sha256:
            return
        transmission_id = self.transmission.transmission_id
        tx.evidence.keep(transmission_id, payload)
        if not attempt.encrypted or api_key is None or key_id(api_key) != attempt.key_id:
            return
        sealed = seal(payload, transmission_id, attempt.timestamp, api_key, encrypt=True, iv=attempt.iv)
        if sealed.body_sha256 == attempt.body_sha256:
            tx.evidence.keep(transmission_id, sealed.message.body)

    def as_last_sent(self) -> bytes:
        """Return the payload with the customer named as in the last attempt that may have arrived."""
        named = [attempt.customer_id for attempt in self.attempts if attempt.may_have_arrived]
        # Without a name, an attempt was made by a version with a ledger, before its schema was downgraded.
        return self._named(named[-1]) if named and named[-1] else self.prepared

    def described(self, digest: str) -> dict[str, Value]:
        """Return what the ledger says of it."""
        it = self.transmission
        return {
            "of": "transmission",
            "prepared_sha256": digest,
            "schema_sha256": published().released["0.1.0"],
            "records": it.records_sent,
            "period": {"opened_at": rfc3339(it.period_opened_at), "closed_at": rfc3339(it.period_closed_at)},
            "trigger": it.trigger.value,
            "state": it.state.value,
            "created_at": rfc3339(it.created_at),
            "accepted_at": None if it.accepted_at is None else rfc3339(it.accepted_at),
            "receipt": it.receipt,
            "attempts": [attempt.number for attempt in self.attempts],
            "may_have_arrived": any(attempt.may_have_arrived for attempt in self.attempts),
        }

    def _payload_of(self, attempt: OldAttempt) -> bytes | None:
        try:
            document = json.loads(self.prepared)
            said = {"customer_id": attempt.customer_id, "transmitted_at": attempt.transmitted_at}
            return canonical_json({**document, **said})
        except (ValueError, TypeError):
            return None

    def _named(self, customer_id: str) -> bytes:
        try:
            return canonical_json({**json.loads(self.prepared), "customer_id": customer_id})
        except (ValueError, TypeError):
            return self.prepared


def _some_activity(runtime: Runtime, *, first: bool) -> bool:
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        _allow_key(tx, first=first)
        tx.periods.lock_open()
        taken = tx.legacy.activity(STEP)
        for old in taken:
            said: dict[str, Value] = {
                "of": "activity",
                "action": old.action,
                "by": Salted(old.actor),
                "noted_at": rfc3339(old.at),
            }
            tx.ledger.note(now, SERVICE, Kind.MIGRATED, {**said, "details": old.details})
        tx.legacy.remove_activity([old.id for old in taken])
    return bool(taken)


def _api_key(runtime: Runtime, tx: Transaction) -> str | None:
    try:
        return open_api_key(runtime, tx.configuration.sealed_api_key())
    except (NotConfiguredError, KeyUnusableError):
        return None
