"""Builds the payload's values by copying allow-listed counts, never by deleting from something bigger."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from telemetry_service.domain.errors import PayloadContradictionError
from telemetry_service.domain.health import availability, status_of
from telemetry_service.domain.license import NO_POSTURE, Window, metrics, whole_days_until
from telemetry_service.domain.payload import PreparedPayload
from telemetry_service.domain.periods import Period, PeriodCounts
from telemetry_service.pipeline.queries.situation import read_situation
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Ending:
    """A period and the moment at which it ends, or would end for a preview."""

    period: Period
    at: datetime


def count(tx: Transaction, ending: Ending) -> PeriodCounts:
    """Return the counts of a period; the database adds them up."""
    period_id = ending.period.period_id
    return tx.periods.counts(period_id, tx.periods.day_counts(period_id))


def aggregate(
    runtime: Runtime, tx: Transaction, ending: Ending, customer_id: str, counts: PeriodCounts | None = None
) -> PreparedPayload:
    """Return the payload of a period, in which ``customer_id`` stands as it will leave; ``counts`` if they are known.

    Raises :class:`PayloadContradictionError` where the numbers contradict each other or the bounds.
    """
    counts = counts or count(tx, ending)
    posture = tx.license.get() or NO_POSTURE
    record = tx.contacts.record()
    situation = read_situation(runtime, tx, ending.at)
    try:
        return PreparedPayload(
            customer_id=customer_id,
            instance_id=str(tx.installation.instance_id()),
            date=ending.at.date().isoformat(),
            bouncer_count=counts.bouncer_count,
            deployed_bouncer_count=tx.bouncers.count(),
            active_reporting_bouncer_count=counts.active_reporting_bouncer_count,
            policy_decision_count=counts.policy_decision_count,
            total_events=counts.total_events,
            successful_decisions=counts.successful_decisions,
            sandbox_events=counts.sandbox_events,
            production_events=counts.production_events,
            health_status=status_of(situation),
            deployment_version=runtime.deployment.version,
            tier=posture.tier,
            license_status=posture.license_status,
            days_remaining=whole_days_until(posture.expires_at, ending.at),
            telemetry_availability=availability(situation),
            bouncer_pairs=tx.bouncers.pairs(),
            license_metrics=metrics(posture, record, Window(ending.period.opened_at, ending.at)),
            redeemed_extension_codes=tx.extension_codes.waiting(),
        )
    except ValidationError:
        raise PayloadContradictionError from None
