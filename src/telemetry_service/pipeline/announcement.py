"""Announces the schema of this version: what it adds or widens is sent only once it was announced long enough.

It is compared with the schema that was settled last, and never with one that still waits itself.
"""

from datetime import datetime

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.payload_schemas.difference import Change, ChangeKind, adds_or_widens, difference
from telemetry_service.domain.payload_schemas.schema import PayloadSchema
from telemetry_service.domain.release import Announced, NewField, notice_of
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.signed_numbers import known_numbers
from telemetry_service.pipeline.verification import read_verification
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.stamps import ANNOUNCED, is_gone

_NEW = frozenset({ChangeKind.ADDED, ChangeKind.WIDENED})


def announce(runtime: Runtime, tx: Transaction, now: datetime, *, first: bool = False) -> Announced:
    """Return the current schema as it was announced; announce it now if it was not.

    The ``first`` one ever counts as settled, and so does one that allows nothing that the last settled one does not. A
    row that someone else has changed counts for nothing, and while there is such a row, or one is missing, everything
    counts as new: it may be the one that was settled last.
    """
    current = runtime.schemas.current
    earlier = _end_notices(runtime, tx, now)
    known = next((each for each in earlier if each.schema_sha256 == current.sha256), None)
    if known is not None:
        return known
    settled = _settled(runtime, earlier)
    # A schema that only a newer version knows cannot be compared with, so everything counts as new.
    waits = not first and (settled is None or adds_or_widens(settled, current) or _one_is_hidden(runtime, tx))
    tx.announced_schemas.add(Announced(current.sha256, now, None if waits else now))
    if waits:
        until = notice_of(runtime.deployment.release, Announced(current.sha256, now, None))
        log_event(Event.NEW_FIELD_ANNOUNCED, due=None if until is None else rfc3339(until))
    # Another replica may have announced it, or someone else has changed its row: then it waits.
    return announcement_of(runtime, tx, current.sha256) or Announced(current.sha256, now, None)


def say_announced(runtime: Runtime, tx: Transaction) -> None:
    """Let the next entry say the numbers of these rows as far as none does, so that no one can hide one of them."""
    known = known_numbers(runtime, tx, read_verification(runtime, tx))
    for _, stamped in tx.announced_schemas.stamped():
        if stamped.name not in known and runtime.signer.is_intact(stamped):
            tx.ledger.stamped(stamped.name, stamped.number)


def _one_is_hidden(runtime: Runtime, tx: Transaction) -> bool:
    stamped = {it.name: it for _, it in tx.announced_schemas.stamped()}
    if not all(map(runtime.signer.is_intact, stamped.values())):
        return True
    known = known_numbers(runtime, tx, read_verification(runtime, tx))
    return any(ANNOUNCED.is_named(name) and not is_gone(known[name]) for name in known.keys() - stamped.keys())


def announcement_of(runtime: Runtime, tx: Transaction, schema_sha256: str) -> Announced | None:
    """Return a schema as this installation has announced it; None if it has not."""
    return next((each for each in announced_schemas(runtime, tx) if each.schema_sha256 == schema_sha256), None)


def announced_schemas(runtime: Runtime, tx: Transaction) -> tuple[Announced, ...]:
    """Return the schemas whose rows no one else has changed."""
    rows = tx.announced_schemas.stamped()
    return tuple(announced for announced, stamped in rows if runtime.signer.is_intact(stamped))


def _end_notices(runtime: Runtime, tx: Transaction, now: datetime) -> tuple[Announced, ...]:
    """Settle the schemas whose notice is over, whether a payload waited for that or not; return every schema."""
    announced = announced_schemas(runtime, tx)
    over = [each for each in announced if each.settled_at is None and notice_is_over(runtime, each, now)]
    for each in over:
        tx.announced_schemas.settle(each.schema_sha256, now)
    return announced_schemas(runtime, tx) if over else announced


def notice_is_over(runtime: Runtime, announced: Announced, now: datetime) -> bool:
    """Whether the notice of a schema is over, if that releases anything."""
    until = notice_of(runtime.deployment.release, announced)
    return until is not None and until <= now


def new_field_of(runtime: Runtime, tx: Transaction, announced: Announced | None, now: datetime) -> NewField | None:
    """Return what the current schema adds or widens, as long as its payloads wait for that."""
    if announced is None or announced.settled_at is not None or notice_is_over(runtime, announced, now):
        return None
    until = notice_of(runtime.deployment.release, announced)
    changes = changes_since_settled(runtime, tx, announced.schema_sha256)
    return NewField(tuple(dict.fromkeys(change.field for change in changes if change.kind in _NEW)), until)


def changes_since_settled(runtime: Runtime, tx: Transaction, schema_sha256: str) -> tuple[Change, ...]:
    """Return field by field how a schema differs from the one that was settled last."""
    schema = runtime.schemas.get(schema_sha256)
    settled = _settled(runtime, announced_schemas(runtime, tx))
    return () if schema is None or settled is None else difference(settled, schema)


def _settled(runtime: Runtime, announced: tuple[Announced, ...]) -> PayloadSchema | None:
    """Return the schema that was settled last, of those that this version knows."""
    known = (runtime.schemas.get(each.schema_sha256) for each in announced if each.settled_at is not None)
    return next((schema for schema in known if schema is not None), None)
