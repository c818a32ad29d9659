"""Notes that bytes were taken out: what the same actor repeats within an hour is one more entry, which names each."""

from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.pipeline.runtime import Runtime


def note_export(runtime: Runtime, actor: Actor, transmission_id: UUID, number: int, part: str) -> None:
    """Note that the bytes of an attempt were exported."""
    said: dict[str, Value] = {"of": "attempt", "number": number, "part": part}
    _note(runtime, actor, Kind.EXPORTED, said, transmission_id)


def note_proof(runtime: Runtime, actor: Actor, transmission_id: UUID, number: int, *, holds: bool) -> None:
    """Note that an attempt was proved to someone, and whether the proof holds."""
    _note(runtime, actor, Kind.PROVED, {"number": number, "verified": holds}, transmission_id)


def _note(runtime: Runtime, actor: Actor, kind: Kind, said: dict[str, Value], transmission_id: UUID) -> None:
    with runtime.database.write() as tx:
        tx.ledger.note_often(runtime.clock.now(), actor, kind, said, transmission_id)
