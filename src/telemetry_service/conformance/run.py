"""Runs the checks, in the order in which they depend on each other, and adds up what they found."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from telemetry_service.conformance import acceptance, bundles, encryption, observed, receipts, refusals, repetition
from telemetry_service.conformance.check import Check, NotChecked, Result, Verdict, result_of
from telemetry_service.conformance.session import Session
from telemetry_service.domain.causes import Cause

CHECKS: tuple[Check, ...] = (
    *acceptance.CHECKS,
    *repetition.CHECKS,
    *refusals.CHECKS,
    *encryption.CHECKS,
    *receipts.CHECKS,
    *bundles.CHECKS,
    *acceptance.AT_THE_END,
    *observed.CHECKS,
)
"""All checks. The last ones look at every exchange of those before."""

_MOST_SILENCES = 3
"""So many requests without a response, and no more are sent: each may take as long as the deadline."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found."""

    results: tuple[Result, ...]
    requests: int
    responses: int

    def count(self, verdict: Verdict) -> int:
        """Return how many checks have this verdict."""
        return sum(result.verdict is verdict for result in self.results)

    @property
    def conforms(self) -> bool:
        """Whether nothing violates the protocol, and there was something to judge."""
        return self.count(Verdict.VIOLATES) == 0 and self.count(Verdict.CONFORMS) > 0


def ignore(_result: Result) -> None:
    """Do nothing."""


def run(session: Session, only: Collection[str] = (), on_result: Callable[[Result], None] = ignore) -> Report:
    """Run all checks, or ``only`` those with these names; ``on_result`` gets each result as soon as it is known."""
    results = []
    for result in _results(session, [check for check in CHECKS if not only or check.name in only]):
        results.append(result)
        on_result(result)
    responses = sum(not isinstance(it.response, Cause) for it in session.exchanged)
    return Report(tuple(results), len(session.exchanged), responses)


def _results(session: Session, checks: list[Check]) -> Iterator[Result]:
    for check in checks:
        silences = sum(isinstance(it.response, Cause) for it in session.exchanged)
        if silences >= _MOST_SILENCES and check not in observed.CHECKS:
            yield result_of(check, NotChecked("Too many requests got no response."))
        else:
            yield result_of(check, check.run(session))
