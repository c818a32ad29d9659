"""What the payload says about the license, from the posture that the Control Plane reports."""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.payload import LicenseMetrics, LicenseStatus, Tier
from telemetry_service.domain.transmissions import DeliveryRecord

_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3_600

NO_POSTURE = LicensePosture(tier=Tier.UNKNOWN, license_status=LicenseStatus.UNKNOWN)
"""What is known before the Control Plane has reported its license."""


@dataclass(frozen=True, slots=True)
class Window:
    """The reporting period, as the license metrics need it."""

    opened_at: datetime
    closed_at: datetime


def whole_days_until(moment: datetime | None, now: datetime) -> int | None:
    """Return whole days from ``now`` to ``moment``, towards minus infinity once past; None without a moment."""
    if moment is None:
        return None
    return int((moment - now).total_seconds() // _DAY_SECONDS)


def metrics(posture: LicensePosture, record: DeliveryRecord, window: Window) -> LicenseMetrics:
    """Return the license metrics at the end of a period."""
    now = window.closed_at
    token_since = posture.token_refreshed_at or posture.token_issued_at
    # An expiry alone shows that there is a token, but not since when.
    connected = token_since is not None or posture.token_expires_at is not None
    refreshed = posture.token_refreshed_at is not None and window.opened_at <= posture.token_refreshed_at <= now
    expires_in = whole_days_until(posture.token_expires_at, now)
    return LicenseMetrics(
        license_token_connected=connected,
        license_token_expired=posture.token_expires_at is not None and posture.token_expires_at <= now,
        license_token_refreshed=refreshed,
        # A token from the future (some clock is wrong) counts as issued now.
        license_token_age_days=None if token_since is None else max(0, (now - token_since).days),
        license_token_expires_in_days=expires_in,
        telemetry_last_attempt_ok=record.last_attempt.ok if record.last_attempt else None,
        telemetry_last_success_age_hours=_hours_since(record.last_accepted_at, now),
    )


def _hours_since(moment: datetime | None, now: datetime) -> int | None:
    if moment is None:
        return None
    return max(0, int((now - moment).total_seconds() // _HOUR_SECONDS))
