"""What other services have reported: the registry of bouncers and the license posture."""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.errors import NotFoundError
from telemetry_service.domain.facts import LicensePosture, LicenseSource, RegisteredBouncer, StoredPosture
from telemetry_service.domain.license import NO_POSTURE
from telemetry_service.pipeline.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class LicenseView:
    """The license posture, and whether feature gating is active (it is not while telemetry is off)."""

    posture: LicensePosture
    source: LicenseSource | None
    updated_at: datetime | None
    customer_id: str | None
    feature_gating_active: bool


def list_bouncers(snapshot: Snapshot) -> tuple[RegisteredBouncer, ...]:
    """Return all registered bouncers by ID."""
    return snapshot.tx.bouncers.all()


def read_bouncer(snapshot: Snapshot, bouncer_id: str) -> RegisteredBouncer:
    """Return a registered bouncer.

    Raises:
        NotFoundError: it is not registered.
    """
    found = snapshot.tx.bouncers.registered(bouncer_id)
    if found is None:
        raise NotFoundError
    return found


def read_license(snapshot: Snapshot) -> LicenseView:
    """Return the license posture; before the first report, everything in it is unknown."""
    stored = snapshot.state.license or StoredPosture(NO_POSTURE, None, None)
    return LicenseView(
        posture=stored.values,
        source=stored.source,
        updated_at=stored.updated_at,
        customer_id=snapshot.customer_id,
        feature_gating_active=snapshot.enabled,
    )
