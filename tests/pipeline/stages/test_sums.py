"""The figures of a period: the database adds up what a few lines of Python add up too."""

from collections import defaultdict
from random import Random

from sqlalchemy import create_engine, text

from telemetry_service.domain.facts import Environment
from telemetry_service.domain.payload import BouncerPairs
from telemetry_service.domain.periods import DayCount, PeriodCounts
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.facts import list_bouncers
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import read_now
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.site import Site, usage

_COUNTERS = text(
    "SELECT day, bouncer_id, environment, audit_events, policy_decisions, successful_decisions FROM usage_counters"
    " WHERE period_id = (SELECT id FROM reporting_periods WHERE is_open)"
)


def report_at_random(site: Site, random: Random) -> None:
    for _ in range(random.randint(1, 12)):
        decisions = random.choice((0, 0, random.randint(1, 9)))
        site.report(
            usage(
                random.choice((0, random.randint(1, 9))),
                decisions,
                random.randint(0, decisions),
                bouncer=f"bouncer-{random.randint(1, 9)}",
                environment=random.choice(tuple(Environment)),
            )
        )


def added_up(site: Site) -> PeriodCounts:
    """Return the counts of the open period, added up row by row."""
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        rows = connection.execute(_COUNTERS).all()
    engine.dispose()
    return PeriodCounts(
        bouncer_count=len({row.bouncer_id for row in rows if row.audit_events or row.policy_decisions}),
        active_reporting_bouncer_count=len({row.bouncer_id for row in rows if row.policy_decisions}),
        policy_decision_count=sum(row.policy_decisions for row in rows),
        successful_decisions=sum(row.successful_decisions for row in rows),
        sandbox_events=sum(row.audit_events for row in rows if row.environment == "sandbox"),
        production_events=sum(row.audit_events for row in rows if row.environment == "production"),
    )


def pairs_of(site: Site) -> BouncerPairs:
    environments = defaultdict(set)
    for bouncer in read_now(site.runtime, list_bouncers):
        environments[bouncer.pair_id].add(bouncer.environment)
    kinds = list(environments.values())
    return BouncerPairs(
        total_pairs=len(kinds),
        sandbox_only_count=kinds.count({Environment.SANDBOX}),
        production_only_count=kinds.count({Environment.PRODUCTION}),
        paired_count=kinds.count(set(Environment)),
    )


@ON_BOTH
def test_the_database_adds_up_what_the_counters_hold(site: Site) -> None:
    random = Random(20261127)  # noqa: S311 - examples
    assert read_now(site.runtime, build_preview).counts == PeriodCounts(0, 0, 0, 0, 0, 0)
    for number in range(12):
        report_at_random(site, random)
        pair = f"pair-{random.randint(1, 5)}"
        site.register(f"bouncer-{random.randint(1, 9)}", random.choice(tuple(Environment)), pair)
        preview = read_now(site.runtime, build_preview)
        assert preview.counts == added_up(site), f"round {number}"
        assert preview.payload is not None
        assert BouncerPairs(**preview.payload["bouncer_pairs"]) == pairs_of(site)
        assert preview.bouncers_registered == len(read_now(site.runtime, list_bouncers))
        assert sum(day.sandbox_events + day.production_events for day in preview.days) == preview.counts.total_events
        site.clock.advance(hours=random.randint(1, 40))
        if number == 7:
            send_now(site.runtime, ADMIN, None)
            assert read_now(site.runtime, build_preview).counts == PeriodCounts(0, 0, 0, 0, 0, 0)


@ON_BOTH
def test_a_bouncer_counts_with_any_event_or_decision_and_is_active_with_a_decision(site: Site) -> None:
    site.report(usage(5, bouncer="events only"), usage(0, 3, 2, bouncer="decisions only"), usage(0, bouncer="silent"))
    site.report(usage(1, bouncer="both at last"))
    site.report(usage(0, 1, 1, bouncer="both at last", environment=Environment.SANDBOX))
    preview = read_now(site.runtime, build_preview)
    assert preview.counts == PeriodCounts(3, 2, 4, 3, 0, 6)
    assert preview.days == (DayCount(site.clock.now().date(), 0, 6, 4, 3),)
