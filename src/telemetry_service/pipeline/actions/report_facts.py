"""Records the facts other than usage: bouncers, the license posture, redeemed extension codes."""

from collections.abc import Callable

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.code_pattern import matches_whole
from telemetry_service.domain.errors import (
    BouncerOfSourceError,
    CustomerContradictionError,
    ExtensionCodeRefusedError,
    ExtensionCodesFullError,
    RegistryFullError,
    StaleBouncersError,
    StaleLicenseError,
)
from telemetry_service.domain.fact_entries import of_bouncer, of_code, of_license
from telemetry_service.domain.facts import (
    MAX_WAITING_CODES,
    BouncerRegistration,
    Environment,
    ExtensionCode,
    FactWarning,
    LicensePosture,
    LicenseSource,
    RegisteredBouncer,
    RegisteredWith,
    WarningCode,
)
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.license import NO_POSTURE
from telemetry_service.pipeline.actions.registrations import owned_by_source, write_registration
from telemetry_service.pipeline.changed_rows import distrust_older
from telemetry_service.pipeline.queries.facts import LicenseView, read_license
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot


def _any_bouncer(_present: RegisteredBouncer | None) -> bool:
    return True


def register_bouncer(
    runtime: Runtime,
    bouncer_id: str,
    registration: BouncerRegistration,
    actor: Actor,
    as_seen: Callable[[RegisteredBouncer | None], bool] = _any_bouncer,
) -> RegisteredWith:
    """Register a bouncer, or change its registration.

    Raises:
        RegistryFullError: the registry has reached its limit of bouncers.
        StaleBouncersError: the bouncer was changed since the caller read it.
    """
    with runtime.database.write() as tx:
        if not tx.bouncers.room(bouncer_id, runtime.deployment.max_bouncers):
            raise RegistryFullError
        if not as_seen(tx.bouncers.registered(bouncer_id)):
            raise StaleBouncersError
        write_registration(runtime, tx, bouncer_id, registration, actor)
        bouncer = tx.bouncers.registered(bouncer_id)
        assert bouncer is not None  # noqa: S101 - it was just registered, or the source has
        doubled = bouncer.environment is Environment.PRODUCTION and tx.bouncers.shares_production(
            bouncer_id, bouncer.pair_id
        )
    differs = (bouncer.environment, bouncer.pair_id) != (registration.environment, registration.pair_id)
    found = {
        WarningCode.PAIR_HAS_TWO_PRODUCTION_BOUNCERS: doubled,
        WarningCode.SOURCE_REGISTERS_OTHERWISE: differs,
    }
    return RegisteredWith(bouncer, tuple(FactWarning(code, bouncer_id) for code, is_so in found.items() if is_so))


def remove_bouncer(
    runtime: Runtime,
    bouncer_id: str,
    actor: Actor,
    as_seen: Callable[[RegisteredBouncer | None], bool] = _any_bouncer,
) -> bool:
    """Remove a bouncer from the registry; False if it was not registered. Its counts stay.

    If the source registers it too, only what was reported of it is removed.

    Raises:
        BouncerOfSourceError: no one has reported it, and the source registers it.
        StaleBouncersError: the bouncer was changed since the caller read it.
    """
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.bouncers.lock()
        if not as_seen(tx.bouncers.registered(bouncer_id)):
            raise StaleBouncersError
        of_source = owned_by_source(runtime, tx)
        before = of_source.get(bouncer_id, tx.bouncers.get(bouncer_id))
        if before is None and bouncer_id in of_source:
            raise BouncerOfSourceError
        if bouncer_id in of_source:
            tx.source_bouncers.report(bouncer_id, None)
        else:
            tx.bouncers.remove(bouncer_id)
        if before is not None:
            tx.ledger.note_often(now, actor, Kind.FACTS, of_bouncer(bouncer_id, before, None))
        return before is not None


def _as_it_is(_present: LicenseView) -> bool:
    return True


def report_license(
    runtime: Runtime, posture: LicensePosture, actor: Actor, as_seen: Callable[[LicenseView], bool] = _as_it_is
) -> LicenseView:
    """Change the members of the license posture that ``posture`` names, if the present one is ``as_seen``.

    Raises:
        CustomerContradictionError: the license posture names a different customer than the deployment.
        StaleLicenseError: the license was changed since the caller read it.
    """
    deployed = runtime.deployment.customer_id
    if deployed is not None and posture.customer_id not in {None, deployed}:
        raise CustomerContradictionError
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.license.stored(lock=True)  # So that it does not change before this change.
        distrust_older(runtime, tx)
        if not as_seen(read_license(Snapshot(runtime, tx, now))):
            raise StaleLicenseError
        reported = {name: getattr(posture, name) for name in posture.model_fields_set}
        change = tx.license.report(reported, NO_POSTURE, LicenseSource.REPORTED, now)
        if change is not None:
            tx.ledger.note(now, actor, Kind.FACTS, of_license(change))
        return read_license(Snapshot(runtime, tx, now))


def redeem_code(runtime: Runtime, code: ExtensionCode, actor: Actor) -> bool:
    """Record a redeemed code; False if it was recorded before.

    Raises:
        ExtensionCodeRefusedError: the deployment accepts extension codes of a different form.
        ExtensionCodesFullError: the limit of extension codes waiting for a payload is reached.
    """
    pattern = runtime.deployment.extension_code_pattern
    if pattern is not None and not matches_whole(pattern, code.code_id):
        raise ExtensionCodeRefusedError
    with runtime.database.write() as tx:
        recorded = tx.extension_codes.redeem(code)
        if recorded and tx.extension_codes.count_waiting(MAX_WAITING_CODES + 1) > MAX_WAITING_CODES:
            raise ExtensionCodesFullError
        if recorded:
            tx.ledger.note(runtime.clock.now(), actor, Kind.FACTS, of_code(code))
        return recorded
