"""Reporting periods and what was counted in them."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from telemetry_service.domain.facts import Environment


class ClosedBy(StrEnum):
    """What closed a period. A period closed by a switch is a *period not reported*: its counts never leave."""

    TICK = "tick"
    SEND_NOW = "send_now"
    SWITCHED_OFF = "switched_off"
    SWITCHED_ON = "switched_on"


@dataclass(frozen=True, slots=True)
class Period:
    """The open reporting period, of which there is always exactly one."""

    period_id: int
    opened_at: datetime
    reportable: bool
    """False where it was open while telemetry was off: then its counts never leave."""


@dataclass(frozen=True, slots=True)
class BouncerCount:
    """What one bouncer reported over a whole period, in one environment."""

    bouncer_id: str
    environment: Environment
    audit_events: int
    policy_decisions: int
    successful_decisions: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """What all bouncers reported on one UTC day of a period."""

    day: date
    sandbox_events: int
    production_events: int
    policy_decisions: int
    successful_decisions: int


@dataclass(frozen=True, slots=True)
class PeriodCounts:
    """The counts of a period, as far as a payload may show them."""

    bouncer_count: int
    active_reporting_bouncer_count: int
    policy_decision_count: int
    successful_decisions: int
    sandbox_events: int
    production_events: int

    @property
    def total_events(self) -> int:
        """Audit events of both environments."""
        return self.sandbox_events + self.production_events


def add_up(counts: tuple[BouncerCount, ...]) -> PeriodCounts:
    """Add up what the bouncers reported."""
    return PeriodCounts(
        bouncer_count=len({c.bouncer_id for c in counts if c.audit_events or c.policy_decisions}),
        active_reporting_bouncer_count=len({c.bouncer_id for c in counts if c.policy_decisions}),
        policy_decision_count=sum(c.policy_decisions for c in counts),
        successful_decisions=sum(c.successful_decisions for c in counts),
        sandbox_events=sum(c.audit_events for c in counts if c.environment is Environment.SANDBOX),
        production_events=sum(c.audit_events for c in counts if c.environment is Environment.PRODUCTION),
    )
