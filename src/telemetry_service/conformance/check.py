"""A check: one sentence of the protocol, and how a License Server shows whether it keeps to it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from telemetry_service.conformance.session import Session


@dataclass(frozen=True, slots=True)
class NotChecked:
    """The License Server gave no occasion to check something."""

    reason: str


Finding = str | NotChecked | None
"""What is wrong, or why that is not known; None if all is right."""


@dataclass(frozen=True, slots=True)
class Check:
    """One sentence of the protocol."""

    name: str
    sentence: str
    run: Callable[[Session], Finding]


class Verdict(StrEnum):
    """What a check found."""

    CONFORMS = "conforms"
    VIOLATES = "violates"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found, in words."""

    check: str
    sentence: str
    verdict: Verdict
    detail: str | None = None
    """What is wrong, or why it was not checked."""


def result_of(check: Check, finding: Finding) -> Result:
    """Return the result of a check."""
    match finding:
        case None:
            return Result(check.name, check.sentence, Verdict.CONFORMS)
        case NotChecked(reason=reason):
            return Result(check.name, check.sentence, Verdict.NOT_CHECKED, reason)
        case _:
            return Result(check.name, check.sentence, Verdict.VIOLATES, finding)
