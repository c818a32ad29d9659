"""Builds the payload by copying allowlisted counts, never by deleting from something bigger."""

from pydantic import ValidationError

from telemetry_service.domain.errors import PayloadContradictionError
from telemetry_service.domain.health import availability, status_of
from telemetry_service.domain.license import NO_POSTURE, Window, metrics, whole_days_until
from telemetry_service.domain.payload import PreparedPayload
from telemetry_service.domain.periods import PeriodCounts
from telemetry_service.pipeline.snapshot import Snapshot


def count(snapshot: Snapshot) -> PeriodCounts:
    """Return the counts of the open period; the database adds them up."""
    periods, period_id = snapshot.tx.periods, snapshot.period.period_id
    return periods.counts(period_id, periods.day_counts(period_id))


def aggregate(snapshot: Snapshot, customer_id: str, counts: PeriodCounts | None = None) -> PreparedPayload:
    """Return the payload that the open period would become at the time of the snapshot; pass ``counts`` if known.

    ``customer_id`` is used as it will be sent.

    Raises:
        PayloadContradictionError: the numbers contradict each other or exceed the limits.
    """
    counts = counts or count(snapshot)
    tx, situation, now = snapshot.tx, snapshot.situation, snapshot.now
    posture = snapshot.state.license.values if snapshot.state.license else NO_POSTURE
    try:
        return PreparedPayload(
            customer_id=customer_id,
            instance_id=str(snapshot.state.instance_id),
            date=now.date().isoformat(),
            bouncer_count=counts.bouncer_count,
            deployed_bouncer_count=tx.bouncers.count(),
            active_reporting_bouncer_count=counts.active_reporting_bouncer_count,
            policy_decision_count=counts.policy_decision_count,
            total_events=counts.total_events,
            successful_decisions=counts.successful_decisions,
            sandbox_events=counts.sandbox_events,
            production_events=counts.production_events,
            health_status=status_of(situation),
            deployment_version=snapshot.runtime.deployment.version,
            tier=posture.tier,
            license_status=posture.license_status,
            days_remaining=whole_days_until(posture.expires_at, now),
            telemetry_availability=availability(situation),
            bouncer_pairs=tx.bouncers.pairs(),
            license_metrics=metrics(posture, snapshot.state.delivery, Window(snapshot.period.opened_at, now)),
            redeemed_extension_codes=tx.extension_codes.waiting(),
        )
    except ValidationError:
        raise PayloadContradictionError from None
