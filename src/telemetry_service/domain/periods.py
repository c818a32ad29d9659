"""Reporting periods and what was counted in them."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class ClosedBy(StrEnum):
    """What closed a period.

    One closed by a switch, or after a restore, is a *period not reported*: its counts are never sent.
    """

    TICK = "tick"
    SEND_NOW = "send_now"
    SWITCHED_OFF = "switched_off"
    SWITCHED_ON = "switched_on"
    RESTORED = "restored"
    """Its counts had been sent before a backup was restored."""


class OpenPeriod(StrEnum):
    """What became of the open period's counts before a backup was restored."""

    SENT = "sent"
    UNSENT = "unsent"


@dataclass(frozen=True, slots=True)
class Period:
    """The open reporting period, of which there is always exactly one."""

    period_id: int
    opened_at: datetime
    reportable: bool
    """False if it was open while telemetry was off: then its counts are never sent."""


@dataclass(frozen=True, slots=True)
class DayCount:
    """What all bouncers reported on one UTC day of a period."""

    day: date
    sandbox_events: int
    production_events: int
    policy_decisions: int
    successful_decisions: int

    @property
    def total_events(self) -> int:
        """Audit events of both environments."""
        return self.sandbox_events + self.production_events


@dataclass(frozen=True, slots=True)
class PeriodSums:
    """The sums of the open period's counters, kept so that nothing has to add them all up."""

    events: int
    decisions: int
    bouncers: int
    """Distinct bouncers that were named, regardless of what they reported."""


@dataclass(frozen=True, slots=True)
class BouncerTraffic:
    """What one bouncer counts as in a period, over both environments."""

    has_traffic: bool
    """Any event or decision."""
    has_decisions: bool

    def adds_to(self, known: "BouncerTraffic") -> bool:
        """Whether this adds something to ``known``."""
        return (self.has_traffic and not known.has_traffic) or (self.has_decisions and not known.has_decisions)


@dataclass(frozen=True, slots=True)
class PeriodCounts:
    """The counts of a period that a payload may show."""

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


def add_up(days: tuple[DayCount, ...], bouncer_count: int, active_reporting_bouncer_count: int) -> PeriodCounts:
    """Add up the days of a period; the database has added up its bouncers."""
    return PeriodCounts(
        bouncer_count=bouncer_count,
        active_reporting_bouncer_count=active_reporting_bouncer_count,
        policy_decision_count=sum(day.policy_decisions for day in days),
        successful_decisions=sum(day.successful_decisions for day in days),
        sandbox_events=sum(day.sandbox_events for day in days),
        production_events=sum(day.production_events for day in days),
    )
