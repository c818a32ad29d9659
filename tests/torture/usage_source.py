"""The reporters of usage: an endless, reproducible series of batches for each, and what was acknowledged.

A reporter that got no response reports the same batch again, with the same IDs. So whatever dies in between, at the end
every batch before its next one was acknowledged, and must count exactly once.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from telemetry_service.domain.facts import EnvironmentName, ExtensionCode, UsageReport
from tests.support.reckoning import Amount, add_up

_EPOCH = datetime(2026, 11, 1, tzinfo=UTC)
_BOUNCERS = 7
_SPREAD = 999_983
"""A prime: the counts of neighboring reports have nothing in common, so that no loss makes up for a doubling."""
CODE_EVERY = 8
"""Every eighth batch comes with a redeemed extension code."""


def batch(reporter: int, number: int) -> list[UsageReport]:
    """Return a reporter's batch of one to four reports."""
    return [_report(reporter, number, index) for index in range(1 + number % 4)]


def code(reporter: int, number: int) -> ExtensionCode | None:
    """Return the extension code that comes with a batch, if one does."""
    if number % CODE_EVERY:
        return None
    return ExtensionCode(code_id=f"EXT-{reporter}-{number}", redeemed_at=_EPOCH + timedelta(seconds=number))


class Receipts:
    """The acknowledgments that a reporter has had, on disk: its memory across its own and the service's deaths."""

    def __init__(self, folder: Path, reporter: int) -> None:
        """Open the list of ``reporter``."""
        self.reporter = reporter
        self._path = folder / f"reporter-{reporter}"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._counted = 0
        self._amount = Amount()

    def next_number(self) -> int:
        """Return the number of the first batch that was not acknowledged."""
        lines = self._path.read_bytes().split()
        return int(lines[-1]) + 1 if lines else 0

    def acknowledged(self, number: int) -> None:
        """Note that a batch was acknowledged."""
        os.write(self._file, b"%d\n" % number)

    def amount(self) -> Amount:
        """Return what all acknowledged batches hold."""
        upto = self.next_number()
        fresh = (_amount(r) for number in range(self._counted, upto) for r in batch(self.reporter, number))
        self._amount = self._amount.plus(add_up(fresh))
        self._counted = upto
        return self._amount

    def reports(self) -> int:
        """Return the number of acknowledged reports."""
        return sum(1 + number % 4 for number in range(self.next_number()))

    def codes(self) -> set[str]:
        """Return the ids of all codes that were redeemed."""
        numbers = range(0, self.next_number(), CODE_EVERY)
        return {f"EXT-{self.reporter}-{number}" for number in numbers}


def _report(reporter: int, number: int, index: int) -> UsageReport:
    decisions = 1 + (number * 514_229 + reporter * 28_657 + index * 4_181) % _SPREAD
    environment: EnvironmentName = "sandbox" if (number + index) % 3 == 0 else "production"
    return UsageReport(
        report_id=UUID(int=((reporter + 1) << 96) | (number << 8) | index),
        bouncer_id=f"bouncer-{(number + index) % _BOUNCERS}",
        environment=environment,
        audit_events=1 + (number * 317_811 + reporter * 75_025 + index * 6_765) % _SPREAD,
        policy_decisions=decisions,
        successful_decisions=decisions - decisions // 3,
    )


def _amount(report: UsageReport) -> Amount:
    return Amount(report["audit_events"], report["policy_decisions"], report["successful_decisions"])
