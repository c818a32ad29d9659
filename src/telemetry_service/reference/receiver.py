"""Processes a request: authenticates, opens, parses, validates and stores it, and signs a receipt."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785
from starlette.datastructures import Headers

from telemetry_service.domain.payload_schemas.check import Problem, check
from telemetry_service.domain.payload_schemas.published import PublishedSchemas, published
from telemetry_service.reference import strict_json
from telemetry_service.reference.authentication import ApiKey, Authenticated, authenticate
from telemetry_service.reference.derivation import pseudonym
from telemetry_service.reference.encryption import open_jwe
from telemetry_service.reference.journal import JournalEntry
from telemetry_service.reference.refusals import Reason, RefusalError
from telemetry_service.reference.store import Store, Verdict

_JSON = "application/json"
_JOSE = "application/jose"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A transmission in the journal; ``entry`` is the one that was accepted first."""

    entry: JournalEntry
    duplicate: bool


class Receiver:
    """Receives transmissions and connection tests."""

    def __init__(
        self,
        store: Store,
        *,
        require_encryption: bool,
        clock: Callable[[], float] = time.time,
        schemas: PublishedSchemas | None = None,
    ) -> None:
        """Store what is accepted in ``store``; ``clock`` returns Unix seconds.

        A payload of any of ``schemas`` is accepted; by default, of those that this version ships.
        """
        self._store = store
        self._schemas = schemas or published()
        self._require_encryption = require_encryption
        self._clock = clock

    def receive(self, headers: Headers, body: bytes, *, carried: bool = False) -> Acceptance:
        """Verify a transmission and store it; once this returns, it is on disk.

        One that a person ``carried`` here in a bundle may have any age.

        Raises:
            RefusalError: anything about it is not exactly right. Nothing was stored then.
        """
        now = self._clock()
        sender = authenticate(headers, body, self._store.find_key, None if carried else now)
        plaintext = self._open(sender, body)
        strict_json.require_canonical(plaintext)
        payload = self._validate(strict_json.parse(plaintext))
        self._check_customer(payload.get("customer_id"), sender.key)
        entry = JournalEntry(
            transmission_id=sender.transmission_id,
            customer_id=sender.key.customer_id,
            key_id=sender.key.key_id,
            received_at=_rfc3339(now),
            encrypted=sender.content_type == _JOSE,
            payload=plaintext,
            payload_sha256=hashlib.sha256(plaintext).hexdigest(),
            body_sha256=hashlib.sha256(body).hexdigest(),
            times_received=1,
            conflicts=0,
        )
        return self._enter(entry)

    def refuse_id_of_another(self, entry: JournalEntry) -> None:
        """Refuse an ID that another customer has used, which is wrong: see ``Faults.shared_ids``.

        Raises:
            RefusalError: another customer has used it.
        """
        for other in self._store.journal():
            if other.transmission_id == entry.transmission_id and other.customer_id != entry.customer_id:
                raise RefusalError(
                    Reason.ID_CONFLICT, transmission_id=str(other.transmission_id), body_sha256=other.body_sha256
                )

    def now(self) -> str:
        """Return the time here."""
        return _rfc3339(self._clock())

    def code_of(self, refusal: RefusalError, key_id: str) -> str:
        """Return why a transmission of a bundle is refused; a revoked key is named as one."""
        revoked = refusal.reason is Reason.KEY_UNKNOWN and self._store.is_revoked(key_id)
        return (Reason.KEY_REVOKED if revoked else refusal.reason).value

    def ping(self, headers: Headers, body: bytes) -> None:
        """Verify a connection test: like a transmission, with the body ``{}``.

        Raises:
            RefusalError: the API key is not accepted, or it is not a connection test.
        """
        sender = authenticate(headers, body, self._store.find_key, self._clock())
        if sender.content_type != _JSON:
            raise RefusalError(Reason.CONTENT_TYPE_UNSUPPORTED)
        if body != b"{}":
            raise RefusalError(Reason.PING_NOT_EMPTY)

    def _open(self, sender: Authenticated, body: bytes) -> bytes:
        match sender.content_type:
            case "application/jose":
                return open_jwe(body, sender.key.secret, sender.key.key_id)
            case "application/json" if self._require_encryption:
                raise RefusalError(Reason.ENCRYPTION_REQUIRED)
            case "application/json":
                return body
            case _:
                raise RefusalError(Reason.CONTENT_TYPE_UNSUPPORTED)

    def _validate(self, payload: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
        """Return the payload if one of the schemas allows it; else report the problems with the most similar one."""
        found = [check(schema, payload) for schema in self._schemas]
        if fewest := min(found, key=len):
            raise RefusalError(Reason.SCHEMA_VIOLATED, errors=_errors(fewest))
        valid: dict[str, Any] = payload
        return valid

    def _check_customer(self, named: object, key: ApiKey) -> None:
        """Require the customer of the key: unencrypted, or as a pseudonym.

        A stored payload keeps the pseudonym of the API key it was prepared with, but may be signed with a later one. So
        a pseudonym under any key this customer ever had is valid.
        """
        known = {pseudonym(known.secret, key.customer_id) for known in self._store.keys_of(key.customer_id)}
        if named not in known | {key.customer_id}:
            raise RefusalError(Reason.CUSTOMER_MISMATCH)

    def _enter(self, entry: JournalEntry) -> Acceptance:
        verdict, stored = self._store.record(entry, _content_sha256(entry.payload))
        if verdict is Verdict.CONFLICT:
            raise RefusalError(
                Reason.ID_CONFLICT, transmission_id=str(stored.transmission_id), body_sha256=stored.body_sha256
            )
        return Acceptance(stored, duplicate=verdict is Verdict.DUPLICATE)


def _errors(problems: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"field": problem.field, "problem": problem.violation} for problem in problems]


def _content_sha256(plaintext: bytes) -> str:
    """Return the digest of what all attempts of one transmission have in common."""
    content = {name: value for name, value in strict_json.parse(plaintext).items() if name != "transmitted_at"}
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def _rfc3339(unix_seconds: float) -> str:
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
