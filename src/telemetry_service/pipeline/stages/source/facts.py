"""Takes over the registry of bouncers and the redeemed extension codes of the source.

The registry follows the view: a bouncer that it no longer has is removed, or is again what was reported of it. Codes
are idempotent by their IDs, so repeating them changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.code_pattern import matches_whole
from telemetry_service.domain.fact_entries import of_bouncer, of_code
from telemetry_service.domain.facts import MAX_WAITING_CODES, BouncerRegistration, ExtensionCode
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.source import CODES
from telemetry_service.domain.source_errors import SourceFullError, SourceRowRefusedError
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction

T = TypeVar("T")

MAX_CODES = 100_000
"""The latest codes that a look reads."""

_CHUNK = 1_000
"""Changes in one transaction."""


def read_facts(runtime: Runtime) -> None:
    """Read both views and take over what has changed.

    Raises:
        SourceError: a view cannot be read, or a row cannot be taken over.
    """
    assert runtime.source is not None  # noqa: S101 - the caller has asked
    with runtime.source.look() as look:
        bouncers = look.bouncers(runtime.deployment.max_bouncers)
        codes = look.codes(MAX_CODES)
    _follow_registry(runtime, bouncers)
    _redeem(runtime, codes)
    _note_shared(runtime)


def _follow_registry(runtime: Runtime, found: dict[str, BouncerRegistration]) -> None:
    with runtime.database.read() as tx:
        known = {
            it.bouncer_id: BouncerRegistration(environment=it.environment, pair_id=it.pair_id)
            for it in tx.bouncers.all()
        }
        ours = tx.source_bouncers.all().keys()
    changed = sorted(name for name in found if known.get(name) != found[name] or name not in ours)
    for chunk in _chunks(changed):
        with runtime.database.write() as tx:
            if not tx.bouncers.room_for(chunk, runtime.deployment.max_bouncers):
                raise SourceFullError
            for name in chunk:
                _register(runtime, tx, name, found[name])
    for chunk in _chunks(sorted(ours - found.keys())):
        with runtime.database.write() as tx:
            tx.bouncers.lock()
            theirs = tx.source_bouncers.all()
            for name in chunk:
                if name in theirs:  # Another replica may have been faster.
                    _remove(runtime, tx, name, theirs[name])


def _register(runtime: Runtime, tx: Transaction, bouncer_id: str, registration: BouncerRegistration) -> None:
    now = runtime.clock.now()
    before = tx.bouncers.get(bouncer_id)
    tx.source_bouncers.take(bouncer_id, reported=before)
    if before != registration:
        tx.ledger.note_often(now, SERVICE, Kind.FACTS, of_bouncer(bouncer_id, before, registration))
        tx.bouncers.put(bouncer_id, registration, now)


def _remove(runtime: Runtime, tx: Transaction, bouncer_id: str, reported: BouncerRegistration | None) -> None:
    """Remove a bouncer, unless it was ``reported`` too: then it is what was reported of it."""
    now = runtime.clock.now()
    before = tx.bouncers.get(bouncer_id)
    tx.source_bouncers.forget(bouncer_id)
    if reported is None:
        tx.bouncers.remove(bouncer_id)
    else:
        tx.bouncers.put(bouncer_id, reported, now)
    if before != reported:
        tx.ledger.note_often(now, SERVICE, Kind.FACTS, of_bouncer(bouncer_id, before, reported))


def _redeem(runtime: Runtime, codes: Sequence[ExtensionCode]) -> None:
    with runtime.database.read() as tx:
        known = tx.extension_codes.known([code.code_id for code in codes])
    for code in codes:
        _check(runtime, code, known)
    for chunk in _chunks([code for code in codes if code.code_id not in known]):
        with runtime.database.write() as tx:
            for code in chunk:
                if tx.extension_codes.redeem(code):
                    tx.ledger.note(runtime.clock.now(), SERVICE, Kind.FACTS, of_code(code))
            if tx.extension_codes.count_waiting(MAX_WAITING_CODES + 1) > MAX_WAITING_CODES:
                raise SourceFullError


def _check(runtime: Runtime, code: ExtensionCode, known: Mapping[str, datetime]) -> None:
    pattern = runtime.deployment.extension_code_pattern
    if pattern is not None and not matches_whole(pattern, code.code_id):
        raise SourceRowRefusedError(CODES, "code_id", ": a code does not match TELEMETRY_EXTENSION_CODE_PATTERN")
    if known.get(code.code_id, code.redeemed_at) != code.redeemed_at:
        raise SourceRowRefusedError(CODES, "redeemed_at", f": {code.code_id} was recorded with another time")


def _note_shared(runtime: Runtime) -> None:
    """Note the bouncers that reports count too: then each of their events may count twice."""
    with runtime.database.write() as tx:
        tx.source.note_shared(tx.periods.open().period_id)


def _chunks(members: Sequence[T]) -> Iterator[Sequence[T]]:
    return (members[start : start + _CHUNK] for start in range(0, len(members), _CHUNK))
