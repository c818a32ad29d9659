"""Bouncer pairs: the sandbox and the production bouncer that share a pair id. Pricing is per pair."""

from telemetry_service.domain.facts import Environment, RegisteredBouncer
from telemetry_service.domain.payload import BouncerPairs


def pair_counts(bouncers: tuple[RegisteredBouncer, ...]) -> BouncerPairs:
    """Count the pairs by which of their two environments is registered."""
    environments: dict[str, set[Environment]] = {}
    for bouncer in bouncers:
        environments.setdefault(bouncer.pair_id, set()).add(bouncer.environment)
    kinds = list(environments.values())
    return BouncerPairs(
        total_pairs=len(kinds),
        sandbox_only_count=kinds.count({Environment.SANDBOX}),
        production_only_count=kinds.count({Environment.PRODUCTION}),
        paired_count=kinds.count({Environment.SANDBOX, Environment.PRODUCTION}),
    )
