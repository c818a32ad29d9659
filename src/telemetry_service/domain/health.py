"""The health of the telemetry system: five states, the first match wins.

Each state names its cause in a sentence and says who can do what about it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from telemetry_service.domain.outcome import EXPLANATIONS
from telemetry_service.domain.payload import HealthStatus, TelemetryAvailability
from telemetry_service.domain.transmissions import DeliveryRecord

STALE_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Health:
    """A state with its cause, the next step and whose it is."""

    status: HealthStatus
    code: str
    cause: str
    next_step: str
    whose: str
    connected: bool | None
    """Whether the latest contact with the License Server went well; None before the first."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Which parts of the connection are in place."""

    enabled: bool
    locked: bool
    api_key: bool
    api_key_usable: bool
    """False where the stored key cannot be opened with the configured ENCRYPTION_KEY."""
    license_server: bool
    customer_id: bool

    @property
    def complete(self) -> bool:
        """Whether transmissions can be made at all."""
        return self.api_key and self.api_key_usable and self.license_server and self.customer_id


_ADMIN = "Control Core administrator"
_DEPLOYER = "whoever deploys the Control Plane"


def assess(setup: Setup, record: DeliveryRecord, now: datetime) -> Health:
    """Return the health at ``now``; the first match wins."""
    contact = record.latest_contact
    connected = contact.ok if contact else None
    if not setup.enabled:
        return _disabled(setup, connected)
    if not setup.complete:
        return _not_configured(setup, connected)
    if contact is not None and not contact.ok and contact.cause is not None:
        explanation = EXPLANATIONS[contact.cause]
        return Health(
            HealthStatus.UNHEALTHY,
            contact.cause.value,
            explanation.sentence,
            explanation.next_step,
            explanation.whose,
            connected,
        )
    return _working(record, connected, now)


def availability(record: DeliveryRecord, now: datetime) -> TelemetryAvailability:
    """Return the payload's word for whether payloads reach the License Server."""
    if record.last_accepted_at is None:
        return TelemetryAvailability.UNAVAILABLE
    if record.waiting or now - record.last_accepted_at > STALE_AFTER:
        return TelemetryAvailability.DEGRADED
    return TelemetryAvailability.AVAILABLE


def _working(record: DeliveryRecord, connected: bool | None, now: datetime) -> Health:  # noqa: FBT001 - a plain fact
    """Return the health of an installation whose latest contact went well, or that has had none."""
    if record.last_accepted_at is None:
        return Health(
            HealthStatus.WARNING,
            "never_accepted",
            "No transmission has been accepted yet.",
            "Wait for the next run, or press Send Now.",
            _ADMIN,
            connected,
        )
    if now - record.last_accepted_at > STALE_AFTER:
        return Health(
            HealthStatus.WARNING,
            "last_success_too_old",
            "The last accepted transmission is more than 7 days old.",
            "Wait for the next run, or press Send Now; look at the transmission history for errors.",
            _ADMIN,
            connected,
        )
    if record.waiting:
        return Health(
            HealthStatus.HEALTHY,
            "ok_waiting",
            "The connection is active and a recent transmission was accepted; another one still waits.",
            "It is sent again at the next run; to send it sooner, press Retry in the transmission history.",
            _ADMIN,
            connected,
        )
    return Health(
        HealthStatus.HEALTHY,
        "ok",
        "The connection is active and a recent transmission was accepted.",
        "Nothing to do.",
        "nobody",
        connected,
    )


def _disabled(setup: Setup, connected: bool | None) -> Health:  # noqa: FBT001 - a plain fact
    if setup.locked:
        return Health(
            HealthStatus.DISABLED,
            "disabled_by_deployment",
            "This deployment has switched telemetry off.",
            "To switch it on, change TELEMETRY_ENABLED in the deployment.",
            _DEPLOYER,
            connected,
        )
    return Health(
        HealthStatus.DISABLED,
        "disabled",
        "Telemetry is switched off; nothing is sent.",
        "Switch Enable Telemetry on.",
        _ADMIN,
        connected,
    )


def _not_configured(setup: Setup, connected: bool | None) -> Health:  # noqa: FBT001 - a plain fact
    missing = (
        (
            setup.license_server,
            "license_server_missing",
            "The deployment names no License Server.",
            "Set TELEMETRY_LICENSE_SERVER_URL in the deployment.",
            _DEPLOYER,
        ),
        (
            setup.customer_id,
            "customer_id_missing",
            "The customer id of this installation is not known.",
            "Set TELEMETRY_CUSTOMER_ID in the deployment, or report it with the license.",
            _DEPLOYER,
        ),
        (
            setup.api_key,
            "api_key_missing",
            "No API key is configured.",
            "Enter the API key, test the connection and save.",
            _ADMIN,
        ),
        (
            setup.api_key_usable,
            "api_key_unusable",
            "The stored API key cannot be opened with this ENCRYPTION_KEY.",
            "Check ENCRYPTION_KEY in the deployment, or enter the API key again.",
            _ADMIN,
        ),
    )
    for present, code, cause, step, whose in missing:
        if not present:
            return Health(HealthStatus.NOT_CONFIGURED, code, cause, step, whose, connected)
    raise AssertionError  # The caller has seen that one of them is missing.
