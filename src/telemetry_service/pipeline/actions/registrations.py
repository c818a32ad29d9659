"""What is reported of bouncers, beside what the source registers: neither overwrites the other."""

from collections.abc import Mapping

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.fact_entries import of_bouncer
from telemetry_service.domain.facts import BouncerRegistration
from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction


def owned_by_source(runtime: Runtime, tx: Transaction) -> Mapping[str, BouncerRegistration | None]:
    """Return the bouncers that the source registers, each with what was reported of it.

    Without a source in the deployment there are none, whatever one has registered earlier.
    """
    return tx.source_bouncers.all() if runtime.deployment.source_database else {}


def own_what_no_source_has(runtime: Runtime, tx: Transaction) -> None:
    """Let those who report own what an earlier source has registered."""
    if not runtime.deployment.source_database:
        tx.source_bouncers.forget_all()


def write_registration(
    runtime: Runtime, tx: Transaction, bouncer_id: str, registration: BouncerRegistration, actor: Actor
) -> None:
    """Write what is reported of a bouncer. What the source registers stays the registration of its bouncer."""
    now = runtime.clock.now()
    of_source = owned_by_source(runtime, tx)
    own_what_no_source_has(runtime, tx)
    before = of_source[bouncer_id] if bouncer_id in of_source else tx.bouncers.get(bouncer_id)
    if before == registration:
        return
    tx.ledger.note_often(now, actor, Kind.FACTS, of_bouncer(bouncer_id, before, registration))
    if bouncer_id in of_source:
        tx.source_bouncers.report(bouncer_id, registration)
    else:
        tx.bouncers.put(bouncer_id, registration, now)
