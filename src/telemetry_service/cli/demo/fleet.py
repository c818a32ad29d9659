"""The bouncers of the demo's installation and what they count: a dozen pairs, some of them incomplete."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from random import Random

_SATURDAY = 5
_AT_WEEKENDS = 0.35
_GROWTH_A_DAY = 0.006


@dataclass(frozen=True, slots=True)
class Pair:
    """A bouncer pair, which guards one application, and how busy it is."""

    name: str
    since_day: int
    """Days after the installation began."""
    busy: int
    """Audit events of its production bouncer on a working day."""
    environments: tuple[str, ...] = ("sandbox", "production")
    silent: bool = False
    """True if it is registered but reports nothing yet."""


FLEET = (
    Pair("payments-eu", 0, 5200),
    Pair("payments-us", 0, 6900),
    Pair("ledger", 0, 2100),
    Pair("customer-portal", 0, 3900),
    Pair("support-desk", 2, 900),
    Pair("warehouse", 5, 1500),
    Pair("hr-records", 9, 240),
    Pair("partner-api", 16, 4100),
    Pair("data-lake", 23, 2800),
    Pair("fraud-models", 30, 760, ("sandbox",)),
    Pair("legacy-billing", 33, 520, ("production",)),
    Pair("mobile-gateway", 52, 600, ("sandbox", "production"), silent=True),
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a bouncer counted."""

    bouncer_id: str
    environment: str
    audit_events: int
    policy_decisions: int
    successful_decisions: int


RETIRED_SANDBOX = "payments-us"
"""The pair whose sandbox bouncer is removed one day."""

RETIRED_ON_DAY = 44


def bouncer_id(pair: str, environment: str) -> str:
    """Return the ID of a pair's bouncer."""
    return f"bnc-{pair}-{'prd' if environment == 'production' else 'sbx'}"


def usage(moment: datetime, day_number: int, share: float, random: Random) -> Iterator[Usage]:
    """Yield what each bouncer counted until ``moment`` on the ``day_number``-th day for a share of that day."""
    for pair in FLEET:
        if pair.since_day > day_number or pair.silent:
            continue
        for environment in pair.environments:
            if environment == "sandbox" and pair.name == RETIRED_SANDBOX and day_number >= RETIRED_ON_DAY:
                continue
            events = int(_busy(pair, environment, moment.date(), day_number) * share * random.uniform(0.82, 1.18))
            yield _usage(pair.name, environment, events, random)


def _busy(pair: Pair, environment: str, day: date, day_number: int) -> float:
    weekend = _AT_WEEKENDS if day.weekday() >= _SATURDAY else 1
    share = 0.22 if environment == "sandbox" else 1
    return pair.busy * share * weekend * (1 + _GROWTH_A_DAY * day_number)


def _usage(pair: str, environment: str, events: int, random: Random) -> Usage:
    decisions = int(events * random.uniform(0.86, 0.94))
    successful = int(decisions * random.uniform(0.955, 0.995))
    return Usage(bouncer_id(pair, environment), environment, events, decisions, successful)
