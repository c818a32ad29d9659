"""The API key before the present one. It is still tried for a day, because both sides never switch at one moment.

Its successor, the end and a random number are sealed with it, and the ledger's entries say the number, and when the key
was destroyed. So anyone who can only write to the database can neither prolong the overlap nor bring an old key back.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_hex
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.configuration import ApiKeyFact, OldApiKeyFact, hint_of
from telemetry_service.domain.errors import KeyUnusableError, NotVerifiedYetError
from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.signed_numbers import known_numbers, signed_numbers
from telemetry_service.pipeline.verification import read_verification
from telemetry_service.sealing.identity import key_id
from telemetry_service.sealing.keyring import Place
from telemetry_service.storage.configuration import SealedApiKey
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.stamps import GONE, NUMBER_BYTES, OVERLAP, gone, is_gone

PURPOSE = "api-key-overlap"

LONGEST = timedelta(hours=24)
"""Long enough for the other side to follow the next day; an old key is a risk for as long as it is kept."""


class Ended(StrEnum):
    """Why an old key was destroyed."""

    ACCEPTED = "accepted"
    """A payload was accepted under the new one."""
    EXPIRED = "expired"
    REMOVED = "removed"
    REPLACED = "replaced"
    PUT_BACK = "put_back"
    """It was destroyed before, and someone has put its row back."""


@dataclass(frozen=True, slots=True)
class OldApiKey:
    """The key before the present one."""

    api_key: str = field(repr=False)
    successor: str
    """The ID of the present key."""
    until: datetime
    number: str | None
    """What entries call it; None if it was kept by a version without numbers."""

    @property
    def fact(self) -> OldApiKeyFact:
        """What may be shown of it."""
        return OldApiKeyFact(key_id(self.api_key), hint_of(self.api_key), self.until)


def read_overlap(runtime: Runtime, tx: Transaction, now: datetime) -> OldApiKey | None:
    """Return the old key if it is tried now."""
    sealed = tx.sealed_values.overlap()
    if sealed is None:
        return None
    return open_overlap(runtime, tx, sealed, tx.installation.sealed_for(), tx.configuration.get().api_key, now)


def open_overlap(
    runtime: Runtime,
    tx: Transaction,
    sealed: bytes | None,
    installation: UUID,
    present: ApiKeyFact | None,
    now: datetime,
) -> OldApiKey | None:
    """Return the old key if it is tried now.

    None if there is none, it cannot be opened, its time is over, it is not of this key, or it was destroyed.
    """
    old = _opened(runtime, sealed, installation)
    if old is None or present is None or old.successor != present.key_id:
        return None
    until = min(old.until, now + LONGEST)  # A clock that is set back must not prolong it.
    try:
        return replace(old, until=until) if until > now and _is_kept(runtime, tx, old) else None
    except NotVerifiedYetError:
        return None


def may_overlap(runtime: Runtime, tx: Transaction) -> bool:
    """Whether there is an old key, or one of which someone has taken the row away, to put it back later."""
    if tx.sealed_values.overlap() is not None:
        return True
    return not is_gone(_known_number(runtime, tx))


def _known_number(runtime: Runtime, tx: Transaction) -> str:
    return known_numbers(runtime, tx, read_verification(runtime, tx)).get(OVERLAP, GONE)


def begin_overlap(
    runtime: Runtime, tx: Transaction, before: SealedApiKey | None, new_key_id: str, now: datetime
) -> OldApiKey | None:
    """Keep the key that a new one replaces, and return it; None if nothing can overlap.

    If an older one still overlaps, it stays instead: under the key in between nothing was ever accepted.
    """
    if before is None or runtime.deployment.in_bundles:
        return None  # A bundle's refusal comes weeks later, and it is exported again under the present key.
    old = read_overlap(runtime, tx, now)
    try:
        kept = old.api_key if old else open_api_key(runtime, before)
    except KeyUnusableError:
        return None
    if key_id(kept) == new_key_id:
        return None  # Back to the key before.
    found = OldApiKey(kept, new_key_id, old.until if old else now + LONGEST, token_hex(NUMBER_BYTES))
    _keep(runtime, tx, found)
    tx.ledger.stamped(OVERLAP, found.number or gone(), _known_number(runtime, tx))
    return found


def end_overlap(runtime: Runtime, tx: Transaction, now: datetime, actor: Actor, reason: Ended) -> bool:
    """Destroy the old key; False if there is none."""
    if not may_overlap(runtime, tx):
        return False
    tx.sealed_values.destroy_overlap()
    tx.ledger.stamped(OVERLAP, gone(), _known_number(runtime, tx))
    tx.ledger.note(now, actor, Kind.KEY_OVERLAP_ENDED, {"reason": reason.value})
    return True


def naming_key(runtime: Runtime, tx: Transaction, now: datetime) -> str:
    """Return the API key that pseudonyms are made with: while two overlap, the old one.

    The License Server knows the pseudonyms under every key that the customer ever had, but not yet those of a key that
    it has not heard of. So such a payload can be sent under both.

    Raises:
        NotConfiguredError: no API key is stored.
        KeyUnusableError: the stored API key cannot be opened.
    """
    present, old = open_api_key(runtime, tx.configuration.sealed_api_key()), read_overlap(runtime, tx, now)
    return old.api_key if old else present


def _opened(runtime: Runtime, sealed: bytes | None, installation: UUID) -> OldApiKey | None:
    if sealed is None:
        return None
    try:
        said = json.loads(runtime.keys.open(sealed, Place(PURPOSE, installation)))
    except KeyUnusableError:
        return None  # As the doctor says; what cannot be opened is not destroyed.
    return OldApiKey(said["api_key"], said["successor"], datetime.fromisoformat(said["until"]), said.get("number"))


def _is_kept(runtime: Runtime, tx: Transaction, old: OldApiKey) -> bool:
    """Whether no entry says that it was destroyed, or replaced by another.

    Raises:
        NotVerifiedYetError: only the next sweep can tell.
    """
    return signed_numbers(runtime, tx, read_verification(runtime, tx)).get(OVERLAP) == old.number


def _keep(runtime: Runtime, tx: Transaction, old: OldApiKey) -> None:
    said = {**asdict(old), "until": rfc3339(old.until)}
    place = Place(PURPOSE, tx.installation.sealed_for())
    tx.sealed_values.keep_overlap(runtime.keys.seal(json.dumps(said).encode(), place))


def follow_overlap(runtime: Runtime, tx: Transaction, now: datetime) -> Ended | None:
    """Return why the old key must be destroyed; if the clock was set back since, let it end no later than planned."""
    old = _opened(runtime, tx.sealed_values.overlap(), tx.installation.sealed_for())
    present = tx.configuration.get().api_key
    if old is None:
        return None
    if present is None or old.successor != present.key_id:
        return Ended.REPLACED
    if old.until <= now:
        return Ended.EXPIRED
    if old.until > now + LONGEST:
        _keep(runtime, tx, replace(old, until=now + LONGEST))
    with suppress(NotVerifiedYetError):
        return None if _is_kept(runtime, tx, old) else Ended.PUT_BACK
    return None
